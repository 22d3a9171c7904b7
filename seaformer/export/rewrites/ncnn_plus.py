"""SeaFormer++ as ncnn takes it best: no map is reshaped to a fourth axis, no image pooled.

What reshapes a map of 256x16x16 to 16 groups and back executes 843 scalar instructions for each
value in ncnn 1.0.20261020 on ARM: 55 million, a fifth of SeaFormer++-T. Slices of whole registers
of channels and a concatenation execute less than one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes
from seaformer.export.rewrites.attention import FixedPlusAttention
from seaformer.export.rewrites.ncnn import MatrixAxisAttention
from seaformer.models._plus_attention import PlusAttention
from seaformer.models._plus_networks import HalvedStem
from seaformer.models._squeeze import AdaptiveSqueeze


class ResizedStem(HalvedStem):
    """``HalvedStem`` for even sides: halfway between pixels a bilinear resize is their average."""

    def __init__(self, source: HalvedStem) -> None:
        nn.Module.__init__(self)
        for name, part in source.named_children():
            self.add_module(name, part)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """1 3 H W to 1 C H/8 W/8 and 1 C' H/16 W/16."""
        size = (image.shape[2] // 2, image.shape[3] // 2)
        half = F.interpolate(image, size, mode="bilinear", align_corners=False)  # 1 3 H/2 W/2
        x8 = self.quarter(F.relu(self.conv(half)))  # 1 C H/8 W/8
        return x8, self.eighth(x8)


class MatrixPlusAttention(FixedPlusAttention):
    """``PlusAttention`` for one H and W, batch 1; a mask is multiplied with its channels alone.

    q, k and v are m pieces each, one for a mask; masks are the last channels of what one
    convolution makes, in the order of the model: rows' q, k, v, columns' q, k, v, rows, columns.
    """

    def _take_axes(self, source: PlusAttention) -> None:
        self.rows = MatrixAxisAttention(source.rows, self.height, is_row=True)
        self.columns = MatrixAxisAttention(source.columns, self.width, is_row=False)

    def _squeeze_masks(self, squeeze: AdaptiveSqueeze) -> nn.Conv2d:
        q, value = self.v_start // 2, self.v_end - self.v_start
        self.pieces = [
            part // squeeze.count for part in (q, q, value) for _ in range(squeeze.count)
        ]
        return squeeze.masks.fuse()

    def _attended(self, y: Tensor, qkv: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = qkv, qkv  # 1 h*4d H W
        if self.squeezes:
            pieces = torch.split(qkv, self.pieces, dim=1)
            masks = _each(y, self.v_end, 2 * len(pieces))
            rows = _masked(pieces, masks[: len(pieces)])
            columns = _masked(pieces, masks[len(pieces) :])
        rows = self._pool(rows, (1, self.width)).squeeze(3)  # 1 h*4d H
        columns = self._pool(columns, (self.height, 1)).squeeze(2)  # 1 h*4d W
        return self.rows(rows), self.columns(columns)

    def _expanded(self, y: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        if not self.masks:
            return rows + columns
        width = rows.shape[1] // self.masks
        masks = _each(y, y.shape[1] - 2 * self.masks, 2 * self.masks)
        by_row = _masked(torch.split(rows, width, dim=1), masks[: self.masks])
        by_column = _masked(torch.split(columns, width, dim=1), masks[self.masks :])
        return by_row + by_column  # 1 h*2d H W


def _each(y: Tensor, start: int, count: int) -> tuple[Tensor, ...]:
    """``count`` channels of y as 1 1 H W each."""
    return torch.split(y[:, start : start + count], 1, dim=1)


def _masked(pieces: tuple[Tensor, ...], masks: tuple[Tensor, ...]) -> Tensor:
    """Each piece times its mask, side by side."""
    masked = [piece * mask for piece, mask in zip(pieces, masks, strict=True)]
    return masked[0] if len(masked) == 1 else torch.cat(masked, dim=1)


def _resized(stem: HalvedStem, shapes: Shapes) -> nn.Module:
    is_even = not any(side % 2 for side in shapes[0][-2:])
    return ResizedStem(stem) if is_even else stem


RULES = (
    Rule(
        "ncnn-halved-image",
        HalvedStem,
        _resized,
        "A pooled value of an image is 120 instructions, one of a bilinear resize 14",
        sized=True,
        engines=("ncnn",),
    ),
    Rule(
        "ncnn-plus-attention",
        PlusAttention,
        lambda block, shapes: MatrixPlusAttention(block, shapes[0]),
        "As plus-attention, but no map gets a fourth axis, which ncnn makes value by value",
        sized=True,
        engines=("ncnn",),
        replaces=("plus-attention",),
    ),
)
