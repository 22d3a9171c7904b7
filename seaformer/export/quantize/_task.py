"""Images with labels, by which a search counts the points that integers lose.

The same steps as ``seaformer eval`` takes with a file of one size: the image resized to the input,
scores resized to the input and then to the labels. mIoU of a segmentation, top-1 of classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.agreement import images
from seaformer.core.errors import DataError, UsageError
from seaformer.core.preprocessing import Preprocessing
from seaformer.core.spec import ModelSpec
from seaformer.data.dataset import CLASSIFICATION, SEGMENTATION, DataSet
from seaformer.data.metrics import ClassCounts, in_top
from seaformer.data.resample import best_class, resize_labels, resize_pixels
from seaformer.data.sets import open_set, read
from seaformer.data.transforms import evaluation_crop

MOST = 100  # of a larger set, so many are taken at even distances
_METRICS = {SEGMENTATION: "mIoU", CLASSIFICATION: "top-1"}
Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TaskData:
    """What a search is judged by; arrays are made anew at every pass."""

    data: DataSet
    size: tuple[int, int]
    preprocessing: Preprocessing
    pixels: tuple[Pixels, ...]
    truth: tuple[Any, ...]

    @property
    def metric(self) -> str:
        """The name of what is lost."""
        return _METRICS[self.data.task]

    def arrays(self, *, raw: bool) -> Iterator[Array]:
        """The images as the file takes them; as the network behind it does without ``raw``."""
        for each in self.pixels:
            if raw and self.preprocessing.raw:
                yield images.raw_input(each, self.preprocessing)
            else:
                yield images.normalised(each, self.preprocessing)

    def points(self, outputs: Sequence[Array]) -> float:
        """The metric of first outputs, one for each image, in per cent."""
        if self.data.task == CLASSIFICATION:
            pairs = zip(outputs, self.truth, strict=True)
            return 100 * float(np.mean([_is_right(output, label) for output, label in pairs]))
        counts = ClassCounts.none(self.data.classes)
        for output, mask in zip(outputs, self.truth, strict=True):
            guess = self._classes(output, mask.shape)
            counts += ClassCounts.of(guess, mask, self.data.classes, self.data.ignore)
        return counts.scores().miou

    def _classes(self, output: Array, size: tuple[int, int]) -> Array:
        if np.issubdtype(output.dtype, np.integer):
            return resize_labels(output.reshape(output.shape[-2:]), size).astype(np.int64)
        return best_class(output[0], self.size, size)


def _is_right(output: Array, label: int) -> bool:
    if np.issubdtype(output.dtype, np.integer):
        return bool(output.reshape(-1)[0] == label)
    return in_top(output.reshape(-1), label, 1)


def open_task(folder: str, spec: ModelSpec, preprocessing: Preprocessing) -> TaskData:
    """The validation images of a set. Raises ``UsageError`` where it is not one for the model."""
    data = open_set(folder, "val")
    if data.task != spec.task or data.task not in _METRICS:
        raise UsageError(f"--data {folder} is a set for {data.task}, {spec.name} for {spec.task}.")
    if data.classes != spec.classes:
        raise UsageError(f"--data {folder} has {data.classes} classes, {spec.name} {spec.classes}.")
    size, total = (spec.height, spec.width), len(data.samples)
    chosen = [data.samples[i * total // min(total, MOST)] for i in range(min(total, MOST))]
    pixels: list[Pixels] = []
    truth: list[Any] = []
    reason = ""
    for sample in chosen:
        try:
            picture = read(data, sample)
        except DataError as error:
            reason = reason or error.message
            continue
        if picture.mask is None:
            pixels.append(evaluation_crop(picture.image, size, round(min(size) * 256 / 224)))
            truth.append(sample.label or 0)
        else:
            pixels.append(resize_pixels(picture.image, size))
            truth.append(picture.mask)
    if not pixels:
        raise DataError(f"{folder}: none of {len(chosen)} images can be used. {reason}")
    return TaskData(data, size, preprocessing, tuple(pixels), tuple(truth))
