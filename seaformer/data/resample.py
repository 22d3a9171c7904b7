"""Bilinear and nearest resizing as torch and OpenCV do it: by pixel centres, without smoothing.

Pillow's own ``resize`` averages when it makes an image smaller; the official recipes do not. An
output pixel i reads input position (i + 1/2) * n / m - 1/2, which is ``interpolate`` of torch with
``align_corners=False``. Each axis is a matrix with two values a row, so that two steps are one
product, and a plane is two products.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]  # height, width


@functools.lru_cache(maxsize=256)
def matrix(source: int, target: int) -> Floats:
    """(target, source) weights of one axis; each row sums to 1."""
    weights = np.zeros((target, source), dtype=np.float32)
    low, high, fraction = _positions(source, target)
    rows = np.arange(target)
    np.add.at(weights, (rows, low), 1 - fraction)
    np.add.at(weights, (rows, high), fraction)
    weights.setflags(write=False)
    return weights


def matrices(source: Size, *steps: Size) -> tuple[Floats, Floats]:
    """Rows and columns of several resizes one after the other: (H', H) and (W', W)."""
    rows, columns = np.eye(source[0], dtype=np.float32), np.eye(source[1], dtype=np.float32)
    height, width = source
    for step in steps:
        rows, columns = matrix(height, step[0]) @ rows, matrix(width, step[1]) @ columns
        height, width = step
    return rows, columns


def bilinear(planes: npt.NDArray[Any], *steps: Size) -> Floats:
    """(..., H, W) resized to each of ``steps`` in turn, in float32."""
    rows, columns = matrices((planes.shape[-2], planes.shape[-1]), *steps)
    resized: Floats = rows @ planes.astype(np.float32, copy=False) @ columns.T
    return resized


def best_class(scores: npt.NDArray[Any], inside: Size, size: Size) -> npt.NDArray[np.int64]:
    """The class with the best of scores (K, h, w), resized to ``inside``, the input's size, and
    to ``size``, the image's; one class at a time, so that memory stays small."""
    rows, columns = matrices((scores.shape[-2], scores.shape[-1]), inside, size)
    best = np.full(size, -np.inf, dtype=np.float32)
    chosen = np.zeros(size, dtype=np.int64)
    for number, plane in enumerate(scores.astype(np.float32, copy=False)):
        resized = rows @ plane @ columns.T
        better = resized > best
        best[better], chosen[better] = resized[better], number
    return chosen


def resize_pixels(image: Pixels, size: Size) -> Pixels:
    """An image (H, W, 3) in 8 bits, bilinear, rounded to the nearest value."""
    if image.shape[:2] == size:
        return image
    (height, width), (rows_in, columns_in) = size, image.shape[:2]
    scale = (columns_in / width, 0.0, 0.0, 0.0, rows_in / height, 0.0)
    out = np.empty((height, width, image.shape[2]), dtype=np.uint8)
    for channel in range(image.shape[2]):
        plane = Image.fromarray(image[..., channel].astype(np.float32))
        resized = plane.transform(
            (width, height), Image.Transform.AFFINE, scale, Image.Resampling.BILINEAR
        )
        out[..., channel] = np.rint(np.asarray(resized))
    return out


def resize_labels(mask: Pixels, size: Size) -> Pixels:
    """Labels (H, W) by the nearest pixel, as OpenCV takes it: floor(i * n / m)."""
    if mask.shape == size:
        return mask
    axes = (np.arange(m) * n // m for m, n in zip(size, mask.shape, strict=True))
    return mask[np.ix_(*axes)]


def _positions(source: int, target: int) -> tuple[Any, Any, Any]:
    """The two input positions of each output position, and the weight of the second."""
    half, scale = np.float32(0.5), np.float32(source) / np.float32(target)  # in float32, as torch
    places = np.clip((np.arange(target, dtype=np.float32) + half) * scale - half, 0, source - 1)
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, source - 1)
    return low, high, (places - low).astype(np.float32)
