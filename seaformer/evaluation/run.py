"""One pass over a data set: every predictor on every image, counts that add up, broken images out.

Images are decoded ahead by a few threads, a bounded number at a time, so memory does not grow
with the set. Intervals are by the Poisson bootstrap: each resample weighs each image by a
Poisson(1) number as it passes, the same for all predictors (Chamandy et al. 2012).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seaformer.core.errors import DataError, UsageError
from seaformer.core.stats import Interval
from seaformer.data.dataset import CLASSIFICATION, DETECTION, SEGMENTATION, DataSet, Sample
from seaformer.data.metrics import ClassCounts, in_top, mean_ious
from seaformer.data.sets import Picture, read
from seaformer.data.transforms import evaluation_crop
from seaformer.evaluation.modes import Mode, class_map
from seaformer.evaluation.precision import ImageBoxes, average_precision
from seaformer.evaluation.predictor import ARGMAX, Predictor

RESAMPLES = 1000
_WORKERS, _AHEAD = 2, 4
_CROP = (224, 224)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Difference:
    """Against the first predictor: mIoU less its mIoU, a 95 % interval over images, the share of
    labelled pixels with the same class, and IoU less its IoU by class."""

    base: str
    miou: float
    miou_ci95: Interval
    argmax_agreement: float
    iou: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """In per cent; ``None`` for what the task has not. ``broken`` are skipped files, with reasons
    (at most 20 of them); ``mode`` is how images were fed."""

    model: str
    data: str
    split: str
    task: str
    mode: str
    images: int
    skipped: int
    miou: float | None = None
    macc: float | None = None
    aacc: float | None = None
    miou_ci95: Interval | None = None
    iou: Mapping[str, float] = field(default_factory=dict)
    top1: float | None = None
    top5: float | None = None
    ap: float | None = None
    difference: Difference | None = None
    broken: tuple[str, ...] = ()


class _Tally:
    """What is counted for one predictor."""

    def __init__(self, classes: int) -> None:
        self.counts = ClassCounts.none(classes)
        self.resampled = np.zeros((RESAMPLES, 3, classes))
        self.same = 0
        self.top1 = self.top5 = 0
        self.found: list[ImageBoxes] = []

    def add(self, counts: ClassCounts, weights: Any) -> None:
        self.counts = self.counts + counts
        self.resampled += weights[:, None, None] * counts.stacked()


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
    for one, mode in zip(predictors, modes, strict=True):
        _check(data, one, mode)
    samples = data.samples[: limit or None]
    tallies = [_Tally(data.classes) for _ in predictors]
    rng, images, broken = np.random.default_rng(seed), 0, []
    for number, (sample, future) in enumerate(_decoded(data, samples), 1):
        try:
            picture = future.result()
        except DataError as error:
            broken.append(error.message)
            continue
        images += 1
        _score(
            data,
            sample,
            picture=picture,
            predictors=predictors,
            tallies=tallies,
            modes=modes,
            weights=rng.poisson(1, RESAMPLES),
        )
        if progress is not None:
            progress(f"image {number:,} of {len(samples):,}")
    _check_counted(data, tallies[0], images, broken)
    return tuple(
        _evaluation(
            data,
            one,
            mode,
            images=images,
            broken=broken,
            tally=tally,
            base=(predictors[0], tallies[0]),
        )
        for one, tally, mode in zip(predictors, tallies, modes, strict=True)
    )


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


def _check_counted(data: DataSet, tally: _Tally, images: int, broken: Sequence[str]) -> None:
    """Refuse a set of which nothing was judged."""
    if not images:
        raise DataError(f"{data.folder}: none of {len(broken):,} images can be used. {broken[0]}")
    if data.task == SEGMENTATION and not tally.counts.labelled.any():
        raise DataError(f"{data.folder}: no pixel of {images:,} images has a label of a class.")


def _decoded(data: DataSet, samples: Sequence[Sample]) -> Iterator[tuple[Sample, Future[Picture]]]:
    """Samples in order with their pictures, a few of them read ahead."""
    waiting: deque[tuple[Sample, Future[Picture]]] = deque()
    with ThreadPoolExecutor(_WORKERS) as pool:
        for sample in samples:
            waiting.append((sample, pool.submit(read, data, sample)))
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()


def _score(
    data: DataSet,
    sample: Sample,
    *,
    picture: Picture,
    predictors: Sequence[Predictor],
    tallies: Sequence[_Tally],
    modes: Sequence[Mode],
    weights: Any,
) -> None:
    first = None
    for one, tally, mode in zip(predictors, tallies, modes, strict=True):
        if one.find is not None:
            tally.found.append(ImageBoxes(sample.id, one.find(picture.image)))
            continue
        if picture.mask is None:
            size = one.size or _CROP
            crop = evaluation_crop(picture.image, size, round(min(size) * 256 / 224))
            scores = one.answer(crop).reshape(-1)
            _check_classes(one, len(scores), data)
            tally.top1 += in_top(scores, sample.label or 0, 1)
            tally.top5 += in_top(scores, sample.label or 0, 5)
            continue
        guess = class_map(one, picture.image, mode)
        if int(guess.max()) >= data.classes:
            _check_classes(one, int(guess.max()) + 1, data)
        counted = picture.mask != data.ignore
        first = guess if first is None else first
        tally.same += int(((guess == first) & counted).sum())
        tally.add(ClassCounts.of(guess, picture.mask, data.classes, data.ignore), weights)


def _check_classes(one: Predictor, classes: int, data: DataSet) -> None:
    if classes != data.classes:
        raise UsageError(f"{one.name} has {classes} classes or more, {data.folder} {data.classes}.")


def _evaluation(
    data: DataSet,
    one: Predictor,
    mode: Mode,
    *,
    images: int,
    broken: Sequence[str],
    tally: _Tally,
    base: tuple[Predictor, _Tally],
) -> Evaluation:
    resized = one.size if not mode.window else None
    how = str(mode) + (f", resized to {resized[0]}x{resized[1]}" if resized else "")
    named = (one.name, str(data.folder), data.split, data.task)
    if data.task == CLASSIFICATION:
        return Evaluation(
            *named, "bicubic, central crop", images, len(broken), broken=tuple(broken[:20]),
            top1=100 * tally.top1 / images, top5=100 * tally.top5 / images,
        )  # fmt: skip
    if data.task == DETECTION:
        how = f"resized to {one.size[0]}x{one.size[1]}" if one.size else ""
        return Evaluation(
            *named, how, images, len(broken), broken=tuple(broken[:20]),
            ap=average_precision(data, tally.found),
        )  # fmt: skip
    scores = tally.counts.scores()
    iou = dict(zip(data.labels.names, scores.iou, strict=True))
    return Evaluation(
        *named, how, images, len(broken), scores.miou, scores.macc, scores.aacc,
        _interval(mean_ious(tally.resampled)), iou,
        difference=None if base[1] is tally else _difference(data, tally, base),
        broken=tuple(broken[:20]),
    )  # fmt: skip


def _difference(data: DataSet, tally: _Tally, base: tuple[Predictor, _Tally]) -> Difference:
    mine, theirs = tally.counts.scores(), base[1].counts.scores()
    spread = mean_ious(tally.resampled) - mean_ious(base[1].resampled)
    by_class = zip(data.labels.names, mine.iou, theirs.iou, strict=True)
    return Difference(
        base=base[0].name,
        miou=mine.miou - theirs.miou,
        miou_ci95=_interval(spread),
        argmax_agreement=tally.same / max(int(tally.counts.labelled.sum()), 1),
        iou={name: a - b for name, a, b in by_class},
    )


def _interval(values: Any) -> Interval:
    low, high = np.nanquantile(100 * values, (0.025, 0.975))
    return Interval(float(low), float(high))
