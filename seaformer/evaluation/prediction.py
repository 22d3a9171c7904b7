"""``Prediction``: the answers for images and frames, how long each took, and the files made."""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.evaluation.answers import ClassShare, FoundBox, Score


@dataclass(frozen=True)
class Times:
    """Milliseconds of each step of one frame: read the file, resize and normalise, run the network,
    make its outputs an answer for the image, draw, write."""

    read_ms: float
    prepare_ms: float
    network_ms: float
    answer_ms: float
    draw_ms: float
    write_ms: float

    @property
    def total_ms(self) -> float:
        first = self.read_ms + self.prepare_ms + self.network_ms
        return first + self.answer_ms + self.draw_ms + self.write_ms


@dataclass(frozen=True)
class Frame:
    """One image, or one frame of a video (``number``, from 1).

    ``agreement`` is the share of pixels on which ``--beside`` has the same class, ``accuracy`` that
    of the ground truth's labelled pixels that are right; ``None`` without them. ``tail`` is what
    made a map of logits, ``survivors`` the classes that it interpolated in a cell, on average.
    """

    source: str
    number: int | None
    height: int
    width: int
    times: Times
    classes: tuple[ClassShare, ...] = ()
    top: tuple[Score, ...] = ()
    boxes: tuple[FoundBox, ...] = ()
    agreement: float | None = None
    accuracy: float | None = None
    tail: str = ""
    survivors: float = 0.0
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skip:
    """An input that gave nothing, or a video that gave less than it has, and why."""

    source: str
    reason: str
    named: bool
    frames: int = 0


@dataclass(frozen=True)
class Prediction:
    """Everything that one call made."""

    network: str
    frames: tuple[Frame, ...]
    skipped: tuple[Skip, ...] = ()
