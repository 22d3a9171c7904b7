"""MobileNetV4: classification, the two smaller networks of convolutions alone.

Source: Qin et al., "MobileNetV4: Universal Models for the Mobile Ecosystem" (2024), figure 4 and
the tables of its appendix; what they leave open (padding on both sides, a norm and ReLU in the
head) is that of the timm library, whose weights load. The hybrid networks with attention are not
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN
from seaformer.models._mobilenet import Classifier
from seaformer.models._official import renamed
from seaformer.models._tags import replaced, spec

STEM_CHANNELS, LAST_CHANNELS, HEAD_CHANNELS = 32, 960, 1280


class ConvRow(NamedTuple):
    """A convolution, norm and ReLU."""

    kernel: int
    channels: int
    stride: int = 1


class FusedRow(NamedTuple):
    """A block whose expansion is the 3x3 convolution itself."""

    channels: int
    expansion: int


class UniversalRow(NamedTuple):
    """A universal inverted bottleneck: kernels of the depthwise convolutions before and behind the
    expansion (0: none); a stride of 2 is that of the last of them."""

    first: int
    middle: int
    channels: int
    expansion: int
    stride: int = 1


StageRows = tuple[ConvRow | FusedRow | UniversalRow, ...]


@dataclass(frozen=True)
class MobileNetV4Row:
    """One network: its four stages, of 1/4 to 1/32."""

    blocks: tuple[StageRows, ...]


class FusedBlock(nn.Module):
    """3x3 with stride 2 that expands, then 1x1."""

    def __init__(self, channels_in: int, row: FusedRow) -> None:
        super().__init__()
        hidden = channels_in * row.expansion
        self.expand = ConvBN(channels_in, hidden, 3, 2)
        self.project = ConvBN(hidden, row.channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        y: Tensor = self.project(F.relu(self.expand(x)))
        return y


class UniversalBlock(nn.Module):
    """Figure 4: depthwise or not, 1x1 and ReLU, depthwise and ReLU or not, 1x1."""

    def __init__(self, channels_in: int, row: UniversalRow) -> None:
        super().__init__()
        hidden = channels_in * row.expansion
        early = 1 if row.middle else row.stride
        self.first = (
            ConvBN(channels_in, channels_in, row.first, early, channels_in) if row.first else None
        )
        self.expand = ConvBN(channels_in, hidden)
        self.middle = ConvBN(hidden, hidden, row.middle, row.stride, hidden) if row.middle else None
        self.project = ConvBN(hidden, row.channels)
        self.residual = row.stride == 1 and channels_in == row.channels

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        y: Tensor = F.relu(self.expand(x if self.first is None else self.first(x)))
        if self.middle is not None:
            y = F.relu(self.middle(y))
        y = self.project(y)
        return x + y if self.residual else y


def _convolution(channels_in: int, row: ConvRow) -> nn.Sequential:
    return nn.Sequential(ConvBN(channels_in, row.channels, row.kernel, row.stride), nn.ReLU())


def _block(channels_in: int, row: ConvRow | FusedRow | UniversalRow) -> nn.Module:
    if isinstance(row, ConvRow):
        return _convolution(channels_in, row)
    if isinstance(row, FusedRow):
        return FusedBlock(channels_in, row)
    return UniversalBlock(channels_in, row)


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: MobileNetV4Row) -> None:
        super().__init__()
        self.stem = _convolution(3, ConvRow(3, STEM_CHANNELS, 2))
        self.stages = nn.ModuleList()
        channels = STEM_CHANNELS
        for rows in row.blocks:
            stage = nn.Sequential()
            for each in rows:
                stage.append(_block(channels, each))
                channels = each.channels
            self.stages.append(stage)
        self.last = _convolution(channels, ConvRow(1, LAST_CHANNELS))

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B 960 H/32 W/32."""
        x: Tensor = self.stem(image)
        for stage in self.stages:
            x = stage(x)
        y: Tensor = self.last(x)
        return y


