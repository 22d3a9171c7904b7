"""``Evaluation``: how accurate one subject was, made of what a part counted.

Intervals are over images, by the resamples of a tally (``tally.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seaformer.core.errors import DataError
from seaformer.core.plural import counted
from seaformer.core.stats import Interval
from seaformer.data.dataset import CLASSIFICATION, DETECTION, SEGMENTATION, DataSet
from seaformer.data.metrics import mean_ious
from seaformer.evaluation.part import Part
from seaformer.evaluation.precision import average_precision
from seaformer.evaluation.tally import Tally, tallies_of


@dataclass(frozen=True)
class Difference:
    """Against the first predictor: mIoU less its mIoU, a 95 % interval over images, the share of
    labelled pixels with the same class, and IoU less its IoU by class."""

    base: str
    miou: float
    miou_ci95: Interval
    argmax_agreement: float
    iou: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """In per cent; ``None`` for what the task has not. ``broken`` are skipped files, with reasons
    (at most 20 of them); ``mode`` is how images were fed."""

    model: str
    data: str
    split: str
    task: str
    mode: str
    images: int
    skipped: int
    miou: float | None = None
    macc: float | None = None
    aacc: float | None = None
    miou_ci95: Interval | None = None
    iou: Mapping[str, float] = field(default_factory=dict)
    top1: float | None = None
    top5: float | None = None
    ap: float | None = None
    difference: Difference | None = None
    broken: tuple[str, ...] = ()


def evaluations(data: DataSet, part: Part) -> tuple[Evaluation, ...]:
    """The results of a part, one of each subject.

    Raises ``DataError`` where no image could be read, or no pixel has a label.
    """
    tallies = tallies_of(part.counted, data.classes, "the part")
    _check_counted(data, tallies[0], part)
    names = zip(part.whole.names, part.whole.modes, tallies, strict=True)
    return tuple(
        _evaluation(data, part, (name, mode), tally, base=(part.whole.names[0], tallies[0]))
        for name, mode, tally in names
    )


def _check_counted(data: DataSet, tally: Tally, part: Part) -> None:
    """Refuse a set of which nothing was judged."""
    if not part.images:
        raise DataError(
            f"{data.folder}: none of {counted(len(part.broken), 'image')} can be used. "
            f"{part.broken[0]}"
        )
    if data.task == SEGMENTATION and not tally.counts.labelled.any():
        raise DataError(
            f"{data.folder}: no pixel of {counted(part.images, 'image')} has a label of a class."
        )


def _evaluation(
    data: DataSet, part: Part, named: tuple[str, str], tally: Tally, base: tuple[str, Tally]
) -> Evaluation:
    broken, (name, mode) = part.broken, named
    common = (
        name, str(data.folder), data.split, data.task, mode, part.images, len(broken)
    )  # fmt: skip
    if data.task == CLASSIFICATION:
        return Evaluation(
            *common, broken=broken[:20],
            top1=100 * tally.top1 / part.images, top5=100 * tally.top5 / part.images,
        )  # fmt: skip
    if data.task == DETECTION:
        return Evaluation(*common, broken=broken[:20], ap=average_precision(data, tally.boxes))
    scores = tally.counts.scores()
    iou = dict(zip(data.labels.names, scores.iou, strict=True))
    return Evaluation(
        *common, scores.miou, scores.macc, scores.aacc,
        _interval(mean_ious(tally.resampled)), iou,
        difference=None if base[1] is tally else _difference(data, tally, base),
        broken=broken[:20],
    )  # fmt: skip


def _difference(data: DataSet, tally: Tally, base: tuple[str, Tally]) -> Difference:
    mine, theirs = tally.counts.scores(), base[1].counts.scores()
    spread = mean_ious(tally.resampled) - mean_ious(base[1].resampled)
    by_class = zip(data.labels.names, mine.iou, theirs.iou, strict=True)
    return Difference(
        base=base[0],
        miou=mine.miou - theirs.miou,
        miou_ci95=_interval(spread),
        argmax_agreement=tally.same / max(int(tally.counts.labelled.sum()), 1),
        iou={name: a - b for name, a, b in by_class},
    )


def _interval(values: Any) -> Interval:
    low, high = np.nanquantile(100 * values, (0.025, 0.975))
    return Interval(float(low), float(high))
