"""One pass over a data set: every predictor on every image, counts that add up, broken images out.

Images are decoded ahead by a few threads, a bounded number at a time, so memory does not grow
with the set. A pass may be over a share of the images (``part.py``) and may continue one that was
stopped; what is counted is in ``tally.py``.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from seaformer.core.errors import DataError, UsageError
from seaformer.data.dataset import CLASSIFICATION, DETECTION, SEGMENTATION, DataSet
from seaformer.data.metrics import ClassCounts, in_top
from seaformer.data.sets import Picture, read
from seaformer.data.transforms import evaluation_crop
from seaformer.evaluation.modes import Mode, class_map
from seaformer.evaluation.outcome import Evaluation, evaluations
from seaformer.evaluation.part import SCHEMA, Part, Share, Whole, names_digest
from seaformer.evaluation.precision import ImageBoxes
from seaformer.evaluation.predictor import ARGMAX, Array, Predictor
from seaformer.evaluation.subject import Subject
from seaformer.evaluation.tally import Tally, tallies_of, weights_of

_WORKERS, _AHEAD = 2, 4
_CROP = (224, 224)
KEEP_SECONDS = 30.0
Progress = Callable[[str], None]
Keep = Callable[[Part], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Pass:
    """Which images a pass is over, and what it continues.

    ``limit``: of the first so many (0: all); ``keep`` gets the part so far, at most every
    ``keep_seconds``; ``before`` is a part of the same pass, whose images are not looked at again.
    """

    limit: int = 0
    seed: int = 0
    share: Share = field(default_factory=Share)
    before: Part | None = None
    keep: Keep | None = None
    keep_seconds: float = KEEP_SECONDS
    progress: Progress | None = None


def evaluate_set(
    data: DataSet,
    predictors: Sequence[Predictor],
    modes: Sequence[Mode],
    *,
    limit: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Evaluation, ...]:
    """Every predictor, each in its mode, on the first ``limit`` images (0: all).

    Raises ``DataError`` where none of them can be read, ``UsageError`` for a model of another task.
    """
    subjects = [Subject(one.name, ()) for one in predictors]
    order = Pass(limit, seed, progress=progress)
    return evaluations(data, count_set(data, predictors, modes, subjects, order))


def count_set(
    data: DataSet,
    predictors: Sequence[Predictor],
    modes: Sequence[Mode],
    subjects: Sequence[Subject],
    order: Pass,
) -> Part:
    """What the predictors answer for the images of a pass, counted.

    Raises ``UsageError`` for a model of another task, and where ``before`` is of another pass.
    """
    for one, mode in zip(predictors, modes, strict=True):
        _check(data, one, mode)
    return _Count(data, predictors, modes, _whole(data, predictors, modes, subjects, order)).go(
        order
    )


def _whole(
    data: DataSet,
    predictors: Sequence[Predictor],
    modes: Sequence[Mode],
    subjects: Sequence[Subject],
    order: Pass,
) -> Whole:
    images = len(data.samples[: order.limit or None])
    return Whole(
        data.folder.absolute().name, data.dataset, data.split, data.task, data.classes, images,
        names_digest(data, images), order.seed, tuple(subjects),
        tuple(one.name for one in predictors),
        tuple(_fed(data, *pair) for pair in zip(predictors, modes, strict=True)),
    )  # fmt: skip


class _Count:
    """A pass at work: tallies of the predictors, images that were judged and that were broken."""

    def __init__(
        self, data: DataSet, predictors: Sequence[Predictor], modes: Sequence[Mode], whole: Whole
    ) -> None:
        self.data, self.predictors, self.modes, self.whole = data, predictors, modes, whole
        self.tallies = [Tally(data.classes) for _ in predictors]
        self.done = self.images = 0
        self.broken: list[str] = []

    def go(self, order: Pass) -> Part:
        """Every image of the share that ``before`` has not, a few at a time."""
        numbers = order.share.numbers(self.whole.images)
        if order.before is not None:
            self._continue(order.before, order.share)
        batch, kept = max(one.batch for one in self.predictors), time.monotonic()
        for chunk in _chunks(_decoded(self.data, numbers[self.done :], batch), batch):
            self._score(chunk, order.seed)
            if order.progress is not None:
                order.progress(f"image {self.done:,} of {len(numbers):,}")
            if order.keep is not None and time.monotonic() - kept >= order.keep_seconds:
                order.keep(self._part(order.share))
                kept = time.monotonic()
        return self._part(order.share)

    def _continue(self, before: Part, share: Share) -> None:
        if (before.whole, before.shares, before.of) != (self.whole, (share.index,), share.of):
            raise UsageError(
                "What was counted before is of another evaluation: other data, files or options.",
                hint="Name another file for --part to begin again.",
            )
        self.tallies = tallies_of(before.counted, self.data.classes, "what was counted before")
        self.done, self.images = before.done, before.images
        self.broken = list(before.broken)

    def _part(self, share: Share) -> Part:
        counted = tuple(tally.document() for tally in self.tallies)
        return Part(
            SCHEMA, self.whole, (share.index,), share.of, self.done, self.images,
            tuple(self.broken), counted,
        )  # fmt: skip

    def _score(self, chunk: Sequence[tuple[int, Future[Picture]]], seed: int) -> None:
        """A few images: every predictor on those that can be read."""
        self.done += len(chunk)
        readable: list[tuple[int, Picture]] = []
        for number, future in chunk:
            try:
                readable.append((number, future.result()))
            except DataError as error:
                self.broken.append(error.message)
        if not readable:
            return
        self.images += len(readable)
        pictures = [picture for _, picture in readable]
        numbers = [number for number, _ in readable]
        first: Sequence[Any] | None = None
        for one, tally, mode in zip(self.predictors, self.tallies, self.modes, strict=True):
            answers = one.each(partial(_answer, one, mode), pictures)
            first = answers if first is None else first
            for number, picture, answer, base in zip(
                numbers, pictures, answers, first, strict=True
            ):
                self._count(one, tally, picture, (answer, base), (number, seed))

    def _count(
        self, one: Predictor, tally: Tally, picture: Picture, answers: tuple[Any, Any],
        place: tuple[int, int],
    ) -> None:  # fmt: skip
        """One answer; ``answers`` are this predictor's and the first one's."""
        data, sample, (answer, base) = self.data, self.data.samples[place[0]], answers
        if one.find is not None:
            tally.boxes.append(ImageBoxes(sample.id, answer))
        elif picture.mask is None:
            _check_classes(one, len(answer), data)
            tally.top1 += in_top(answer, sample.label or 0, 1)
            tally.top5 += in_top(answer, sample.label or 0, 5)
        else:
            if int(answer.max()) >= data.classes:
                _check_classes(one, int(answer.max()) + 1, data)
            counted = picture.mask != data.ignore
            tally.same += int(((answer == base) & counted).sum())
            counts = ClassCounts.of(answer, picture.mask, data.classes, data.ignore)
            tally.add(counts, weights_of(place[1], place[0]))


def _answer(one: Predictor, mode: Mode, picture: Picture) -> Any:
    """Boxes, scores by class (K,), or the class of each pixel (H, W)."""
    if one.find is not None:
        return one.find(picture.image)
    if picture.mask is None:
        size = one.size or _CROP
        crop = evaluation_crop(picture.image, size, round(min(size) * 256 / 224))
        scores: Array = one.answer(crop).reshape(-1)
        return scores
    return class_map(one, picture.image, mode)


def _check(data: DataSet, one: Predictor, mode: Mode) -> None:
    """Refuse a model of another task, and a mode that would have no effect."""
    scaled = len(mode.ratios) > 1
    if data.task != SEGMENTATION and (scaled or mode.window):
        raise UsageError(f"--window and --multi-scale are for segmentation, not for {data.task}.")
    if one.task != data.task:
        raise UsageError(f"{one.name} is for {one.task}; this evaluation is of {data.task}.")
    if data.task == CLASSIFICATION and one.scope == ARGMAX:
        raise UsageError(
            f"{one.name} ends with the best class alone: top-1 and top-5 require scores.",
            hint="Export it with --scope logits.",
        )
    if scaled and one.size and not mode.window:
        height, width = one.size
        hint = f"Add windows of its size: --window {height} --stride {height}"
        raise UsageError(
            f"--multi-scale is not supported for {one.name}, which takes {height}x{width}.",
            hint=hint if height == width else "",
        )


def _decoded(
    data: DataSet, numbers: Sequence[int], batch: int
) -> Iterator[tuple[int, Future[Picture]]]:
    """Numbers in order with their pictures, a few of them read ahead."""
    waiting: deque[tuple[int, Future[Picture]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for number in numbers:
            waiting.append((number, pool.submit(read, data, data.samples[number])))
            if len(waiting) > max(_AHEAD, batch):
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def _chunks(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """So many at a time, fewer at the end."""
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _check_classes(one: Predictor, classes: int, data: DataSet) -> None:
    if classes != data.classes:
        raise UsageError(f"{one.name} has {classes} classes or more, {data.folder} {data.classes}.")


def _fed(data: DataSet, one: Predictor, mode: Mode) -> str:
    """How images were fed, in words."""
    if data.task == CLASSIFICATION:
        return "bicubic, central crop"
    if data.task == DETECTION:
        return f"resized to {one.size[0]}x{one.size[1]}" if one.size else ""
    resized = one.size if not mode.window else None
    return str(mode) + (f", resized to {resized[0]}x{resized[1]}" if resized else "")
