"""How far two outputs agree, and how far they have to.

Used when a file is exported (against the eager model) and again when it is timed (against the
eager model's answer kept beside the artifact): a wrong answer has no latency.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.artifact import ParityCase
from seaformer.core.errors import ParityError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Tolerance:
    """What counts as equal: ``relative_error`` is max abs over the reference's std.

    ``psnr_db`` bounds the mean squared error, against the reference's range; 0 asks for nothing.
    A classifier has one position per image, where agreement is all or nothing: its winner has to
    be among the reference's best ``top``.
    """

    relative_error: float
    argmax_agreement: float
    psnr_db: float = 0.0
    top: int = 1

    def __str__(self) -> str:
        psnr = f"PSNR >= {self.psnr_db:g} dB, " if self.psnr_db else ""
        return (
            f"relative error <= {self.relative_error:g}, {psnr}"
            f"argmax agreement >= {100 * self.argmax_agreement:g} %"
        )


# Single precision: rounding alone, amplified by softmax and depth, gives 2e-5 to 6e-5 (seeded
# SeaFormer T to L, both runtimes); the mildest structural mistake tried gives 2e-2.
# Half precision has 11 bits: its errors are judged by their size against the output's spread, by
# their mean and by the classes that win, never by one absolute figure. Rounding alone, seeded T to
# L on photographs and noise up to 512x512, gives on x86 (which adds in fp32) relative errors to
# 0.15, 60 dB or more and 98 % of the classes or more; on an ARM core, which adds in half, 0.32,
# 54.7 dB and 95 % (seeded weights have many near ties). A bias off by one gives 49 dB, a gate
# without its half 26 dB. A weight off by 1 % drowns in rounding (59 to 64 dB): that is what the
# fp32 file, made from the same graph, is there to show.
TOLERANCES: Mapping[str, Tolerance] = {
    "fp32": Tolerance(5e-4, 0.999),
    "fp16": Tolerance(0.5, 0.9, 52.0, top=5),
}


# Methods whose first output (1, K, ...) scores classes; other components give features, and a
# detector's other outputs boxes.
SCORING = ("forward", "head")


def compare_all(
    name: str, method: str, seen: Sequence[Array], expected: Sequence[Array], precision: str
) -> ParityCase:
    """The worst of a method's outputs, with the agreement of the one that scores classes.

    Raises ``ParityError`` for another number of outputs, or another shape.
    """
    if len(seen) != len(expected):
        raise ParityError(f"{name}: {method} has {len(seen)} output(s), expected {len(expected)}.")
    tolerance = TOLERANCES[precision]
    agreements = [
        compare(name, one, other, tolerance, scores=method in SCORING and i == 0)
        for i, (one, other) in enumerate(zip(seen, expected, strict=True))
    ]
    worst = max(agreements, key=lambda case: (not case.passed, case.relative_error or 0.0))
    return replace(worst, argmax_agreement=agreements[0].argmax_agreement)


def compare(
    name: str, seen: Array, expected: Array, tolerance: Tolerance, *, scores: bool = True
) -> ParityCase:
    """Figures of one output, (1, K, ...) scores or an integer class map, against its reference.

    Without ``scores`` the values are features: no best class is asked for.

    Raises ``ParityError`` when the shapes differ; a difference in value is only reported.
    """
    if seen.shape != expected.shape:
        raise ParityError(f"{name}: the output has shape {seen.shape}, expected {expected.shape}.")
    if np.issubdtype(expected.dtype, np.integer):
        agreement = float(np.mean(seen == expected))
        passed = agreement >= tolerance.argmax_agreement
        return ParityCase(name, None, None, None, agreement, passed)
    difference = seen.astype(np.float64) - expected.astype(np.float64)
    finite = bool(np.isfinite(difference).all())
    max_abs = float(np.abs(difference).max()) if finite else math.inf
    mse = float(np.mean(difference**2)) if finite else math.inf
    relative = max_abs / (float(expected.std()) or 1.0)
    psnr = _psnr_db(mse, float(expected.max() - expected.min()))
    share: float | None = None
    passed = relative <= tolerance.relative_error
    passed = passed and (psnr is None or psnr >= tolerance.psnr_db)
    if scores:
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
