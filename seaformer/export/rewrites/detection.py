"""Pyramids of features: that of a detector, and Semantic FPN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage
from seaformer.models._fpn import NearestDouble


class RepeatedDouble(nn.Module):
    """``NearestDouble`` for known sizes, as a product with ones that are broadcast.

    executorch 1.5.1: XNNPACK resizes bilinearly only, and does not take expand.
    """

    ones: Tensor

    def __init__(self, source: NearestDouble, shapes: Shapes) -> None:
        super().__init__()
        (_, self.channels, self.rows, self.columns), finer = shapes
        self.height, self.width = finer[2:]
        self.register_buffer("ones", torch.ones(1, 2, 1, 2))

    def forward(self, x: Tensor, _: Tensor) -> Tensor:
        """1 C h w to 1 C H W, with H and W twice h and w or one less."""
        x = x.reshape(self.channels * self.rows, 1, self.columns, 1) * self.ones  # C*h 2 w 2
        x = x.reshape(1, self.channels, 2 * self.rows, 2 * self.columns)  # 1 C 2h 2w
        if self.height != 2 * self.rows:  # a slice that takes all stays outside of the delegate
            x = x[:, :, : self.height]
        if self.width != 2 * self.columns:
            x = x[:, :, :, : self.width]
        return x


RULES = (
    Rule(
        "nearest-double",
        NearestDouble,
        RepeatedDouble,
        "XNNPACK resizes bilinearly only; doubling is a product with ones",
        stage=Stage.LAYER,
        delegates=("xnnpack",),
        sized=True,
    ),
)
