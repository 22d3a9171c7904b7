"""``Part``: what an evaluation counted of some images of a set; parts add up to the whole.

A process of several, a machine of many, or a run that was stopped each have one. Files of parts
come from other machines too: they are checked when they are read, and what is of another evaluation
is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.data.dataset import DataSet
from seaformer.evaluation.subject import Subject
from seaformer.evaluation.tally import Counted, Tally, tallies_of

SCHEMA = 1
MOST_SHARES = 100_000


@dataclass(frozen=True)
class Share:
    """The images whose number, from 0, has the remainder ``index`` when divided by ``of``."""

    index: int = 0
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """``2/4`` is the second of four. Raises ``UsageError``."""
        first, _, second = text.partition("/")
        if first.isdecimal() and second.isdecimal() and len(text) < 16:
            index, of = int(first), int(second)
            if 1 <= index <= of <= MOST_SHARES:
                return cls(index - 1, of)
        raise UsageError(f"--shard must be like 1/4, the first of four (got {text!r}).")

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.of}"

    def numbers(self, images: int) -> range:
        """The numbers of its images, of so many."""
        return range(self.index, images, self.of)


@dataclass(frozen=True)
class Whole:
    """Which evaluation a part is of: two parts add up where this is equal.

    ``files`` is a digest of the images' names, ``modes`` how each subject was fed.
    """

    data: str
    dataset: str
    split: str
    task: str
    classes: int
    images: int
    files: str
    seed: int
    subjects: tuple[Subject, ...]
    names: tuple[str, ...]
    modes: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Of ``shares`` (from 0, of so many) what was counted. ``done``: images looked at, of which
    ``images`` were judged; ``broken`` are reasons why others could not be."""

    schema: int
    whole: Whole
    shares: tuple[int, ...]
    of: int
    done: int
    images: int
    broken: tuple[str, ...]
    counted: tuple[Counted, ...]

    @property
    def due(self) -> int:
        """How many images its shares have."""
        return sum(len(Share(each, self.of).numbers(self.whole.images)) for each in self.shares)


def names_digest(data: DataSet, images: int) -> str:
    """A digest of the first images' places in the set's folder."""
    digest = hashlib.sha256()
    for sample in data.samples[:images]:
        digest.update(sample.image.relative_to(data.folder).as_posix().encode() + b"\0")
    return digest.hexdigest()[:32]


def merged(parts: Sequence[Part], where: Sequence[str]) -> Part:
    """All images of several parts, which may be one; they are named by ``where``.

    Raises ``UsageError`` for parts of different evaluations, a share that is there twice, one that
    is missing, and one that did not end.
    """
    first = parts[0]
    seen: dict[int, str] = {}
    for part, name in zip(parts, where, strict=True):
        if (part.whole, part.of) != (first.whole, first.of):
            raise UsageError(f"{name} and {where[0]} are parts of different evaluations.")
        if part.done != part.due:
            raise UsageError(
                f"{name} is not complete: {part.done:,} of {part.due:,} images.",
                hint="Run its command again, with --resume.",
            )
        for share in part.shares:
            if share in seen:
                raise UsageError(
                    f"{name} and {seen[share]} are both part {share + 1} of {first.of}."
                )
            seen[share] = name
    if absent := sorted(set(range(first.of)) - set(seen)):
        numbers = ", ".join(str(each + 1) for each in absent[:10])
        raise UsageError(f"Of {first.of} parts these are missing: {numbers}.")
    return _summed(parts, where)


def _summed(parts: Sequence[Part], where: Sequence[str]) -> Part:
    first, *others = parts
    classes = first.whole.classes
    tallies = tallies_of(first.counted, classes, where[0])
    for part, name in zip(others, where[1:], strict=True):
        for tally, more in zip(tallies, tallies_of(part.counted, classes, name), strict=True):
            tally.merge(more)
    return replace(
        first,
        shares=tuple(share for part in parts for share in part.shares),
        done=sum(part.done for part in parts),
        images=sum(part.images for part in parts),
        broken=tuple(reason for part in parts for reason in part.broken),
        counted=tuple(tally.document() for tally in tallies),
    )


def save(part: Part, path: Path) -> None:
    """Write a part, in place of an older one of that name."""
    files.write_bytes(path, encoded(part))


def load(path: Path) -> Part:
    """A part from its file. Raises as ``decoded`` does, and where it cannot be read."""
    return decoded(files.read_bytes(path, path.name), path.name)


def encoded(part: Part) -> bytes:
    """As its file has it."""
    return files.json_text(codec.to_json(part)).encode()


def decoded(content: bytes, name: str) -> Part:
    """A part again. Raises ``CorruptArtifact`` for what is none, ``SchemaTooNew``."""
    part = codec.decode(Part, content, where=name, newest=SCHEMA)
    whole = part.whole
    counts = (whole.classes, whole.images, part.of)
    if min(counts) < 1 or part.of > MOST_SHARES or whole.classes > 1 << 16:
        raise CorruptArtifact(f"{name}: classes, images and parts must be from 1 on.")
    inside = all(0 <= share < part.of for share in part.shares)
    if not part.shares or not inside or len(set(part.shares)) != len(part.shares):
        raise CorruptArtifact(f"{name}: its shares must be numbers from 0 to {part.of - 1}.")
    if not 0 <= part.images <= part.done <= part.due:
        raise CorruptArtifact(f"{name}: it cannot have judged {part.images} of {part.due} images.")
    if {len(part.counted), len(whole.names), len(whole.modes)} != {len(whole.subjects)}:
        raise CorruptArtifact(f"{name}: expected as many counts as subjects.")
    for counted in part.counted:
        Tally.of(counted, whole.classes, name)
    return part
