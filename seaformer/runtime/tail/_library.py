"""The compiled tail through ctypes."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import SeaFormerError
from seaformer.runtime.build.tail import tail_library

Array = npt.NDArray[Any]
_KINDS = {"float32": 0, "float16": 1, "int8": 2}  # SeaformerTailKind


class _Job(ctypes.Structure):
    """SeaformerTailJob of ``runner/tail.h``."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("kind", ctypes.c_int32),
        ("classes", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("mid_height", ctypes.c_int32),
        ("mid_width", ctypes.c_int32),
        ("out_height", ctypes.c_int32),
        ("out_width", ctypes.c_int32),
        ("scale", ctypes.c_float),
    )


class _Counts(ctypes.Structure):
    """SeaformerTailCounts of ``runner/tail.h``."""

    _fields_ = (("cells", ctypes.c_int64), ("survivors", ctypes.c_int64))


@dataclass(frozen=True, eq=False)
class TailAnswer:
    """Classes and confidence (H, W), and how many classes were interpolated in a cell."""

    classes: Array
    confidence: Array | None
    survivors: float


@functools.cache
def load() -> ctypes.CDLL | None:
    """The library, compiled now if it has not been; ``None`` where it cannot be."""
    try:
        return ctypes.CDLL(str(tail_library()))
    except (SeaFormerError, OSError):
        return None  # without a compiler numpy computes the same


def argmax(
    library: ctypes.CDLL,
    logits: Array,
    size: tuple[int, int],
    through: tuple[int, int] | None,
    scale: float | None,
) -> TailAnswer:
    """Contiguous, finite logits (K, h, w) to classes; with ``scale`` also their softmax."""
    classes = np.empty(size, np.uint16)
    confidence = None if scale is None else np.empty(size, np.float32)
    kind = _KINDS[logits.dtype.name]
    sides = (*(through or (0, 0)), *size)
    job = _Job(logits.ctypes.data, kind, *logits.shape, *sides, 1.0 if scale is None else scale)
    counts = _Counts()
    code = library.seaformer_tail(
        ctypes.byref(job),
        ctypes.c_void_p(classes.ctypes.data),
        ctypes.c_void_p(None if confidence is None else confidence.ctypes.data),
        ctypes.byref(counts),
    )
    if code != 0:
        raise SeaFormerError(f"The tail of logits {logits.shape} failed with code {code}.")
    return TailAnswer(classes, confidence, counts.survivors / max(counts.cells, 1))
