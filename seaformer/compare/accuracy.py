"""Accuracy on both sides: the same model, data and mode, and how many points were lost.

Both sides saw the same images, so the difference has no noise of sampling and is judged as it is.
"""

from __future__ import annotations

from seaformer.compare.verdict import BETTER, EXACT_DIGITS, REGRESSION, SAME, UNKNOWN, Finding
from seaformer.core.accuracy import Accuracy
from seaformer.core.plural import counted

POINTS = "points"


def judge_accuracy(base: Accuracy, new: Accuracy, most: float) -> Finding:
    """A drop of more than ``most`` points is a regression; a gain of as much is better."""
    fact = base.metric or new.metric or "accuracy"
    if base.value is None or new.value is None or base.metric != new.metric:
        return Finding(fact, UNKNOWN, base.value, new.value, POINTS, why="a side has no figure")
    plain = (base.value, new.value, POINTS)
    if (base.images, base.skipped) != (new.images, new.skipped):
        before, now = (_counted(one, skipped=base.skipped != new.skipped) for one in (base, new))
        why = f"not the same images: {before}, now {now}"
        return Finding(fact, UNKNOWN, *plain, why=why)
    drop = round(base.value - new.value, EXACT_DIGITS)
    if drop > most:
        return Finding(fact, REGRESSION, *plain, why=f"more than {most:g} points lost")
    return Finding(fact, BETTER if -drop > most else SAME, *plain)


def _counted(one: Accuracy, *, skipped: bool) -> str:
    return counted(one.images, "image") + f" ({one.skipped:,} skipped)" * skipped
