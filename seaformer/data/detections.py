"""Which boxes a detector found: scores over a threshold, non-maximum suppression, the best ones.

What follows the graph of an export with scope ``boxes``, on the host, in numpy. Thresholds are
mmdetection's for RetinaNet: score 0.05, overlap 0.5, 1000 candidates, 100 boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import ShapeError, UsageError

Array = npt.NDArray[Any]
BOX = 4


@dataclass(frozen=True)
class Thresholds:
    """``score``: a candidate's least, 0 to 1. ``overlap``: of two boxes of a class whose
    intersection over union is larger, the better one stays. ``candidates`` go into suppression,
    ``boxes`` are the output."""

    score: float = 0.05
    overlap: float = 0.5
    candidates: int = 1000
    boxes: int = 100

    def __post_init__(self) -> None:
        for name in ("score", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is between 0 and 1, not {getattr(self, name)!r}.")
        for name in ("candidates", "boxes"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is 1 or more, not {getattr(self, name)!r}.")


@dataclass(frozen=True, eq=False)
class Detections:
    """The boxes found in one image, best first: (N, 4) x1 y1 x2 y2 in pixels of the network's
    input, (N,) scores, (N,) class indices."""

    boxes: Array
    scores: Array
    classes: Array


def detect(scores: Array, boxes: Array, thresholds: Thresholds | None = None) -> Detections:
    """What a detector found in one image.

    Args:
        scores: (1, K, A), 0 to 1.
        boxes: (1, 4, A), x1 y1 x2 y2.
        thresholds: mmdetection's when absent.

    Raises ``ShapeError`` for other shapes.
    """
    limits = thresholds or Thresholds()
    _check(scores, boxes)
    flat = scores[0].reshape(-1)  # K*A
    kept = np.flatnonzero(flat > limits.score)
    order = np.argsort(-flat[kept], kind="stable")[: limits.candidates]
    chosen = kept[order]
    classes, places = np.divmod(chosen, scores.shape[2])
    candidates = boxes[0, :, places].astype(np.float64)  # N 4
    alive = suppress(candidates, classes, limits.overlap)[: limits.boxes]
    return Detections(candidates[alive], flat[chosen][alive], classes[alive])


def suppress(boxes: Array, classes: Array, overlap: float) -> Array:
    """Indices of the boxes that stay, of (N, 4) boxes sorted best first; classes do not compete."""
    remaining = np.arange(len(boxes))
    kept = []
    while remaining.size:
        best, others = remaining[0], remaining[1:]
        kept.append(best)
        rival = classes[others] == classes[best]
        shared = intersection_over_union(boxes[best], boxes[others])
        remaining = others[~(rival & (shared > overlap))]
    return np.array(kept, dtype=np.int64)


def intersection_over_union(box: Array, others: Array) -> Array:
    """Overlap of one box (4,) with others (N, 4), 0 to 1; boxes without area overlap nothing."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    ratio: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def _check(scores: Array, boxes: Array) -> None:
    good = scores.ndim == 3 and scores.shape[0] == 1
    if not good or boxes.shape != (1, BOX, scores.shape[-1]):
        raise ShapeError(
            "Detections are made of scores (1, K, A) and boxes (1, 4, A) of one image, "
            f"not {scores.shape} and {boxes.shape}.",
            hint="Export the detector with --scope boxes.",
        )
