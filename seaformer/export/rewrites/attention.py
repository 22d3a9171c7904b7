"""Attention of SeaFormer, SeaFormer++ and the ablations for a known size.

- q, k and v come from one convolution, so the detail kernel needs no concatenation.
- Position embeddings are interpolated once, for the size at hand, and become constants.
- The scale of attention goes into the weights that make q (and out of the detail kernel's).
- The squeeze is an average pool: XNNPACK does not take a mean over one axis. Adaptive masks come
  out of the convolution that makes q, k and v, and are applied to all of them at once.
- Attention multiplies 3-D batches: XNNPACK does not take the 4-D product and its expand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._axial import FixedAxisAttention, FixedPlusAttention, Shape
from seaformer.export.rewrites._fold import fold_hardsigmoid, merge, scaled, undo_scale
from seaformer.export.rewrites._rule import Rule
from seaformer.models._attention_kinds import Qkv, Windows
from seaformer.models._plus_attention import PlusAttention
from seaformer.models._sea_attention import SeaAttention


class FixedSeaAttention(nn.Module):
    """``SeaAttention`` for one H and W, batch 1."""

    height: int
    width: int

    def __init__(self, source: SeaAttention, shape: Shape) -> None:
        super().__init__()
        _, _, self.height, self.width = shape
        scale = source.rows.scale
        to_q, to_k, to_v = source.to_q.fuse(), source.to_k.fuse(), source.to_v.fuse()
        self.to_qkv = merge([scaled(to_q, scale), to_k, to_v])
        self.v_start = to_q.out_channels + to_k.out_channels
        self.rows = FixedAxisAttention(source.rows, self.height)
        self.columns = FixedAxisAttention(source.columns, self.width)
        self.gate = fold_hardsigmoid(source.project.fuse())
        self.depthwise = undo_scale(source.detail.depthwise.fuse(), to_q.out_channels, scale)
        self.detail = source.detail.project

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        qkv = self.to_qkv(x)  # 1 h*4d H W
        rows = F.avg_pool2d(qkv, (1, self.width), count_include_pad=False)  # 1 h*4d H 1
        columns = F.avg_pool2d(qkv, (self.height, 1), count_include_pad=False)  # 1 h*4d 1 W
        y_rows = self.rows(rows)  # 1 h*2d H 1
        y_columns = self.columns(columns.transpose(2, 3)).transpose(2, 3)  # 1 h*2d 1 W
        y = y_rows + y_columns + qkv[:, self.v_start :]  # 1 h*2d H W
        gate = F.hardtanh(self.gate(F.relu6(y)), 0.0, 1.0)  # 1 C H W
        detail = self.detail(F.relu6(self.depthwise(qkv)))  # 1 C H W
        out: Tensor = gate * detail
        return out


class FixedQkv(nn.Module):
    """``Qkv`` as one convolution, with the scale in its weights."""

    def __init__(self, source: Qkv) -> None:
        super().__init__()
        to_q, to_k, to_v = (part.fuse() for part in (source.to_q, source.to_k, source.to_v))
        self.k_start = to_q.out_channels
        self.v_start = self.k_start + to_k.out_channels
        self.to_qkv = merge([scaled(to_q, source.scale), to_k, to_v])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 C H W to q, k, v of that H and W."""
        y = self.to_qkv(x)
        return y[:, : self.k_start], y[:, self.k_start : self.v_start], y[:, self.v_start :]


class FixedWindows(Windows):
    """``Windows`` for one H and W: which places lie beyond the edge is a constant."""

    beyond: Tensor

    def __init__(self, source: Windows, shape: Shape) -> None:
        super().__init__(source.heads)
        self.register_buffer("beyond", source.outside(torch.zeros(shape)))  # h*n 1 T

    def outside(self, v: Tensor) -> Tensor:
        return self.beyond


RULES = (
    Rule(
        "sea-attention",
        SeaAttention,
        lambda block, shapes: FixedSeaAttention(block, shapes[0]),
        "XNNPACK takes no mean over one axis and no 4-D product; q, k, v and positions are merged",
        sized=True,
    ),
    Rule(
        "plus-attention",
        PlusAttention,
        lambda block, shapes: FixedPlusAttention(block, shapes[0]),
        "As sea-attention; the convolution that makes q, k and v makes adaptive masks too",
        sized=True,
    ),
    Rule(
        "merged-qkv",
        Qkv,
        lambda block, _: FixedQkv(block),
        "One convolution makes q, k and v, with the scale in its weights",
    ),
    Rule(
        "window-edges",
        Windows,
        lambda block, shapes: FixedWindows(block, shapes[-1]),
        "Which places of a window lie beyond the edge of the map is a constant",
        sized=True,
    ),
)
