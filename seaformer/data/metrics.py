"""Metrics by mmsegmentation's definitions, from counts that add up over images.

counts = ClassCounts.of(prediction, mask, classes)       one image
total = counts + others                                  the whole set
scores = total.scores()                                  mIoU, mAcc, aAcc, IoU of each class
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.data.dataset import IGNORE

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SegmentationScores:
    """In per cent. ``iou`` and ``acc`` by class: NaN for a class that was neither predicted nor
    labelled, which the means leave out."""

    miou: float
    macc: float
    aacc: float
    iou: tuple[float, ...]
    acc: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """Pixels by class: right ones, predicted ones, labelled ones; ignored pixels are in none."""

    right: Counts
    predicted: Counts
    labelled: Counts

    @staticmethod
    def none(classes: int) -> ClassCounts:
        """Before the first image."""
        return ClassCounts(*(np.zeros(classes, dtype=np.int64) for _ in range(3)))

    @staticmethod
    def of(
        prediction: npt.NDArray[Any], mask: npt.NDArray[Any], classes: int, ignore: int = IGNORE
    ) -> ClassCounts:
        """Of one prediction (H, W) and its labels (H, W), as class indices."""
        counted = mask != ignore
        guess, truth = prediction[counted], mask[counted]
        parts = (guess[guess == truth], guess, truth)
        return ClassCounts(*(_histogram(part, classes) for part in parts))

    @staticmethod
    def of_confusion(matrix: Counts) -> ClassCounts:
        """Of a confusion matrix (K, K), labels by predictions."""
        return ClassCounts(np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1))

    def __add__(self, other: ClassCounts) -> ClassCounts:
        return ClassCounts(
            self.right + other.right,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
        )

    def stacked(self) -> Counts:
        """(3, K): right, predicted, labelled."""
        return np.stack((self.right, self.predicted, self.labelled))

    def scores(self) -> SegmentationScores:
        """IoU = I/U, Acc = I/L, aAcc = sum I / sum L; means over classes with a denominator."""
        iou = ious(self.stacked())
        acc = _ratio(self.right, self.labelled)
        total = float(self.labelled.sum())
        aacc = float(self.right.sum()) / total if total else float("nan")
        means = (100 * _nanmean(iou), 100 * _nanmean(acc), 100 * aacc)
        return SegmentationScores(*means, tuple(100 * iou), tuple(100 * acc))


def confusion(
    prediction: npt.NDArray[Any], mask: npt.NDArray[Any], classes: int, ignore: int = IGNORE
) -> Counts:
    """(K, K): pixels labelled i and predicted j; ignored pixels are in none."""
    counted = mask != ignore
    pairs = mask[counted].astype(np.int64) * classes + prediction[counted]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def ious(stacked: npt.NDArray[Any]) -> Floats:
    """(..., 3, K) counts to (..., K) ratios; NaN for a class neither predicted nor labelled."""
    right, predicted, labelled = (stacked[..., part, :] for part in range(3))
    return _ratio(right, predicted + labelled - right)


def mean_ious(stacked: npt.NDArray[Any]) -> Floats:
    """(..., 3, K) counts to the mean over classes, (...), from 0 to 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = ious(stacked)
        counted = ~np.isnan(ratios)
        mean: Floats = np.where(counted, ratios, 0).sum(axis=-1) / counted.sum(axis=-1)
    return mean


def in_top(scores: npt.NDArray[Any], label: int, k: int) -> bool:
    """Whether the label is among the k best of scores (K,); of equal ones the first is better."""
    best = np.argsort(-scores.astype(np.float64), kind="stable")[:k]
    return bool(label in best)


def _histogram(values: npt.NDArray[Any], classes: int) -> Counts:
    return np.bincount(values.reshape(-1), minlength=classes)[:classes].astype(np.int64)


def _ratio(over: npt.NDArray[Any], under: npt.NDArray[Any]) -> Floats:
    out = np.full(np.shape(over), np.nan)
    np.divide(over, under, out=out, where=np.asarray(under) > 0)
    return out


def _nanmean(values: Floats) -> float:
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if counted.size else float("nan")
