"""``Quantization``: how a file of integers was made; a field of its manifest.

Which images decided the ranges, by what rule, whose kernels the file is for, and which modules a
search left in float.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from seaformer.core.errors import UsageError
from seaformer.core.plural import counted
from seaformer.core.registry import unknown

OBSERVERS = ("minmax", "percentile", "mse", "histogram")  # ``export/quantize/_observers.py``
ENOUGH_IMAGES = 32  # fewer are accepted with a warning
PHOTOGRAPHS = "the shipped photographs"
NOISE = "noise"
CPUS = ("arm64", "arm64_half", "x86_64")  # whose kernels a file can be for; the default first
AUTO = "auto"  # in place of a module's name: a search chooses more of them
MAX_DROP = 1.0  # points that a search may leave lost
SEARCHED = 4  # images that one candidate of a search is measured on
SAME_CLASS = "same class"  # what is lost where no data set judges


@dataclass(frozen=True)
class CalibrationImage:
    """One image that decided ranges; ``sha256`` is that of its file, "" of generated noise."""

    name: str
    sha256: str


@dataclass(frozen=True)
class ChannelSpread:
    """How far the channels of a tensor between two convolutions are apart, before and after.

    Attributes:
        module: the convolution that makes the tensor.
        before: the greatest value of its widest channel over that of its median channel.
        after: the same behind the equalisation.
    """

    module: str
    before: float
    after: float


@dataclass(frozen=True)
class Keep:
    """Modules that are to stay in float.

    Attributes:
        names: their paths.
        auto: whether a search adds to them.
        max_drop: the points that may be lost; ``None`` for ``MAX_DROP``, which a
            file may exceed.
    """

    names: tuple[str, ...] = ()
    auto: bool = False
    max_drop: float | None = None

    @classmethod
    def of(cls, names: Iterable[str], max_drop: float | None = None) -> Keep:
        """From names of which one may be ``AUTO``."""
        listed = tuple(names)
        return cls(tuple(name for name in listed if name != AUTO), AUTO in listed, max_drop)


@dataclass(frozen=True)
class Score:
    """A fake-quantised model beside the float model, on a few images.

    Attributes:
        sqnr_db: power of the first output over that of the difference; ``None`` where equal.
        same_class: percentage of positions with the class of the float model.
        lost: points of the metric of a data set, below the float model's; ``None`` without a set.
    """

    sqnr_db: float | None
    same_class: float
    lost: float | None = None

    @property
    def drop(self) -> float:
        """Points that are lost: of the metric, or of same class."""
        return 100.0 - self.same_class if self.lost is None else self.lost

    @property
    def ratio_db(self) -> float:
        """``sqnr_db`` as a number to compare: infinite where the outputs are equal."""
        return math.inf if self.sqnr_db is None else self.sqnr_db


@dataclass(frozen=True)
class Candidate:
    """A module of a search, and what the model is with that one in float besides those named."""

    module: str
    score: Score


@dataclass(frozen=True)
class Sensitivity:
    """What a search for modules in float measured.

    Attributes:
        max_drop: the points that were allowed to be lost.
        images: how many images were compared; candidates alone on at most four of them.
        before: with the modules in float that were named.
        after: with those that the search added as well.
        added: the modules that it added, in that order.
        candidates: every module alone, the one of the largest effect first.
        metric: what the points are of: ``SAME_CLASS`` on calibration images, or the metric of
            the validation images in the folder ``data``.
    """

    max_drop: float
    images: int
    before: Score
    after: Score
    added: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    metric: str = SAME_CLASS
    data: str = ""


@dataclass(frozen=True)
class ModuleNoise:
    """How far the output of a module is from the float model's, in the fake-quantised model.

    Attributes:
        module: its path; the output is that of the last operator in it.
        sqnr_db: power of the float output over that of the difference; ``None`` where equal.
    """

    module: str
    sqnr_db: float | None


@dataclass(frozen=True)
class Quantization:
    """Static quantisation of one file.

    Attributes:
        source: the folder of the calibration images, ``PHOTOGRAPHS`` or ``NOISE``.
        images: those images, in the order they were seen.
        observer: the rule that made ranges of the values seen.
        cpu: whose kernels the file was made for, one of ``CPUS``.
        scheme: types and granularity in words.
        kept: modules that compute in float.
        channels: tensors that were equalised, in the order that they are computed.
        noise: of every module, in the order of their last operators.
        sensitivity: what a search for modules in float measured, where there was one.
    """

    source: str
    images: tuple[CalibrationImage, ...]
    observer: str
    cpu: str
    scheme: str
    kept: tuple[str, ...] = ()
    channels: tuple[ChannelSpread, ...] = ()
    sensitivity: Sensitivity | None = None
    noise: tuple[ModuleNoise, ...] = ()

    @property
    def warning(self) -> str:
        """A sentence where the images are not enough to trust the ranges; otherwise empty."""
        count = len(self.images)
        if self.source in (PHOTOGRAPHS, NOISE):
            what = counted(count, "image" if self.source == NOISE else "photograph")
            return (
                f"int8 was calibrated on {self.source} ({what}), not on your data: "
                f"use --calibration DIR with at least {ENOUGH_IMAGES} images."
            )
        if count < ENOUGH_IMAGES:
            return (
                f"int8 was calibrated on {count} images of {self.source}: "
                f"at least {ENOUGH_IMAGES} are recommended."
            )
        return ""


def check_observer(name: str) -> None:
    """Raise ``UnknownName`` with the nearest one."""
    if name not in OBSERVERS:
        raise unknown("observer", name, OBSERVERS)


def check_cpu(name: str) -> None:
    """Raise ``UnknownName`` with the nearest one."""
    if name not in CPUS:
        raise unknown("CPU", name, CPUS)


def check_max_drop(auto: bool, max_drop: float | None, data: str | None = None) -> None:
    """Raise ``UsageError`` for a limit or data without a search, and for no share."""
    if data and not auto:
        raise UsageError(f"--data requires --int8-keep {AUTO} (got --data {data}).")
    if max_drop is None:
        return
    if not auto:
        raise UsageError(f"--max-drop requires --int8-keep {AUTO} (got --max-drop {max_drop:g}).")
    if not 0 <= max_drop <= 100:
        raise UsageError(f"--max-drop must be 0 to 100 points (got {max_drop:g}).")
