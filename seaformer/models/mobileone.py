"""MobileOne: classification, in the form that is deployed, a single convolution for each layer.

Source: Vasu et al., "MobileOne: An Improved One millisecond Mobile Backbone" (2023), tables 2 and
3, and apple/ml-mobileone for what they leave open (the first width, where squeeze-and-excitation
is, its ratio). In training a layer is the sum of several convolutions with norms, a 1x1 one and a
norm alone (figure 3): checkpoints of that form are folded when they are read (``official_state``),
exactly up to rounding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._checkpoints.layout import Layout
from seaformer.models._mobilenet import Classifier, Gate, PooledClassifier, norm_factors
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec

BLOCKS = (2, 8, 10, 1)  # table 2; its stages 4 and 5, of one stride and width, are one here
CHANNELS = (64, 128, 256, 512)
GATE_RATIO = 16
NORM_EPS = 1e-5


@dataclass(frozen=True)
class MobileOneRow:
    """One network: the widths of its stages in percent of ``CHANNELS`` (table 3)."""

    widths: tuple[int, ...]
    gated: bool = False

    def channels(self) -> tuple[int, ...]:
        """Of each stage."""
        return tuple(c * w // 100 for c, w in zip(CHANNELS, self.widths, strict=True))

    def gates(self) -> tuple[int, ...]:
        """How many blocks, the last ones, of each stage have a gate."""
        return (0, 0, BLOCKS[2] // 2, BLOCKS[3]) if self.gated else (0, 0, 0, 0)


class Layer(nn.Module):
    """A convolution, perhaps a gate, ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        gated: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups)
        self.gate = Gate(channels, channels // GATE_RATIO) if gated else None

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        y = self.conv(x)
        return F.relu(y if self.gate is None else self.gate(y))


class Block(nn.Module):
    """Depthwise 3x3, then 1x1."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, gated: bool) -> None:
        super().__init__()
        self.depthwise = Layer(
            channels_in, channels_in, 3, stride=stride, groups=channels_in, gated=gated
        )
        self.pointwise = Layer(channels_in, channels, 1, gated=gated)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        y: Tensor = self.pointwise(self.depthwise(x))
        return y


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: MobileOneRow) -> None:
        super().__init__()
        widths = row.channels()
        self.stem = Layer(3, min(CHANNELS[0], widths[0]), 3, stride=2)
        inputs = (min(CHANNELS[0], widths[0]), *widths)
        self.stages = nn.ModuleList(
            _stage(before, after, count, gates)
            for before, after, count, gates in zip(
                inputs, widths, BLOCKS, row.gates(), strict=False
            )
        )
        self.channels = widths[-1]

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x: Tensor = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        return x


def _stage(channels_in: int, channels: int, count: int, gates: int) -> nn.Sequential:
    return nn.Sequential(
        *(
            Block(
                channels if i else channels_in,
                channels,
                1 if i else 2,
                gated=i >= count - gates,
            )
            for i in range(count)
        )
    )


class MobileOne(Classifier):
    """Image B 3 H W to logits B classes."""

    def __init__(self, row: MobileOneRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = PooledClassifier(self.backbone.channels, classes)


# Checkpoints ------------------------------------------------------------------------------------

_TRAINED = re.compile(r"(.+)\.rbr_(?:conv\.\d+|scale|skip)\..+")


def official_keys(network: MobileOne) -> dict[str, str]:
    """Our state-dict key -> that of apple/ml-mobileone's deployed form."""
    prefixes = {"backbone.stem": "stage0", "head.classify": "linear"}
    for i, count in enumerate(BLOCKS):
        for j in range(count):
            block = f"backbone.stages.{i}.{j}"
            for k, part in enumerate(("depthwise", "pointwise")):
                layer = f"stage{i + 1}.{2 * j + k}"
                prefixes[f"{block}.{part}.gate"] = f"{layer}.se"
                prefixes[f"{block}.{part}"] = layer
    return renamed(network, prefixes, conv="reparam_conv")


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """A checkpoint of the trained form with each layer's branches added up to one convolution."""
    layers = sorted({match[1] for key in state if (match := _TRAINED.fullmatch(key))})
    if not layers:
        return Layout(state)
    folded = {key: value for key, value in state.items() if not _TRAINED.fullmatch(key)}
    for layer in layers:
        weight, bias = _folded(state, layer)
        folded[f"{layer}.reparam_conv.weight"] = weight
        folded[f"{layer}.reparam_conv.bias"] = bias
    return Layout(folded, "apple/ml-mobileone, as trained")


def _folded(state: Mapping[str, Tensor], layer: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that computes the sum of a layer's branches."""
    pattern = re.compile(re.escape(layer) + r"\.(rbr_(?:conv\.\d+|scale|skip))\..+")
    branches = sorted({match[1] for key in state if (match := pattern.fullmatch(key))})
    like = state[f"{layer}.rbr_conv.0.conv.weight"].double()
    weight, bias = torch.zeros_like(like), torch.zeros(len(like), dtype=torch.float64)
    for branch in branches:
        start = f"{layer}.{branch}"
        if branch == "rbr_skip":
            kernel, norm = _identity(like), start
        else:
            kernel, norm = state[f"{start}.conv.weight"].double(), f"{start}.bn"
        scale, shift = norm_factors(state, norm, NORM_EPS)
        border = (like.shape[-1] - kernel.shape[-1]) // 2
        weight += F.pad(kernel, [border] * 4) * scale[:, None, None, None]
        bias += shift
    return weight.float(), bias.float()


def _identity(like: Tensor) -> Tensor:
    """The kernel that leaves a map as it is: of one input for each output, or of all."""
    kernel = torch.zeros_like(like)
    middle = like.shape[-1] // 2
    for i in range(len(like)):
        kernel[i, i % like.shape[1], middle, middle] = 1
    return kernel


# Rows -----------------------------------------------------------------------------------------

ROWS = {
    "s0": MobileOneRow((75, 100, 100, 200)),
    "s1": MobileOneRow((150, 150, 200, 250)),
    "s2": MobileOneRow((150, 200, 250, 400)),
    "s3": MobileOneRow((200, 250, 300, 400)),
    "s4": MobileOneRow((300, 350, 350, 400), gated=True),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = PaperLine("imagenet", {"model": f"MobileOne-{size.upper()}*"}, "top-1", "top1")
        yield spec("mobileone", size, "imagenet", 32, line)


def build(spec: ModelSpec, **fields: object) -> MobileOne:
    """The network of ``spec``; ``fields`` of ``MobileOneRow`` replace those of its row."""
    size = spec.name.partition(".")[0].rpartition("_")[2]
    return MobileOne(replaced(ROWS[size], fields), spec.classes)
