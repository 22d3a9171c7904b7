"""The tail of a segmentation network on the host: exact bilinear upsampling and argmax.

    classes = argmax(logits, (512, 512)).classes                  one resize
    argmax(logits, (427, 640), through=(512, 512))                two: the rule of mmsegmentation

A library compiled from ``runner/tail.cpp`` computes it in one pass; without a compiler numpy
does. Both give the same classes, bit by bit: values are single precision, interpolated along
the width first and then the height, without fused multiply-add. Of equal values the lowest class
wins. Values of torch differ from these by a rounding, so that a class of torch may be another one
only where the two best values of a pixel are that close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import ShapeError
from seaformer.runtime.tail import _library, _plain

Array = npt.NDArray[Any]
Size = tuple[int, int]
LARGEST_SIDE = 1 << 15
_DTYPES = ("float32", "float16", "int8")
_MOST_CLASSES = 1 << 16


@dataclass(frozen=True, eq=False)
class ClassMap:
    """The class of each pixel, (H, W) uint16, and where requested its softmax, (H, W) float32.

    ``by`` is what computed it, ``c++`` or ``numpy``. ``survivors`` is the mean number of classes
    that were interpolated in a cell of the logits, of all of them by numpy.
    """

    classes: Array
    confidence: Array | None
    by: str
    survivors: float


def argmax(
    logits: Array,
    size: Size,
    *,
    through: Size | None = None,
    confidence: bool = False,
    scale: float = 1.0,
    library: bool = True,
) -> ClassMap:
    """The argmax over classes of logits resized to ``size``, without an image for each class.

    Args:
        logits: (K, h, w) or (1, K, h, w) float32, float16 or int8, finite.
        size: (height, width) of the result.
        through: (height, width) of a first bilinear resize.
        confidence: also the softmax of the class that won, to 1e-6 for each class.
        scale: of int8 logits, for the confidence: the real value is (q - zero) * scale.
        library: ``False`` computes with numpy.

    Raises ``ShapeError`` for other shapes, types and sizes, and for NaN and infinity.
    """
    logits = _checked(logits, size, through)
    if not (scale > 0 and np.isfinite(scale)):
        raise ShapeError(f"The scale of logits must be a number above 0 (got {scale}).")
    compiled = _library.load() if library else None
    if compiled is None:
        classes, softmax = _plain.argmax(logits, size, through, scale if confidence else None)
        return ClassMap(classes, softmax, "numpy", float(len(logits)))
    answer = _library.argmax(compiled, logits, size, through, scale if confidence else None)
    return ClassMap(answer.classes, answer.confidence, "c++", answer.survivors)


def is_compiled() -> bool:
    """Whether the library is usable here; it is compiled now if it has not been (seconds)."""
    return _library.load() is not None


def _checked(logits: Array, size: Size, through: Size | None) -> Array:
    if logits.ndim == 4 and logits.shape[0] == 1:
        logits = logits[0]
    if logits.ndim != 3 or 0 in logits.shape or len(logits) > _MOST_CLASSES:
        raise ShapeError(f"Logits must be (K, h, w) or (1, K, h, w) (got {logits.shape}).")
    if logits.dtype.name not in _DTYPES:
        raise ShapeError(f"Logits must be {' or '.join(_DTYPES)} (got {logits.dtype}).")
    for side in (*size, *(through or ())):
        if not 1 <= side <= LARGEST_SIDE:
            raise ShapeError(f"A side must be from 1 to {LARGEST_SIDE} pixels (got {side}).")
    if logits.dtype.kind == "f" and not np.isfinite(logits).all():
        raise ShapeError("Logits must be finite: these hold NaN or infinity.")
    return np.ascontiguousarray(logits)
