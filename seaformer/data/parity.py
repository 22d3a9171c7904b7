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
    """What counts as equal: ``relative_error`` is max abs over the reference's std."""

    relative_error: float
    argmax_agreement: float

    def __str__(self) -> str:
        return (
            f"relative error <= {self.relative_error:g}, "
            f"argmax agreement >= {100 * self.argmax_agreement:g} %"
        )


# Single precision: rounding alone, amplified by softmax and depth, gives 2e-5 to 6e-5 (seeded
# SeaFormer T to L, both runtimes); the mildest structural mistake tried gives 2e-2.
# Half precision has 11 bits: its errors are judged by their size against the output's spread and
# by the classes that win, never by one absolute figure.
TOLERANCES: Mapping[str, Tolerance] = {
    "fp32": Tolerance(5e-4, 0.999),
    "fp16": Tolerance(5e-2, 0.98),
}


def compare_all(
    name: str, method: str, seen: Sequence[Array], expected: Sequence[Array], precision: str
) -> ParityCase:
    """The worst of a method's outputs; only the first scores classes (a detector's boxes do not).

    Raises ``ParityError`` for another number of outputs, or another shape.
    """
    if len(seen) != len(expected):
        raise ParityError(f"{name}: {method} has {len(seen)} output(s), expected {len(expected)}.")
    tolerance = TOLERANCES[precision]
    features = replace(tolerance, argmax_agreement=0.0)
    found = [
        compare(name, one, other, features if i else tolerance)
        for i, (one, other) in enumerate(zip(seen, expected, strict=True))
    ]
    worst = max(found, key=lambda case: (not case.passed, case.relative_error or 0.0))
    return replace(worst, argmax_agreement=found[0].argmax_agreement)


def compare(name: str, seen: Array, expected: Array, tolerance: Tolerance) -> ParityCase:
    """Figures of one output, (1, K, ...) scores or an integer class map, against its reference.

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
    agreement = float(np.mean(seen.argmax(1) == expected.argmax(1)))
    passed = relative <= tolerance.relative_error and agreement >= tolerance.argmax_agreement
    psnr = _psnr_db(mse, float(expected.max() - expected.min()))
    return ParityCase(name, max_abs, relative, psnr, agreement, passed)


def _psnr_db(mse: float, peak: float) -> float | None:
    if mse == 0 or peak == 0 or not math.isfinite(mse):
        return None
    return 10 * math.log10(peak**2 / mse)
