"""Numbers of classes that fit an engine's tiles.

executorch 1.5.1: XNNPACK multiplies 8 output channels at a time; for 150 of them, which 8 does not
divide, it takes a slower tile for all. Drop when the pin passes a release that takes the rest
apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule
from seaformer.models._heads import LightHead

_TILE = 8
_MOST = 0.05  # more channels than this share cost as much as the tile saves


class PaddedHead(nn.Module):
    """``LightHead`` with classes that are always zero behind its own, cut off at the end."""

    def __init__(self, source: LightHead, classes: int) -> None:
        super().__init__()
        own = source.classify
        self.classes = own.out_channels
        self.scale = source.scale
        self.classify = nn.Conv2d(own.in_channels, classes, 1, dtype=own.weight.dtype)
        with torch.no_grad():
            for padded, given in zip(self.classify.parameters(), own.parameters(), strict=True):
                padded.zero_()
                padded[: self.classes] = given

    def forward(self, fused: Tensor) -> Tensor:
        """B C H/8 W/8 to B classes H/8 W/8."""
        logits: Tensor = self.classify(F.relu(self.scale(fused)))
        return logits[:, : self.classes]


def _padded(head: LightHead) -> nn.Module:
    classes = head.classify.out_channels
    whole = -(-classes // _TILE) * _TILE
    return PaddedHead(head, whole) if 0 < whole - classes <= _MOST * classes else head


RULES = (
    Rule(
        "padded-classes",
        LightHead,
        lambda head, _: _padded(head),
        "XNNPACK takes the slowest tile for 150 outputs, a multiple of 8 is faster in FP32",
        delegates=("xnnpack",),
        dtypes=("float32",),
    ),
)
