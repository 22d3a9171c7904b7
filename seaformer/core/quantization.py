"""``Quantization``: how a file of integers was made; a field of its manifest.

Which images decided the ranges, by what rule, and whose kernels the file is for.
"""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.registry import unknown

OBSERVERS = ("minmax", "percentile", "mse", "histogram")  # ``export/quantize/_observers.py``
ENOUGH_IMAGES = 32  # fewer are accepted with a warning
PHOTOGRAPHS = "the shipped photographs"
NOISE = "noise"


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
class Quantization:
    """Static quantisation of one file.

    Attributes:
        source: the folder of the calibration images, ``PHOTOGRAPHS`` or ``NOISE``.
        images: those images, in the order they were seen.
        observer: the rule that made ranges of the values seen.
        cpu: whose kernels the file was made for, as ``platform.machine`` of Linux names it.
        scheme: types and granularity in words.
        kept: modules that compute in float.
        channels: tensors that were equalised, in the order that they are computed.
    """

    source: str
    images: tuple[CalibrationImage, ...]
    observer: str
    cpu: str
    scheme: str
    kept: tuple[str, ...] = ()
    channels: tuple[ChannelSpread, ...] = ()

    @property
    def warning(self) -> str:
        """A sentence where the images are not enough to trust the ranges; otherwise empty."""
        count = len(self.images)
        if self.source in (PHOTOGRAPHS, NOISE):
            what = f"{count} images" if self.source == NOISE else f"{count} photographs"
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
