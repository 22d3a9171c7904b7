"""On which inputs a file of integers is proved."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from torch import nn

from seaformer.core.quantization import PHOTOGRAPHS
from seaformer.export import _verify
from seaformer.export.quantize._calibration import Calibration

_SHOWN = 2  # calibration images among the cases


def calibrated_cases(
    cases: tuple[_verify.Case, ...], eager: nn.Module, calibration: Calibration
) -> tuple[_verify.Case, ...]:
    """The photographs, and calibration images: integers hold values like those they were given.

    Noise is far from any image, so the ranges do not hold it; it stays where it is all there is.
    """
    photographs = tuple(case for case in cases if case.name != _verify.NOISE)
    if calibration.source == PHOTOGRAPHS or not calibration.pixels:
        return photographs
    arrays = islice(calibration.arrays(raw=True), _SHOWN)
    names = (image.name for image in calibration.images)
    shown = _verify.answered(
        eager, dict(zip(names, arrays, strict=False)), calibration.preprocessing
    )
    return (*photographs, *(replace(case, scores=cases[0].scores) for case in shown))