class Head(nn.Module):
    """Mean over the map, 1x1 and ReLU, then linear."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.mix = ConvBN(LAST_CHANNELS, HEAD_CHANNELS)
        self.classify = nn.Linear(HEAD_CHANNELS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """B 960 H W to B classes."""
        x = F.relu(self.mix(F.adaptive_avg_pool2d(x, 1)))
        logits: Tensor = self.classify(x.flatten(1))
        return logits


class MobileNetV4(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone
    DAMPED = ("project",)

    def __init__(self, row: MobileNetV4Row, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = Head(classes)


# Names of weights: ours to timm's ---------------------------------------------------------------

_UNIVERSAL = {"first": "dw_start", "expand": "pw_exp", "middle": "dw_mid", "project": "pw_proj"}
_FUSED = {
    "expand.conv": "conv_exp",
    "expand.bn": "bn1",
    "project.conv": "conv_pwl",
    "project.bn": "bn2",
}


def official_keys(network: MobileNetV4) -> dict[str, str]:
    """Our state-dict key -> timm's, for every key of ``network``."""
    prefixes = {
        "backbone.stem.0.conv": "conv_stem",
        "backbone.stem.0.bn": "bn1",
        "head.mix.conv": "conv_head",
        "head.mix.bn": "norm_head",
        "head.classify": "classifier",
    }
    backbone = network.backbone
    blocks = {
        f"backbone.stages.{i}.{j}": (f"blocks.{i}.{j}", block)
        for i, stage in enumerate(backbone.stages)
        for j, block in enumerate(stage.children())
    }
    blocks["backbone.last"] = (f"blocks.{len(backbone.stages)}.0", backbone.last)
    for place, (theirs, block) in blocks.items():
        prefixes |= {f"{place}.{ours}": f"{theirs}.{to}" for ours, to in _parts(block)}
    return renamed(network, prefixes)


def _parts(block: nn.Module) -> list[tuple[str, str]]:
    if isinstance(block, UniversalBlock):
        return list(_UNIVERSAL.items())
    if isinstance(block, FusedBlock):
        return list(_FUSED.items())
    return [("0.conv", "conv"), ("0.bn", "bn1")]


# Rows -----------------------------------------------------------------------------------------

_S = MobileNetV4Row(
    (
        (ConvRow(3, 32, 2), ConvRow(1, 32)),
        (ConvRow(3, 96, 2), ConvRow(1, 64)),
        (
            UniversalRow(5, 5, 96, 3, 2),
            *(UniversalRow(0, 3, 96, 2),) * 4,
            UniversalRow(3, 0, 96, 4),
        ),
        (
            UniversalRow(3, 3, 128, 6, 2),
            UniversalRow(5, 5, 128, 4),
            UniversalRow(0, 5, 128, 4),
            UniversalRow(0, 5, 128, 3),
            *(UniversalRow(0, 3, 128, 4),) * 2,
        ),
    )
)
_M = MobileNetV4Row(
    (
        (FusedRow(48, 4),),
        (UniversalRow(3, 5, 80, 4, 2), UniversalRow(3, 3, 80, 2)),
        (
            UniversalRow(3, 5, 160, 6, 2),
            *(UniversalRow(3, 3, 160, 4),) * 2,
            UniversalRow(3, 5, 160, 4),
            UniversalRow(3, 3, 160, 4),
            UniversalRow(3, 0, 160, 4),
            UniversalRow(0, 0, 160, 2),
            UniversalRow(3, 0, 160, 4),
        ),
        (
            UniversalRow(5, 5, 256, 6, 2),
            UniversalRow(5, 5, 256, 4),
            *(UniversalRow(3, 5, 256, 4),) * 2,
            UniversalRow(0, 0, 256, 4),
            UniversalRow(3, 0, 256, 4),
            UniversalRow(3, 5, 256, 2),
            UniversalRow(5, 5, 256, 4),
            *(UniversalRow(0, 0, 256, 4),) * 2,
            UniversalRow(5, 0, 256, 2),
        ),
    )
)
ROWS = {"s": (_S, "imagenet"), "m": (_M, "imagenet_256")}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size, (_, tag) in ROWS.items():
        yield spec("mobilenetv4", size, tag, 32, None)


def build(spec: ModelSpec, **fields: object) -> MobileNetV4:
    """The network of ``spec``; ``fields`` of ``MobileNetV4Row`` replace those of its row."""
    size = spec.name.partition(".")[0].rpartition("_")[2]
    return MobileNetV4(replaced(ROWS[size][0], fields), spec.classes)
