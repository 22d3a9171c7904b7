"""How ncnn takes networks best: few passes over maps, and tokens as matrices.

ncnn keeps 4 or 8 channels of a map together. A map of width 1 is converted to and from that layout
at every reshape, so squeezed tokens are C x N here, without a last axis of 1, and the forms
that other engines take whole are left out. What reshapes a map of 256x16x16 to 16 groups and back
executes 843 scalar instructions for each value in ncnn 1.0.20261020 on ARM: 55 million, a fifth of
SeaFormer++-T; slices of whole registers of channels and a concatenation execute less than one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._axial import FixedPlusAttention
from seaformer.export.rewrites._fold import (
    bias,
    fold_hardsigmoid,
    merge,
    scaled,
    take_parts,
    undo_scale,
)
from seaformer.export.rewrites._rule import Rule, Shapes
from seaformer.models._heads import LightHead
from seaformer.models._plus_attention import PlusAttention
from seaformer.models._plus_networks import HalvedStem
from seaformer.models._sea_attention import VALUE_RATIO, AxisAttention, SeaAttention
from seaformer.models._squeeze import AdaptiveSqueeze
from seaformer.models.topformer import SimpleHead

_ENGINE = "ncnn"


class MatrixAxisAttention(nn.Module):
    """``AxisAttention`` for N tokens, fed with q, k, v as one matrix; q comes scaled already."""

    q_position: Tensor | None
    k_position: Tensor | None

    def __init__(self, source: AxisAttention, tokens: int, *, is_row: bool) -> None:
        super().__init__()
        self.heads, self.tokens, self.is_row = source.heads, tokens, is_row
        self.encode = source.encode
        self.width = source.encode.conv.in_channels // VALUE_RATIO  # h*d
        q_position = k_position = None
        if source.q_position is not None and source.k_position is not None:
            with torch.no_grad():
                q_position = source.q_position(tokens) * source.scale  # 1 h*d N
                k_position = source.k_position(tokens)  # 1 h*d N
        self.register_buffer("q_position", q_position)
        self.register_buffer("k_position", k_position)

    def forward(self, squeezed: Tensor) -> Tensor:
        """1 h*4d N in the order q, k, v. Returns 1 h*2d N 1, or 1 h*2d 1 N for columns."""
        q, k, v = torch.split(squeezed, [self.width, self.width, VALUE_RATIO * self.width], dim=1)
        if self.q_position is not None and self.k_position is not None:
            q, k = q + self.q_position, k + self.k_position
        q = q.reshape(1, self.heads, -1, self.tokens).transpose(2, 3)  # 1 h N d
        k = k.reshape(1, self.heads, -1, self.tokens)  # 1 h d N
        v = v.reshape(1, self.heads, -1, self.tokens)  # 1 h 2d N
        weights = torch.softmax(q @ k, dim=-1)  # 1 h N N
        y = v @ weights.transpose(2, 3)  # 1 h 2d N
        shape = (1, -1, self.tokens, 1) if self.is_row else (1, -1, 1, self.tokens)
        encoded: Tensor = self.encode(F.relu6(y.reshape(shape)))
        return encoded


class MatrixSeaAttention(nn.Module):
    """``SeaAttention`` for one H and W, batch 1."""

    def __init__(self, source: SeaAttention, shape: tuple[int, ...]) -> None:
        super().__init__()
        _, _, self.height, self.width = shape
        scale = source.rows.scale
        to_q, to_k, to_v = source.to_q.fuse(), source.to_k.fuse(), source.to_v.fuse()
        self.to_qkv = merge([scaled(to_q, scale), to_k, to_v])
        self.v_start = to_q.out_channels + to_k.out_channels
        self.rows = MatrixAxisAttention(source.rows, self.height, is_row=True)
        self.columns = MatrixAxisAttention(source.columns, self.width, is_row=False)
        self.gate = fold_hardsigmoid(source.project.fuse())
        self.depthwise = undo_scale(source.detail.depthwise.fuse(), to_q.out_channels, scale)
        self.detail = source.detail.project

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        qkv = self.to_qkv(x)  # 1 h*4d H W
        rows = F.avg_pool2d(qkv, (1, self.width)).squeeze(3)  # 1 h*4d H
        columns = F.avg_pool2d(qkv, (self.height, 1)).squeeze(2)  # 1 h*4d W
        y = self.rows(rows) + self.columns(columns) + qkv[:, self.v_start :]  # 1 h*2d H W
        gate = F.hardtanh(self.gate(F.relu6(y)), 0.0, 1.0)  # 1 C H W
        detail = self.detail(F.relu6(self.depthwise(qkv)))  # 1 C H W
        out: Tensor = gate * detail
        return out


class ResizedStem(HalvedStem):
    """``HalvedStem`` for even sides: halfway between pixels a bilinear resize is their average."""

    def __init__(self, source: HalvedStem) -> None:
        take_parts(self, source)

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


class NormHead(nn.Module):
    """``LightHead`` with its scale per channel as a norm, which is one multiply-accumulate."""

    def __init__(self, source: LightHead) -> None:
        super().__init__()
        self.scale = _as_norm(source.scale.fuse())
        self.classify = source.classify

    def forward(self, fused: Tensor) -> Tensor:
        """1 C H/8 W/8 to 1 classes H/8 W/8."""
        logits: Tensor = self.classify(F.relu(self.scale(fused)))
        return logits


class NormSimpleHead(SimpleHead):
    """``SimpleHead`` with its scale per channel as a norm."""

    def __init__(self, source: SimpleHead) -> None:
        nn.Module.__init__(self)
        self.fuse = _as_norm(source.fuse.fuse())  # type: ignore[assignment]
        self.classify = source.classify


def _as_norm(scale: nn.Conv2d) -> nn.BatchNorm2d:
    """A depthwise 1x1 convolution as a norm with the same answer."""
    channels = scale.out_channels
    norm = nn.BatchNorm2d(channels, eps=0.0, dtype=scale.weight.dtype)
    with torch.no_grad():
        norm.weight.copy_(scale.weight.reshape(channels))
        norm.bias.copy_(bias(scale))
    return norm


def _simple(head: SimpleHead, _: Shapes) -> nn.Module:
    conv = head.fuse.conv
    return NormSimpleHead(head) if conv.groups == conv.out_channels else head


def _resized(stem: HalvedStem, shapes: Shapes) -> nn.Module:
    is_even = not any(side % 2 for side in shapes[0][-2:])
    return ResizedStem(stem) if is_even else stem


RULES = (
    Rule(
        "ncnn-sea-attention",
        SeaAttention,
        lambda block, shapes: MatrixSeaAttention(block, shapes[0]),
        "As sea-attention, but tokens are matrices: ncnn repacks maps of width 1 at each reshape",
        sized=True,
        engines=(_ENGINE,),
        replaces=("sea-attention",),
    ),
    Rule(
        "ncnn-head-scale",
        LightHead,
        lambda head, _: NormHead(head),
        "A depthwise 1x1 convolution costs ncnn six times what a norm does",
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-simple-head-scale",
        SimpleHead,
        _simple,
        "As ncnn-head-scale, for the head of TopFormer",
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-halved-image",
        HalvedStem,
        _resized,
        "A pooled value of an image is 120 instructions, one of a bilinear resize 14",
        sized=True,
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-plus-attention",
        PlusAttention,
        lambda block, shapes: MatrixPlusAttention(block, shapes[0]),
        "As plus-attention, but no map gets a fourth axis, which ncnn makes value by value",
        sized=True,
        engines=(_ENGINE,),
        replaces=("plus-attention",),
    ),
)
