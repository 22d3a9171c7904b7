"""The two branches of SeaFormer and the sizes T, S, B, L: what SeaFormer, SeaFormer++, its students
and the detector share.

Source: SeaFormer++ paper, sections 3.1-3.1.3, figures 2 and 3, table 1; fudan-zvg/SeaFormer 9718d05
(Apache-2.0) for what the table leaves out. Which attention a layer has, and how a fusion block
fuses, is chosen by whoever builds a branch; heads are in ``_heads.py``. Stochastic depth (0.1 in
official training, without effect at inference) is not here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.models._blocks import BlockRow, ConvBN, FusionBlock, Mlp, inverted_residuals
from seaformer.models._sea_attention import SeaAttention

Blocks = tuple[BlockRow, ...]
Attention = Callable[[int, int, int], nn.Module]  # channels, heads, key width of a head
Fusion = Callable[[int, int, int], nn.Module]  # local, coarse and fused channels
DAMPED = ("to_q", "to_k", "mlp.fc2", "detail.project")  # see Network.DAMPED


class StageRow(NamedTuple):
    """One stage of the context branch: MobileNetV2 blocks, then ``depth`` SeaFormer layers."""

    blocks: Blocks
    depth: int = 0
    key_dim: int = 0
    mlp_ratio: int = 0


@dataclass(frozen=True)
class SeaFormerRow:
    """One column of table 1, with what the table leaves out (key widths, MLP ratios, head)."""

    stem_channels: int
    quarter: Blocks
    eighth: Blocks
    stages: tuple[StageRow, ...]
    heads: int
    fusion_channels: tuple[int, ...]

    def __post_init__(self) -> None:
        stages = sum(1 for stage in self.stages if stage.depth)
        if len(self.fusion_channels) != stages:
            seen = len(self.fusion_channels)
            raise UsageError(f"fusion_channels has {stages} numbers, one per stage, not {seen}.")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every stage of the context branch."""
        return tuple(stage.blocks[-1].channels for stage in self.stages)

    @property
    def attended(self) -> tuple[int, ...]:
        """Channels of the stages that have attention, which are those that are fused."""
        return tuple(stage.blocks[-1].channels for stage in self.stages if stage.depth)


class SeaFormerLayer(nn.Module):
    """Attention and feed-forward network, each added to its input (figure 3)."""

    def __init__(
        self, channels: int, heads: int, row: StageRow, attention: Attention = SeaAttention
    ) -> None:
        super().__init__()
        self.attention = attention(channels, heads, row.key_dim)
        self.mlp = Mlp(channels, row.mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)  # B C H W
        y: Tensor = x + self.mlp(x)  # B C H W
        return y


class Stem(nn.Module):
    """Shared stem: the image to features at 1/8 (stages 1-3 of table 1)."""

    def __init__(self, row: SeaFormerRow) -> None:
        super().__init__()
        self.conv = ConvBN(3, row.stem_channels, 3, stride=2)
        self.quarter = inverted_residuals(row.stem_channels, row.quarter)
        self.eighth = inverted_residuals(row.quarter[-1].channels, row.eighth)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.conv(image))  # B C H/2 W/2
        y: Tensor = self.eighth(self.quarter(x))  # B C H/8 W/8
        return y


