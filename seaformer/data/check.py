"""``seaformer data check``: what a data set lacks or has wrong, a sentence for each kind of it.

Every mask is read when there are at most ``limit``; of more, evenly spaced ones. Image sizes are
read from the files' headers alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from seaformer.core.errors import DataError
from seaformer.core.files import open_regular
from seaformer.core.plural import counted
from seaformer.data.dataset import CLASSIFICATION, IGNORE, SEGMENTATION, DataSet, Sample
from seaformer.data.layouts import Listing
from seaformer.data.sets import (
    apply_rule,
    data_set,
    labels_out_of_range,
    list_split,
    read_class_file,
    read_image,
    read_mask,
    recognise,
)

LIMIT = 500
_OF_ONE = {"have": "has", "differ": "differs"}  # verbs; others are as of several
_RAW_CITYSCAPES = 33
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SplitCheck:
    """One split: what it holds, and a sentence for each thing that is wrong."""

    split: str
    images: int
    expected: int | None
    read: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class DataCheck:
    """The result for one folder; ``labels`` counts the images that show each class."""

    folder: str
    kind: str
    title: str
    task: str
    classes: int
    splits: tuple[SplitCheck, ...]
    problems: tuple[str, ...] = ()
    images_by_class: dict[str, int] = field(default_factory=dict)

    @property
    def faults(self) -> tuple[str, ...]:
        """Every sentence, of the set and of its splits."""
        return (*self.problems, *(fault for split in self.splits for fault in split.problems))

    @property
    def passed(self) -> bool:
        """Whether nothing is missing or wrong."""
        return not self.faults


def _words(kind: str, count: int) -> str:
    """``1 file has labels ...``, ``2 files have labels ...``."""
    if count > 1:
        return f"{count:,} files {kind}"
    verb, space, rest = kind.partition(" ")
    return f"1 file {_OF_ONE.get(verb, verb)}{space}{rest}"


@dataclass
class _Tally:
    """Files with each kind of problem: how many, and the first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    seen: Counter[int] = field(default_factory=Counter)

    def add(self, kind: str, file: str) -> None:
        self.counts[kind] += 1
        self.first.setdefault(kind, file)

    def sentences(self, split: str) -> list[str]:
        return [
            f"{split}: {_words(kind, count)} ({self.first[kind]})."
            for kind, count in self.counts.items()
        ]


def check_set(
    folder: Path | str,
    kind: str | None = None,
    limit: int = LIMIT,
    progress: Progress | None = None,
) -> DataCheck:
    """Check every split that a folder has, at most ``limit`` files of each.

    Raises ``DataError`` for a folder that holds no known layout, or whose classes are unreadable.
    """
    root, layout = recognise(folder, kind)
    own = read_class_file(root)
    listings = {split: list_split(root, layout, split) for split in layout.folders}
    filled = {split: each for split, each in listings.items() if not _is_empty(each)}
    problems = [f"no images in {' or '.join(layout.folders)}."] if not filled else []
    for split in ("train", "val"):
        if filled and split not in filled:
            problems.append(f"{split}: no images ({layout.folders[split]} is missing or empty).")
    tally = _Tally()
    splits: list[SplitCheck] = []
    classes, names = layout.classes, tuple[str, ...]()
    for split, listing in filled.items():
        data = data_set(root, layout, split, listing, own)
        classes, names = data.classes or classes, data.labels.names or names
        expected = None if own is not None else layout.counts.get(split)
        task = _Task(split, listing, data, expected, limit)
        splits.append(_check_split(task, tally, progress))
    shown = {names[i]: tally.seen[i] for i in range(len(names))} if tally.seen else {}
    if absent := [name for name, count in shown.items() if not count]:
        complete = all(each.read == each.images for each in splits)
        if complete:
            problems.append(_absent(absent, layout.task))
    return DataCheck(
        str(root), layout.kind, layout.title, layout.task, classes, tuple(splits),
        tuple(problems), shown,
    )  # fmt: skip


