"""From an image to its class map: whole or in windows, at several scales, flipped.

The logits are resized to the network's input and then to the image, two bilinear steps, as
mmsegmentation does it. Class by class, or a block of rows at a time, so that memory stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import UsageError
from seaformer.data.official import official_test
from seaformer.data.resample import (
    Floats,
    best_class,
    bilinear,
    matrices,
    resize_labels,
    resize_pixels,
)
from seaformer.data.transforms import aligned, size_within
from seaformer.evaluation.predictor import Array, Pixels, Predictor

Size = tuple[int, int]
ClassMap = npt.NDArray[np.int64]
MULTI_SCALE = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
_ROWS = 32


@dataclass(frozen=True)
class Mode:
    """``box`` is what images are fitted into, (long, short), ``None``: they keep their size.
    ``step``: each side up to a multiple of it. ``window`` and ``stride`` in pixels slide."""

    box: tuple[int, int] | None = None
    step: int = 1
    window: int = 0
    stride: int = 0
    ratios: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __str__(self) -> str:
        where = f"windows of {self.window} every {self.stride}" if self.window else "whole"
        scales = f", scales {', '.join(f'{r:g}' for r in self.ratios)}" * (len(self.ratios) > 1)
        return where + scales + ", flipped too" * self.flip


def official(model: str, dataset: str) -> Mode:
    """How a model is officially tested on a data set (``data/official.csv``)."""
    test = official_test(model, dataset)
    return Mode(test.box, test.step, test.window, test.stride)


def class_map(predictor: Predictor, image: Pixels, mode: Mode) -> ClassMap:
    """The class of each pixel, (H, W)."""
    size = (image.shape[0], image.shape[1])
    answers = list(_answers(predictor, image, mode))
    if predictor.scope == "argmax":
        if len(answers) > 1 or mode.window:
            raise UsageError(f"{predictor.name} gives classes: windows and scales require scores.")
        return resize_labels(answers[0][0].reshape(answers[0][0].shape[-2:]), size).astype(np.int64)
    if len(answers) == 1:
        return best_class(answers[0][0], answers[0][1], size)
    return _average(answers, size)


def _answers(predictor: Predictor, image: Pixels, mode: Mode) -> Iterator[tuple[Array, Size, bool]]:
    """Scores, the input's size, and whether they are of the flipped image."""
    for ratio in mode.ratios:
        size = predictor.size if predictor.size and not mode.window else _fitted(image, mode, ratio)
        resized = resize_pixels(image, size)
        for flipped in (False, True)[: 1 + mode.flip]:
            shown = np.ascontiguousarray(resized[:, ::-1]) if flipped else resized
            if mode.window:
                yield _slide(predictor, shown, mode), size, flipped
            else:
                yield predictor.answer(shown), size, flipped


def _fitted(image: Pixels, mode: Mode, ratio: float) -> Size:
    size = (image.shape[0], image.shape[1])
    if mode.box is not None:
        size = size_within(size, (int(mode.box[0] * ratio), int(mode.box[1] * ratio)))
    elif ratio != 1:
        size = (max(1, int(size[0] * ratio + 0.5)), max(1, int(size[1] * ratio + 0.5)))
    return aligned(size, mode.step)


def _slide(predictor: Predictor, image: Pixels, mode: Mode) -> Floats:
    """Logits at the input's size: summed over windows, divided by how many saw each pixel."""
    height, width = image.shape[:2]
    total: Floats | None = None
    visits = np.zeros((height, width), dtype=np.float32)
    for top in _starts(height, mode):
        for left in _starts(width, mode):
            part = image[top : top + mode.window, left : left + mode.window]
            if predictor.size not in (None, part.shape[:2]):
                (high, wide), (height, width) = predictor.size, part.shape[:2]
                raise UsageError(
                    f"--window must give {predictor.name} parts of {high}x{wide} pixels "
                    f"(got {height}x{width})."
                )
            scores = bilinear(predictor.answer(np.ascontiguousarray(part)), part.shape[:2])
            if total is None:
                total = np.zeros((len(scores), height, width), dtype=np.float32)
            place = (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))
            total[:, place[0], place[1]] += scores
            visits[place] += 1
    assert total is not None  # an image has a window
    return total / visits


def _starts(side: int, mode: Mode) -> list[int]:
    count = max(side - mode.window + mode.stride - 1, 0) // mode.stride + 1
    return [max(min(i * mode.stride, side - mode.window), 0) for i in range(count)]


def _average(answers: list[tuple[Array, Size, bool]], size: Size) -> ClassMap:
    """The class with the best mean of probabilities, a block of rows at a time."""
    chosen = np.zeros(size, dtype=np.int64)
    ends = [matrices((a.shape[-2], a.shape[-1]), inside, size) for a, inside, _ in answers]
    for top in range(0, size[0], _ROWS):
        total: Array | float = 0.0
        for (scores, _, flipped), (rows, columns) in zip(answers, ends, strict=True):
            block = rows[top : top + _ROWS] @ scores.astype(np.float32, copy=False) @ columns.T
            block = np.exp(block - block.max(axis=0))
            block /= block.sum(axis=0)
            total = total + (block[..., ::-1] if flipped else block)
        chosen[top : top + _ROWS] = np.asarray(total).argmax(axis=0)
    return chosen
