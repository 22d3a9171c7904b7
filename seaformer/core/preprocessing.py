"""``Preprocessing``: what is done to an image before a network; ``Labels``: what its classes are.

Both travel with an exported file, in its manifest and in the metadata of formats that have some.
Which model has which is in ``seaformer.data``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

FLOAT, RAW, RAW_NHWC = "float", "uint8", "uint8-nhwc"
INPUTS = (FLOAT, RAW, RAW_NHWC)  # what a file takes; the first has no mark in file names
Three = tuple[float, float, float]
Size = TypeVar("Size", int, int | str)  # a free size is a name


@dataclass(frozen=True)
class Preprocessing:
    """From an image in 8-bit RGB to what the network takes, (1, 3, H, W) float.

    ``mean`` and ``std`` are of values from 0 to 255, in the order of ``channels`` (``RGB`` or
    ``BGR``). ``resize`` is how images of another size were fitted for the proof, ``evaluation`` how
    the recipe behind the published accuracy does it; empty where that is unknown. ``input`` is
    what the file takes: ``float``, after all this; or raw 8-bit RGB, normalised inside of the
    file, ``uint8`` as (1, 3, H, W) and ``uint8-nhwc`` as (1, H, W, 3).
    """

    mean: Three
    std: Three
    channels: str = "RGB"
    resize: str = "bilinear to the input's size"
    evaluation: str = ""
    input: str = FLOAT

    @property
    def raw(self) -> bool:
        """Whether the file takes pixels and normalises them itself."""
        return self.input != FLOAT

    @property
    def layout(self) -> str:
        """The order of the input's axes."""
        return "NHWC" if self.input == RAW_NHWC else "NCHW"

    def shape_of(self, shape: Sequence[Size]) -> tuple[Size, ...]:
        """The shape of the file's input for a network's input (N, C, H, W)."""
        if self.layout == "NCHW" or len(shape) != 4:
            return tuple(shape)
        n, c, h, w = shape
        return (n, h, w, c)

    def __str__(self) -> str:
        mean, std = (" ".join(f"{value:g}" for value in each) for each in (self.mean, self.std))
        steps = f"0 to 255, {self.resize}, minus {mean}, divided by {std}"
        if not self.raw:
            return f"{self.channels}, {steps}"
        flipped = ", channels to BGR" if self.channels == "BGR" else ""
        return f"the file takes 8-bit RGB ({self.layout}) and does the rest{flipped}: {steps}"


@dataclass(frozen=True)
class Labels:
    """The classes of an output by index: ``names``, and colours as RRGGBB, or none."""

    names: tuple[str, ...]
    palette: tuple[str, ...] = ()


def fault_of(preprocessing: Preprocessing) -> tuple[str, str, object] | None:
    """The first field that cannot be used, the rule it breaks, and its value; of a manifest."""
    if preprocessing.input not in INPUTS:
        return "input", f"one of {', '.join(INPUTS)}", preprocessing.input
    if preprocessing.channels not in ("RGB", "BGR"):
        return "channels", "RGB or BGR", preprocessing.channels
    for name in ("mean", "std"):
        values = getattr(preprocessing, name)
        if not all(math.isfinite(value) for value in values):
            return name, "finite numbers", values
    if 0 in preprocessing.std:
        return "std", "numbers other than 0", preprocessing.std
    return None


def metadata_of(preprocessing: Preprocessing | None, labels: Labels | None) -> dict[str, str]:
    """Text by key, for the metadata of a file: values are JSON where they are not one word."""
    pairs: dict[str, str] = {}
    if preprocessing is not None:
        pairs |= {
            "input": "uint8" if preprocessing.raw else FLOAT,
            "layout": preprocessing.layout,
            # Of what is fed: a file that takes pixels flips the channels itself.
            "channels": "RGB" if preprocessing.raw else preprocessing.channels,
            "mean": json.dumps(preprocessing.mean),
            "std": json.dumps(preprocessing.std),
            "normalised_inside": json.dumps(preprocessing.raw),
            "resize": preprocessing.resize,
        }
        if preprocessing.evaluation:
            pairs["evaluation"] = preprocessing.evaluation
    if labels is not None:
        pairs["classes"] = json.dumps(labels.names)
        if labels.palette:
            pairs["palette"] = json.dumps(labels.palette)
    return pairs