class ContextStage(nn.Module):
    """One stage of the context branch: halve the map, then global context at that scale."""

    def __init__(self, channels_in: int, row: StageRow, heads: int, attention: Attention) -> None:
        super().__init__()
        channels = row.blocks[-1].channels
        self.blocks = inverted_residuals(channels_in, row.blocks)
        self.layers = nn.Sequential(
            *(SeaFormerLayer(channels, heads, row, attention) for _ in range(row.depth))
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(self.blocks(x))  # B C H/2 W/2
        return y


class ContextBranch(nn.Module):
    """Context branch (section 3.1.1): 1/16, 1/32 and 1/64; returns the stages with attention,
    or ``every`` stage."""

    def __init__(
        self, row: SeaFormerRow, attention: Attention = SeaAttention, *, every: bool = False
    ) -> None:
        super().__init__()
        widths = (row.eighth[-1].channels, *row.widths)
        self.stages = nn.ModuleList(
            ContextStage(channels, stage, row.heads, attention)
            for channels, stage in zip(widths, row.stages, strict=False)
        )
        self.returned = tuple(i for i, stage in enumerate(row.stages) if stage.depth or every)

    def forward(self, x8: Tensor) -> tuple[Tensor, ...]:
        """B C H/8 W/8 to one B C' H/s W/s per returned stage; T, S, B: s = 32, 64."""
        outputs = []
        for stage in self.stages:
            x8 = stage(x8)
            outputs.append(x8)
        return tuple(outputs[i] for i in self.returned)


class SpatialBranch(nn.Module):
    """Spatial branch (section 3.1.2): the 1/8 features, fused with each stage in turn."""

    def __init__(self, row: SeaFormerRow, fusion: Fusion = FusionBlock) -> None:
        super().__init__()
        fused = row.fusion_channels
        widths = zip((row.eighth[-1].channels, *fused), row.attended, fused, strict=False)
        self.fuse = nn.ModuleList(fusion(*triple) for triple in widths)

    def forward(self, x8: Tensor, *stages: Tensor) -> Tensor:
        """B C H/8 W/8 and the context branch's outputs to B C' H/8 W/8."""
        for block, stage in zip(self.fuse, stages, strict=True):
            x8 = block(x8, stage)
        return x8


# Rows: the columns of table 1 ---------------------------------------------------------------


def _blocks(*rows: tuple[int, int, int, int]) -> Blocks:
    return tuple(BlockRow(*row) for row in rows)


_TINY = SeaFormerRow(
    stem_channels=16,
    quarter=_blocks((3, 1, 16, 1), (3, 4, 16, 2), (3, 3, 16, 1)),
    eighth=_blocks((5, 3, 32, 2), (5, 3, 32, 1)),
    stages=(
        StageRow(_blocks((3, 3, 64, 2), (3, 3, 64, 1))),
        StageRow(_blocks((5, 3, 128, 2)), depth=2, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((3, 6, 160, 2)), depth=2, key_dim=24, mlp_ratio=4),
    ),
    heads=4,
    fusion_channels=(64, 96),
)
_SMALL = SeaFormerRow(
    stem_channels=16,
    quarter=_blocks((3, 1, 16, 1), (3, 4, 24, 2), (3, 3, 24, 1)),
    eighth=_blocks((5, 3, 48, 2), (5, 3, 48, 1)),
    stages=(
        StageRow(_blocks((3, 3, 96, 2), (3, 3, 96, 1))),
        StageRow(_blocks((5, 4, 160, 2)), depth=3, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((3, 6, 192, 2)), depth=3, key_dim=24, mlp_ratio=4),
    ),
    heads=6,
    fusion_channels=(96, 128),
)
_BASE = SeaFormerRow(
    stem_channels=16,
    quarter=_blocks((3, 1, 16, 1), (3, 4, 32, 2), (3, 3, 32, 1)),
    eighth=_blocks((5, 3, 64, 2), (5, 3, 64, 1)),
    stages=(
        StageRow(_blocks((3, 3, 128, 2), (3, 3, 128, 1))),
        StageRow(_blocks((5, 4, 192, 2)), depth=4, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((3, 6, 256, 2)), depth=4, key_dim=24, mlp_ratio=4),
    ),
    heads=8,
    fusion_channels=(128, 160),
)
_LARGE = SeaFormerRow(
    stem_channels=32,
    quarter=_blocks((3, 3, 32, 1), (3, 4, 64, 2), (3, 4, 64, 1)),
    eighth=_blocks((5, 4, 128, 2), (5, 4, 128, 1)),
    stages=(
        StageRow(_blocks((3, 4, 192, 2), (3, 4, 192, 1)), depth=3, key_dim=16, mlp_ratio=2),
        StageRow(_blocks((5, 4, 256, 2)), depth=3, key_dim=20, mlp_ratio=4),
        StageRow(_blocks((3, 6, 320, 2)), depth=3, key_dim=24, mlp_ratio=6),
    ),
    heads=8,
    fusion_channels=(128, 160, 192),
)
SIZES = {"t": _TINY, "s": _SMALL, "b": _BASE, "l": _LARGE}
