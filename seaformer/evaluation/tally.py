"""``Tally``: what is counted of one predictor while a set passes, and what it was when it stopped.

Intervals are by the Poisson bootstrap: each resample weighs each image by a Poisson(1) number
(Chamandy et al. 2012), which follows from the seed and the number of the image alone. So all
predictors have the same weights, and parts of a set that are counted apart add up to the whole.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import CorruptArtifact
from seaformer.data.metrics import ClassCounts
from seaformer.evaluation.answers import Boxes, FoundBox
from seaformer.evaluation.precision import ImageBoxes

RESAMPLES = 1000
_PARTS = 3  # of ``ClassCounts``
_MOST = 1 << 53  # pixels: a sum of many parts is a 64-bit number too
Weights = npt.NDArray[np.int64]


def weights_of(seed: int, number: int) -> Weights:
    """How often each resample has the image of a number, (RESAMPLES,)."""
    return np.random.default_rng([seed, number]).poisson(1, RESAMPLES)


@dataclass(frozen=True)
class BoxRows:
    """The boxes in one image, by its number in the annotations: x1, y1, x2, y2, label, score."""

    image: int
    boxes: tuple[tuple[float, float, float, float, int, float], ...]


@dataclass(frozen=True)
class Counted:
    """A tally as a document. ``counts`` are (3, K): right, predicted and labelled pixels by class;
    ``resampled`` (RESAMPLES, 3, K) in 64-bit little-endian numbers,
    compressed by zlib, as base64."""

    counts: tuple[tuple[int, ...], ...]
    resampled: str = ""
    same: int = 0
    top1: int = 0
    top5: int = 0
    boxes: tuple[BoxRows, ...] = field(default=())


class Tally:
    """What is counted of one predictor: pixels by class, best classes, boxes."""

    def __init__(self, classes: int) -> None:
        self.counts = ClassCounts.none(classes)
        self.resampled = np.zeros((RESAMPLES, _PARTS, classes), np.int64)
        self.same = 0
        self.top1 = self.top5 = 0
        self.boxes: list[ImageBoxes] = []

    def add(self, counts: ClassCounts, weights: Weights) -> None:
        """One image more."""
        self.counts = self.counts + counts
        self.resampled += weights[:, None, None] * counts.stacked()

    def merge(self, other: Tally) -> None:
        """The images of another tally too."""
        self.counts = self.counts + other.counts
        self.resampled += other.resampled
        self.same += other.same
        self.top1 += other.top1
        self.top5 += other.top5
        self.boxes += other.boxes

    def document(self) -> Counted:
        """As it is kept in a file. A tally without pixels has no resamples."""
        rows = tuple(tuple(map(int, row)) for row in self.counts.stacked())
        raw = self.resampled.astype("<i8").tobytes() if self.resampled.any() else b""
        boxes = tuple(BoxRows(each.image, _rows(each.boxes)) for each in self.boxes)
        text = base64.b64encode(zlib.compress(raw, 1)).decode() if raw else ""
        return Counted(rows, text, self.same, self.top1, self.top5, boxes)

    @classmethod
    def of(cls, document: Counted, classes: int, where: str) -> Tally:
        """A tally again. Raises ``CorruptArtifact`` for numbers that no tally has."""
        tally = cls(classes)
        rows, whole = document.counts, (document.same, document.top1, document.top5)
        numbers = (*whole, *(number for row in rows for number in row))
        shaped = [len(row) for row in rows] == [classes] * _PARTS
        if not shaped or min(numbers) < 0 or max(numbers) > _MOST:
            raise CorruptArtifact(f"{where}: counts must be 3 rows of {classes} from 0 on.")
        if document.resampled:
            tally.resampled = _resamples(document.resampled, tally.resampled.shape, where)
        tally.counts = ClassCounts(*np.array(rows, np.int64))
        tally.same, tally.top1, tally.top5 = whole
        tally.boxes = [ImageBoxes(each.image, _boxes(each, classes, where))
                       for each in document.boxes]  # fmt: skip
        return tally


def _resamples(text: str, shape: tuple[int, ...], where: str) -> npt.NDArray[np.int64]:
    expected = 8 * int(np.prod(shape))
    try:
        packed = base64.b64decode(text, validate=True)
        raw = zlib.decompressobj().decompress(packed, expected + 1)
    except (binascii.Error, zlib.error) as error:
        raise CorruptArtifact(f"{where}: resampled cannot be unpacked: {error}.") from error
    if len(raw) != expected:
        raise CorruptArtifact(f"{where}: resampled must be {'x'.join(map(str, shape))} numbers.")
    values = np.frombuffer(raw, "<i8").astype(np.int64).reshape(shape)
    if values.min() < 0:
        raise CorruptArtifact(f"{where}: resampled must be numbers from 0 on.")
    return values


def _rows(boxes: Boxes) -> tuple[tuple[float, float, float, float, int, float], ...]:
    return tuple((b.x1, b.y1, b.x2, b.y2, b.label, b.score) for b in boxes.boxes)


def _boxes(rows: BoxRows, classes: int, where: str) -> Boxes:
    if any(not 0 <= row[4] < classes for row in rows.boxes):
        raise CorruptArtifact(f"{where}: a box must have a class from 0 to {classes - 1}.")
    return Boxes(tuple(FoundBox(*row) for row in rows.boxes))


def tallies_of(documents: Sequence[Counted], classes: int, where: str) -> list[Any]:
    """A tally of each."""
    return [Tally.of(each, classes, where) for each in documents]
