"""Squeeze and expand of squeeze-enhanced axial attention: by pooling, or by learnt masks.

Source: SeaFormer++ paper, section 3.2.1, equation 4, figure 4 and table 7. No official code of the
adaptive form is public, so this is a reading of the text:

- Equation 4 makes a row's token as (1/W) q A_W with q as (H, C, W) and A_W as (H, W, 1): one
  weight per place and none per channel. With A = 1 it is the mean.
- A is "a 1x1 convolution and batch normalization layer on the input feature map x", and nothing
  after it: no softmax, no sigmoid. It is repeated for k and v: masks of their own.
- The equation is written without heads. ``mask="head"`` reads it per head, as attention itself is:
  3 masks (q, k, v) x 2 axes x h heads. ``mask="one"`` reads it to the letter: h = 1.
- "Similar to adaptive squeezing", a 1x1 convolution and batch norm of x make the mask that
  restores: y(i, j) = row(i) M_W(i, j) + column(j) M_H(i, j), where SeaFormer broadcasts.

What the counts show. Claimed is +0.1M and +0.01G, for every size. Masks per head add 19k, 51k, 116k
and 149k parameters and 3M, 8M, 18M and 59M multiply-accumulates to T, S, B, L: 8.7M and 14.1M for
B and L as printed, but 1.69M instead of 1.8M for T and 4.04M instead of 4.1M for S. To the letter
(one mask for all heads) they add 5k, 9k, 14k and 19k, and no figure moves as printed. A mask per
channel, as many as q, k and v have, adds 0.57M to T and 3.5M to B, which rules it out. No mask of
this kind can add 0.1M to all four: what a 1x1 convolution of x costs grows with the model, the
claim does not. Two more figures speak for the heads: the distilled students of table 2 (10.2M and
17.1M, see ``_upsampling.py``), and table 17, where SeaFormer-T++ on half the input, with nothing
added, is given 1.7M and not 1.8M.

Shapes: B batch, C channels, H W height and width, h heads, d key width of a head, 2d its value
width, m masks (h or 1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN

Tokens = tuple[Tensor, Tensor, Tensor]  # q, k: B h*d N and v: B h*2d N
MASKS_PER_AXIS = 3  # of q, of k, of v


class PooledSqueeze(nn.Module):
    """A row or column becomes its mean or its maximum: SeaFormer, and table 7's comparison."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, _: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tokens, Tokens]:
        """q, k: B h*d H W, v: B h*2d H W to the tokens of the rows and those of the columns."""
        rows, columns = ((self._pool(q, a), self._pool(k, a), self._pool(v, a)) for a in (3, 2))
        return rows, columns

    def _pool(self, x: Tensor, axis: int) -> Tensor:
        return x.mean(axis) if self.mode == "mean" else x.amax(axis)


class AdaptiveSqueeze(nn.Module):
    """Equation 4: a row or column becomes a sum over its places, weighted by masks made of x."""

    def __init__(self, channels: int, masks: int) -> None:
        super().__init__()
        self.count = masks
        self.masks = ConvBN(channels, 2 * MASKS_PER_AXIS * masks)

    def forward(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tokens, Tokens]:
        """x: B C H W, q, k: B h*d H W, v: B h*2d H W to the tokens of rows and of columns."""
        masks = self.masks(x).split(self.count, dim=1)  # 6 times B m H W: rows' q, k, v, columns'
        rows, columns = (
            tuple(_weighted(t, mask, axis) for t, mask in zip((q, k, v), chosen, strict=True))
            for axis, chosen in (("i", masks[:MASKS_PER_AXIS]), ("j", masks[MASKS_PER_AXIS:]))
        )
        return rows, columns  # type: ignore[return-value]  # three each


class BroadcastExpand(nn.Module):
    """Every place takes its row's and its column's result as they are."""

    def forward(self, _: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """B h*2d H 1 and B h*2d 1 W to B h*2d H W."""
        return rows + columns


class AdaptiveExpand(nn.Module):
    """Every place takes its row's and its column's result times masks made of x (figure 4)."""

    def __init__(self, channels: int, masks: int) -> None:
        super().__init__()
        self.count = masks
        self.masks = ConvBN(channels, 2 * masks)

    def forward(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """x: B C H W, rows: B h*2d H 1, columns: B h*2d 1 W to B h*2d H W."""
        row_mask, column_mask = self.masks(x).split(self.count, dim=1)  # B m H W each
        rows = _grouped(rows, self.count) * row_mask.unsqueeze(2)  # B m C/m H W
        columns = _grouped(columns, self.count) * column_mask.unsqueeze(2)  # B m C/m H W
        return (rows + columns).flatten(1, 2)  # B h*2d H W


def _grouped(x: Tensor, masks: int) -> Tensor:
    """B C H W to B m C/m H W."""
    batch, channels, height, width = x.shape
    return x.reshape(batch, masks, channels // masks, height, width)


def _weighted(x: Tensor, mask: Tensor, axis: str) -> Tensor:
    """B C H W under a mask B m H W, summed along the other axis over its length: B C N."""
    length = x.shape[3] if axis == "i" else x.shape[2]
    y = torch.einsum(f"bmcij,bmij->bmc{axis}", _grouped(x, mask.shape[1]), mask)  # B m C/m N
    return y.flatten(1, 2) / length
