"""How far two outputs agree, and how far they have to.

Used when a file is exported (against the eager model) and again when it is timed (against the
eager model's answer kept beside the artifact): a wrong answer has no latency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.artifact import ParityCase
from seaformer.core.errors import ParityError
from seaformer.core.plural import counted
from seaformer.core.precision import Tolerance

Array = npt.NDArray[Any]


# Methods whose first output (1, K, ...) scores classes; other components give features, and a
# detector's other outputs boxes.
SCORING = ("forward", "head")


def compare_all(
    name: str,
    method: str,
    seen: Sequence[Array],
    expected: Sequence[Array],
    tolerance: Tolerance,
    *,
    scores: bool = True,
) -> ParityCase:
    """The worst of a method's outputs, with the agreement of the one that scores classes.

    Without ``scores`` no output is known to score classes.

    Raises ``ParityError`` for another number of outputs, or another shape.
    """
    if len(seen) != len(expected):
        raise ParityError(
            f"{name}: {method} has {counted(len(seen), 'output')}, expected {len(expected)}."
        )
    agreements = [
        compare(name, one, other, tolerance, scores=scores and method in SCORING and i == 0)
        for i, (one, other) in enumerate(zip(seen, expected, strict=True))
    ]
    worst = max(agreements, key=lambda case: (not case.passed, case.relative_error or 0.0))
    return replace(worst, argmax_agreement=agreements[0].argmax_agreement)


def compare(
    name: str, seen: Array, expected: Array, tolerance: Tolerance, *, scores: bool = True
) -> ParityCase:
    """Figures of one output, (1, K, ...) scores or an integer class map, against its reference.

    Without ``scores`` the values are features: no best class is asked for, nor is it of a single
    class, of which every position would agree. Infinities and NaN never pass.

    Raises ``ParityError`` when the shapes differ; a difference in value is only reported.
    """
    if seen.shape != expected.shape:
        raise ParityError(f"{name}: the output has shape {seen.shape}, expected {expected.shape}.")
    if not expected.size:
        return ParityCase(name, 0.0, 0.0, None, None, True)
    if np.issubdtype(expected.dtype, np.integer):
        agreement = float(np.mean(seen == expected))
        passed = agreement >= tolerance.argmax_agreement
        return ParityCase(name, None, None, None, agreement, passed)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        difference = seen.astype(np.float64) - expected.astype(np.float64)
    finite = bool(np.isfinite(difference).all())
    max_abs = float(np.abs(difference).max()) if finite else math.inf
    mse = float(np.mean(difference**2)) if finite else math.inf
    relative = max_abs / (float(expected.std()) or 1.0) if finite else math.inf
    psnr = _psnr_db(mse, float(expected.max() - expected.min()))
    share: float | None = None
    passed = relative <= tolerance.relative_error
    passed = passed and (psnr is None or psnr >= tolerance.psnr_db)
    if scores and expected.ndim > 1 and expected.shape[1] > 1:
        share = float(np.mean(seen.argmax(1) == expected.argmax(1)))
        enough = _among_best(seen, expected, tolerance.top) if seen.ndim == 2 else share
        passed = passed and enough >= tolerance.argmax_agreement
    return ParityCase(name, max_abs, relative, psnr, share, passed)


def _among_best(seen: Array, expected: Array, top: int) -> float:
    """The share of images, (N, K) scores, whose winner is among the reference's best ``top``."""
    winner = np.take_along_axis(expected, seen.argmax(1)[:, None], axis=1)
    return float(np.mean((expected > winner).sum(axis=1) < top))


def _psnr_db(mse: float, peak: float) -> float | None:
    if mse == 0 or peak == 0 or not math.isfinite(mse):
        return None
    return 10 * math.log10(peak**2 / mse)
