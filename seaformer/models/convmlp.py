"""ConvMLP-S with Semantic FPN: segmentation by convolutions and networks on the channels.

Source: Li et al., "ConvMLP: Hierarchical Convolutional MLPs for Vision" (2021), figure 3 and table
1, as in SHI-Labs/Convolutional-MLPs, whose weights' names are used; the head is that of its
configuration for ADE20K. A stage's networks work on every place alone, and a depthwise convolution
between the two of a block is all that joins places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._fpn import SemanticFpn
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._tokens import to_map, to_tokens


@dataclass(frozen=True)
class ConvMlpRow:
    """One network: channels at 1/4 to 1/32, blocks of the last three, and their expansion.

    ``convolutions`` is the number of blocks at 1/4, which are of convolutions.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    expansion: int
    convolutions: int


class Tokenizer(nn.Module):
    """Three 3x3, the first with stride 2, and a pool."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.convs = nn.ModuleList(
            [ConvBN(3, half, 3, 2), ConvBN(half, half, 3), ConvBN(half, channels, 3)]
        )
        self.pool = nn.MaxPool2d(3, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/4 W/4."""
        x = image
        for conv in self.convs:
            x = F.relu(conv(x))
        y: Tensor = self.pool(x)
        return y


class ConvBlock(nn.Module):
    """1x1, 3x3 and 1x1, with ReLU behind each, added to the input."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [ConvBN(channels, hidden), ConvBN(hidden, hidden, 3), ConvBN(hidden, channels)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        y = x
        for conv in self.convs:
            y = F.relu(conv(y))
        return x + y


class ChannelMlp(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, channels * expansion)
        self.activate = nn.GELU()
        self.fc2 = nn.Linear(channels * expansion, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B N C to the same."""
        y: Tensor = self.fc2(self.activate(self.fc1(x)))
        return y


class Block(nn.Module):
    """A network on channels, a depthwise 3x3, another network; each behind a norm."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.connect_norm = nn.LayerNorm(channels)
        self.mlp1, self.mlp2 = (ChannelMlp(channels, expansion) for _ in range(2))
        self.connect = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same; the convolution is not added to anything."""
        size = (x.shape[-2], x.shape[-1])
        tokens = to_tokens(x)  # B N C
        tokens = tokens + self.mlp1(self.norm1(tokens))
        tokens = to_tokens(self.connect(to_map(self.connect_norm(tokens), *size)))
        return to_map(tokens + self.mlp2(self.norm2(tokens)), *size)


class Backbone(nn.Module):
    """The image to maps at 1/4, 1/8, 1/16 and 1/32: all but the last before their blocks."""

    def __init__(self, row: ConvMlpRow) -> None:
        super().__init__()
        first, hidden = row.widths[:2]
        self.tokenize = Tokenizer(first)
        self.convolve = nn.Sequential(*(ConvBlock(first, hidden) for _ in range(row.convolutions)))
        self.halve = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1)
            for before, after in zip(row.widths, row.widths[1:], strict=False)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, row.expansion) for _ in range(depth)))
            for width, depth in zip(row.widths[1:], row.depths, strict=True)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """B 3 H W to four maps, from the largest down."""
        maps = [self.tokenize(image)]
        x = self.convolve(maps[0])
        for halve, stage in zip(self.halve, self.stages, strict=True):
            x = halve(x)
            maps.append(x)
            x = stage(x)
        return (*maps[:-1], x)


class ConvMlp(Network):
    """Image B 3 H W to logits B classes H/4 W/4."""

    COMPONENTS = ("backbone", "head")

    def __init__(self, row: ConvMlpRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = SemanticFpn(row.widths, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to the official ones ----------------------------------------------------

_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "connect_norm": "connect_norm",
    "connect": "connect",
    "mlp1": "channel_mlp1",
    "mlp2": "channel_mlp2",
}


def official_keys(network: ConvMlp) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key: mmsegmentation's of the head."""
    prefixes = {"head.classify": "decode_head.conv_seg"}
    lists = {"backbone.tokenize": "backbone.tokenizer.block"}
    for i, _ in enumerate(network.backbone.convolve.children()):
        lists[f"backbone.convolve.{i}"] = f"backbone.conv_stages.conv_blocks.{i}"
    for ours, theirs in lists.items():
        for i in range(3):
            prefixes[f"{ours}.convs.{i}.conv"] = f"{theirs}.{3 * i}"
            prefixes[f"{ours}.convs.{i}.bn"] = f"{theirs}.{3 * i + 1}"
    for i, stage in enumerate(network.backbone.stages):
        place = f"stages.{i - 1}.downsample_mlp" if i else "conv_stages"
        prefixes[f"backbone.halve.{i}"] = f"backbone.{place}.downsample"
        for j, _ in enumerate(stage.children()):
            ours, theirs = f"backbone.stages.{i}.{j}", f"backbone.stages.{i}.blocks.{j}"
            prefixes |= {f"{ours}.{o}": f"{theirs}.{t}" for o, t in _BLOCK.items()}
    for i, rise in enumerate(network.head.rises):
        prefixes[f"head.pyramid.lateral.{i}"] = f"neck.lateral_convs.{i}.conv"
        prefixes[f"head.pyramid.smooth.{i}"] = f"neck.fpn_convs.{i}.conv"
        convs = rise.convs
        assert isinstance(convs, nn.ModuleList)
        for j in range(len(convs)):  # convolutions and doublings in turn
            place = f"decode_head.scale_heads.{i}.{2 * j}"
            prefixes[f"head.rises.{i}.convs.{j}"] = place
    return renamed(network, prefixes)


# Rows -----------------------------------------------------------------------------------------

ROWS = {"s": ConvMlpRow((64, 128, 256, 512), (2, 4, 2), 2, 2)}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        cells = {"backbone": f"ConvMLP-{size.upper()}", "decoder": "SemanticFPN"}
        line = PaperLine("ade20k", cells, "mIoU", "miou")
        yield spec("convmlp", size, "ade20k", 4, line)


def build(spec: ModelSpec, **fields: object) -> ConvMlp:
    """The network of ``spec``; ``fields`` of ``ConvMlpRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("convmlp_")
    return ConvMlp(replaced(ROWS[size], fields), spec.classes)