def _absent(names: list[str], task: str) -> str:
    many, noun = len(names) > 1, "mask" if task == SEGMENTATION else "image"
    text = f"{len(names)} classes are in no {noun}" if many else f"1 class is in no {noun}"
    return f"{text} ({', '.join(names[:3])})."


def _is_empty(listing: Listing) -> bool:
    return not (listing.samples or listing.unlabelled or listing.orphans or listing.fault)


@dataclass(frozen=True)
class _Task:
    """One split to be checked."""

    split: str
    listing: Listing
    data: DataSet
    expected: int | None
    limit: int


def _check_split(task: _Task, tally: _Tally, progress: Progress | None) -> SplitCheck:
    split, listing, data, expected = task.split, task.listing, task.data, task.expected
    problems = []
    images = len(listing.samples) + len(listing.unlabelled)
    if listing.fault:
        problems.append(f"{split}: {listing.fault}." + (f" {listing.hint}" * bool(listing.hint)))
    elif listing.unlabelled:
        problems.append(_missing(split, listing.unlabelled, "image", "has no mask"))
    if listing.orphans:
        problems.append(_missing(split, listing.orphans, "mask", "has no image"))
    if expected is not None and images != expected and not listing.fault:
        problems.append(f"{split}: {counted(images, 'image')}, expected {expected:,}.")
    own = _Tally(seen=tally.seen)
    chosen = spaced(listing.samples, task.limit)
    for number, sample in enumerate(chosen, 1):
        _check_sample(sample, data, own)
        if progress is not None:
            progress(number, len(chosen))
    return SplitCheck(split, images, expected, len(chosen), (*problems, *own.sentences(split)))


def spaced(samples: tuple[Sample, ...], limit: int) -> tuple[Sample, ...]:
    """All of at most ``limit`` samples, else that many at even distances."""
    if len(samples) <= limit:
        return samples
    places = np.linspace(0, len(samples) - 1, limit).round().astype(int)
    return tuple(samples[int(place)] for place in places)


def _missing(split: str, names: tuple[str, ...], noun: str, verb: str) -> str:
    many = f"{noun}s have {verb.removeprefix('has ')}"
    text = f"1 {noun} {verb}" if len(names) == 1 else f"{len(names):,} {many}"
    return f"{split}: {text} ({names[0]})."


def _check_sample(sample: Sample, data: DataSet, tally: _Tally) -> None:
    try:
        if sample.mask is None:
            read_image(sample.image)
            if data.task == CLASSIFICATION and sample.label is not None:
                tally.seen[sample.label] += 1
            return
        mask = read_mask(sample.mask)
        with open_regular(sample.image) as stream, Image.open(stream) as image:
            size = image.size
            image.convert("RGB")  # the whole file, so that a truncated one is noticed
    except (DataError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        tally.add("cannot be read", _unreadable(sample))
        return
    if size != (mask.shape[1], mask.shape[0]):
        tally.add("differ in size from their masks", sample.image.name)
    if data.task != SEGMENTATION:
        return
    ruled = apply_rule(mask, reduce_zero=data.reduce_zero)
    for label in np.flatnonzero(np.bincount(ruled.reshape(-1), minlength=IGNORE + 1)[:IGNORE]):
        tally.seen[int(label)] += 1
    if wrong := labels_out_of_range(ruled, data.classes):
        tally.add(_range_problem(data, wrong), sample.mask.name)
    elif (ruled == IGNORE).all():
        tally.add("have no labelled pixel", sample.mask.name)


def _unreadable(sample: Sample) -> str:
    """Which file of the two is the broken one."""
    try:
        read_image(sample.image)
    except DataError:
        return sample.image.name
    return sample.mask.name if sample.mask is not None else sample.image.name


def _range_problem(data: DataSet, wrong: list[int]) -> str:
    most = data.classes if data.reduce_zero else data.classes - 1
    text = f"have labels above {most}, the last of {data.classes} classes"
    if data.kind == "cityscapes" and max(wrong) <= _RAW_CITYSCAPES:
        text += ": these are raw labelIds, not trainIds"
    return text
