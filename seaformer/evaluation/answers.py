"""From the outputs of a network to what they mean for an image: a map, scores or boxes.

A manifest states the task and what the graph ends with. Of other files the first output decides by
its shape: (1, K, h, w) are logits, (1, h, w) whole numbers a map of classes, (1, K) scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.core.preprocessing import Labels
from seaformer.data.detections import Thresholds, detect
from seaformer.evaluation.network import Network, check_labels
from seaformer.runtime.tail import argmax

Array = npt.NDArray[Any]
TOP = 5


@dataclass(frozen=True, eq=False)
class Mask:
    """The class of each pixel of the image, (H, W), of ``classes`` classes (0: unknown).

    ``by`` is what computed it from logits; ``survivors`` how many classes it compared in a cell.
    """

    labels: Array
    classes: int
    by: str = ""
    survivors: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """A class and its probability, or ``None`` where the graph ends with the class alone."""

    label: int
    probability: float | None


@dataclass(frozen=True, slots=True)
class FoundBox:
    """x1 y1 x2 y2 in pixels of the image."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: int
    score: float


@dataclass(frozen=True)
class Ranking:
    """The best classes of an image, best first."""

    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Boxes:
    """What a detector found, best first."""

    boxes: tuple[FoundBox, ...]


@dataclass(frozen=True)
class ClassShare:
    """A class of a map and its share of the pixels, 0 to 1."""

    label: int
    name: str
    share: float


Answer = Mask | Ranking | Boxes


def read_answer(
    network: Network, outputs: Sequence[Array], size: tuple[int, int], thresholds: Thresholds
) -> Answer:
    """The answer for an image of ``size`` (height, width).

    Logits of a map are resized twice, to the network's input and to the image, which is how the
    published accuracies are measured. Raises ``UsageError`` for outputs of no such kind.
    """
    first = outputs[0] if outputs else np.empty(0)
    if first.dtype.kind == "f" and not np.isfinite(first).all():
        raise CorruptArtifact(f"{network.title} gave NaN or infinity for this image.")
    if network.task == "detection":
        return _boxes(network, outputs, size, thresholds)
    if network.scope == "argmax" or is_map(first, network):
        return _argmax_answer(network, first, size)
    if first.ndim == 4 and first.shape[0] == 1 and first.dtype.kind == "f":
        return _from_logits(network, first, size)
    if first.ndim == 2 and first.shape[0] == 1 and first.dtype.kind == "f":
        return _ranking(network, first[0])
    shapes = ", ".join(f"{o.dtype} {'x'.join(map(str, o.shape))}" for o in outputs) or "nothing"
    raise UsageError(
        f"The output of {network.title} must be logits 1xKxHxW, a map of classes 1xHxW or scores "
        f"1xK (got {shapes})."
    )


def is_map(output: Array, network: Network) -> bool:
    """Whether an output has a class for each pixel, judged by its whole numbers.

    Only files without a manifest are.
    """
    places = output.ndim == 3 or (output.ndim == 4 and 1 in (output.shape[1], output.shape[3]))
    if network.task or not places or output.shape[0] != 1:
        return False
    return output.dtype.kind in "iu" or (output.ndim == 3 and bool((output % 1 == 0).all()))


def _argmax_answer(network: Network, output: Array, size: tuple[int, int]) -> Answer:
    if network.task == "classification":
        return Ranking((Score(int(output.reshape(-1)[0]), None),))
    plane = output.reshape([side for side in output.shape if side != 1] or [1])
    if output.ndim >= 3:  # a side of one pixel is a side
        plane = output[0, 0] if output.ndim == 4 and output.shape[1] == 1 else output[0]
        plane = plane[..., 0] if plane.ndim == 3 else plane
    if plane.ndim != 2 or plane.min() < 0 or plane.max() > np.iinfo(np.uint16).max:
        raise UsageError(f"The output of {network.title} must be a map of classes from 0 up.")
    labels = plane.astype(np.uint16)
    classes = len(network.labels.names) if network.labels else 0
    if network.labels and labels.max() >= classes:
        check_labels(network, int(labels.max()) + 1)
    if labels.shape != size:
        rows, columns = (_nearest(a, b) for a, b in zip(labels.shape, size, strict=True))
        labels = labels[rows][:, columns]
    return Mask(labels, classes)


def _nearest(source: int, target: int) -> Array:
    """The pixel of ``source`` whose area holds the centre of each of ``target``."""
    return ((np.arange(target) * 2 + 1) * source // (2 * target)).astype(np.int64)


def _from_logits(network: Network, logits: Array, size: tuple[int, int]) -> Mask:
    if network.channels_last:
        logits = np.ascontiguousarray(logits.transpose(0, 3, 1, 2))
    classes = logits.shape[1]
    if classes < 2:
        raise UsageError(
            f"{network.title} must have 2 classes or more (got 1): of one channel it is unknown "
            "from which value up a pixel belongs to it."
        )
    check_labels(network, classes)
    if logits.dtype.name not in ("float32", "float16"):
        logits = logits.astype(np.float32)
    through = network.size if network.size not in (size, logits.shape[2:]) else None
    result = argmax(logits, size, through=through)
    return Mask(result.classes, classes, result.by, result.survivors)


def _ranking(network: Network, scores: Array) -> Ranking:
    """Scores that are probabilities already stay; of logits the softmax is taken."""
    check_labels(network, len(scores))
    values = scores.astype(np.float64)
    if values.min() < 0 or not np.isclose(values.sum(), 1, atol=1e-3):
        values = np.exp(values - values.max())
        values /= values.sum()
    best = np.argsort(-values, kind="stable")[:TOP]
    return Ranking(tuple(Score(int(label), float(values[label])) for label in best))


def _boxes(
    network: Network, outputs: Sequence[Array], size: tuple[int, int], thresholds: Thresholds
) -> Boxes:
    if network.scope != "boxes" or len(outputs) != 2:
        raise UsageError(
            f"{network.title} ends with the offsets of a detector, which are not boxes.",
            hint="Export it with --scope boxes.",
        )
    scores, boxes = (np.asarray(each, dtype=np.float32) for each in outputs)
    check_labels(network, scores.shape[1])
    kept = detect(scores, boxes, thresholds)
    factors = np.array([size[1] / network.size[1], size[0] / network.size[0]] * 2)
    rows = zip(kept.boxes * factors, kept.scores, kept.classes, strict=True)
    return Boxes(
        tuple(
            FoundBox(
                float(box[0]), float(box[1]), float(box[2]), float(box[3]), int(label), float(score)
            )
            for box, score, label in rows
        )
    )


def as_image(labels: Array) -> Image.Image:
    """Labels as a grey image: of 8 bits where all of them fit, else of 16."""
    wide = bool(labels.size) and int(labels.max()) > np.iinfo(np.uint8).max
    return Image.fromarray(labels.astype(np.uint16 if wide else np.uint8))


def shares(mask: Array, labels: Labels | None) -> tuple[ClassShare, ...]:
    """The classes of a map, the largest first."""
    counts = np.bincount(mask.reshape(-1).astype(np.int64))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda label: (-counts[label], label))
    return tuple(
        ClassShare(label, name_of(labels, label), float(counts[label] / mask.size))
        for label in order
    )


def name_of(labels: Labels | None, label: int) -> str:
    """The name of a class; ``class 12`` where it has none."""
    if labels is not None and label < len(labels.names):
        return labels.names[label]
    return f"class {label}"
