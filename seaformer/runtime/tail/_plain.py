"""The tail with numpy, the same values bit by bit: a band of rows at a time, class by class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_BAND = 64  # rows of the result that are computed together
_ONE, _HALF = np.float32(1), np.float32(0.5)


@dataclass(frozen=True, eq=False)
class _Axis:
    """One bilinear resize of an axis: position i reads ``low[i]`` and ``high[i]``."""

    low: Array
    high: Array
    low_weight: Array
    high_weight: Array

    def part(self, positions: slice) -> _Axis:
        arrays = (self.low, self.high, self.low_weight, self.high_weight)
        return _Axis(*(array[positions] for array in arrays))


def argmax(
    logits: Array,
    size: tuple[int, int],
    through: tuple[int, int] | None,
    scale: float | None,
) -> tuple[Array, Array | None]:
    """Classes (H, W), and with ``scale`` their softmax."""
    steps = [size] if through is None else [through, size]
    classes = np.empty(size, np.uint16)
    confidence = None if scale is None else np.empty(size, np.float32)
    for begin in range(0, size[0], _BAND):
        rows = slice(begin, min(begin + _BAND, size[0]))
        best, peak = _best(logits, steps, rows)
        classes[rows] = best
        if confidence is not None and scale is not None:
            sums = np.zeros_like(peak)
            for plane in logits:
                sums += np.exp((_resized(plane, steps, rows) - peak) * np.float32(scale))
            confidence[rows] = _ONE / sums
    return classes, confidence


def _best(logits: Array, steps: list[tuple[int, int]], rows: slice) -> tuple[Array, Array]:
    peak = _resized(logits[0], steps, rows)
    best = np.zeros(peak.shape, np.uint16)
    for number, plane in enumerate(logits[1:], start=1):
        value = _resized(plane, steps, rows)
        higher = value > peak
        best[higher] = number
        np.copyto(peak, value, where=higher)
    return best, peak


def _resized(plane: Array, steps: list[tuple[int, int]], rows: slice) -> Array:
    """These rows of a plane after all steps."""
    value = plane.astype(np.float32)
    for step in steps[:-1]:
        value = _resize(value, _axis(value.shape[0], step[0]), _axis(value.shape[1], step[1]))
    height, width = steps[-1]
    down = _axis(value.shape[0], height).part(rows)
    return _resize(value, down, _axis(value.shape[1], width))


def _resize(plane: Array, down: _Axis, across: _Axis) -> Array:
    """Along the width first: of the rows that are read, then between those."""
    above, below = plane[down.low], plane[down.high]
    wide = [
        part[:, across.low] * across.low_weight + part[:, across.high] * across.high_weight
        for part in (above, below)
    ]
    value: Array = wide[0] * down.low_weight[:, None] + wide[1] * down.high_weight[:, None]
    return value


def _axis(source: int, target: int) -> _Axis:
    """Pixel centres, as torch's ``align_corners=False``, in single precision."""
    ratio = np.float32(source) / np.float32(target)
    place = ratio * (np.arange(target, dtype=np.float32) + _HALF) - _HALF
    place = np.maximum(place, np.float32(0))
    low = np.minimum(place.astype(np.int64), source - 1)
    high_weight = np.minimum(place - low.astype(np.float32), _ONE)
    return _Axis(low, np.minimum(low + 1, source - 1), _ONE - high_weight, high_weight)
