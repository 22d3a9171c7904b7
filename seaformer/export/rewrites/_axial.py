"""Axial attention of SeaFormer and SeaFormer++ for a known size, which rules of engines share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._fold import (
    fold_hardsigmoid,
    merge,
    scaled,
    select_outputs,
    undo_scale,
)
from seaformer.models._plus_attention import PlusAttention
from seaformer.models._sea_attention import VALUE_RATIO, AxisAttention, DetailEnhancement
from seaformer.models._squeeze import AdaptiveExpand, AdaptiveSqueeze, PooledSqueeze

Shape = tuple[int, ...]


class FixedAxisAttention(nn.Module):
    """``AxisAttention`` for a known number of tokens N, fed with q, k, v as one squeezed map.

    q comes scaled already.
    """

    positions: Tensor | None

    def __init__(self, source: AxisAttention, tokens: int) -> None:
        super().__init__()
        self.heads = source.heads
        self.tokens = tokens
        self.encode = source.encode
        self.width = source.encode.conv.in_channels // VALUE_RATIO  # h*d
        positions = None
        if source.q_position is not None and source.k_position is not None:
            with torch.no_grad():
                q_position = source.q_position(tokens) * source.scale  # 1 h*d N
                k_position = source.k_position(tokens)  # 1 h*d N
            positions = torch.cat([q_position, k_position], dim=1).reshape(1, -1, tokens, 1)
        self.register_buffer("positions", positions)  # 1 2h*d N 1

    def forward(self, squeezed: Tensor) -> Tensor:
        """1 h*4d N 1, channels in the order q, k, v. Returns 1 h*2d N 1."""
        qk = squeezed[:, : 2 * self.width]  # 1 2h*d N 1
        if self.positions is not None:
            qk = qk + self.positions
        v = squeezed[:, 2 * self.width :]  # 1 h*2d N 1
        q = qk[:, : self.width].reshape(self.heads, -1, self.tokens).transpose(1, 2)  # h N d
        k = qk[:, self.width :].reshape(self.heads, -1, self.tokens)  # h d N
        v = v.reshape(self.heads, -1, self.tokens).transpose(1, 2)  # h N 2d
        weights = torch.softmax(torch.bmm(q, k), dim=-1)  # h N N
        y = torch.bmm(weights, v).transpose(1, 2)  # h 2d N
        y = y.reshape(1, -1, self.tokens, 1)  # 1 h*2d N 1
        encoded: Tensor = self.encode(F.relu6(y))
        return encoded


class FixedPlusAttention(nn.Module):
    """``PlusAttention`` for one H and W, batch 1.

    q, k, v and every mask come from one convolution. For the squeeze, channels are in 4h groups
    of d: the heads of q, those of k, and each head of v twice; a mask is repeated for its groups,
    so that masking all is one broadcast product and squeezing an average pool.
    """

    def __init__(self, source: PlusAttention, shape: Shape) -> None:
        super().__init__()
        _, _, self.height, self.width = shape
        to_q, to_k, to_v = (part.fuse() for part in (source.to_q, source.to_k, source.to_v))
        self.multiplies, self.axial = source.multiplies, source.axial
        self.v_start = to_q.out_channels + to_k.out_channels
        self.v_end = self.v_start + to_v.out_channels
        parts = [scaled(to_q, source.rows.scale) if self.axial else to_q, to_k, to_v]
        self.heads, self.masks, self.pools_max = 0, 0, False
        if self.axial:
            self.heads = source.rows.heads
            self._take_axes(source)
            parts += self._mask_makers(source)
            project, gated = source.project.fuse(), self.multiplies and source.detail is not None
            self.gate = fold_hardsigmoid(project) if gated else project
        self.detail: nn.Module | None = source.detail
        self.shares = isinstance(source.detail, DetailEnhancement)
        if isinstance(source.detail, DetailEnhancement):
            depthwise = source.detail.depthwise.fuse()
            if self.axial:
                depthwise = undo_scale(depthwise, to_q.out_channels, source.rows.scale)
            self.detail = nn.Sequential(depthwise, nn.ReLU6(), source.detail.project)
        self.from_x = merge(parts)

    def _take_axes(self, source: PlusAttention) -> None:
        self.rows: nn.Module = FixedAxisAttention(source.rows, self.height)
        self.columns: nn.Module = FixedAxisAttention(source.columns, self.width)

    def _mask_makers(self, source: PlusAttention) -> list[nn.Conv2d]:
        """The convolutions behind q, k and v: 8h channels for the squeeze, 2m for the expand."""
        makers = []
        squeeze, expand = source.squeeze, source.expand
        self.squeezes = isinstance(squeeze, AdaptiveSqueeze)
        if isinstance(squeeze, AdaptiveSqueeze):
            makers.append(self._squeeze_masks(squeeze))
        elif isinstance(squeeze, PooledSqueeze):
            self.pools_max = squeeze.mode == "max"
        if isinstance(expand, AdaptiveExpand):
            self.masks = expand.count
            makers.append(expand.masks.fuse())
        return makers

    def _squeeze_masks(self, squeeze: AdaptiveSqueeze) -> nn.Conv2d:
        return _repeated(squeeze.masks.fuse(), squeeze.count, self.heads)

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        y = self.from_x(x)  # 1 h*4d + masks H W
        # executorch 1.5.1: a slice of everything becomes an alias, which XNNPACK does not take.
        qkv = y[:, : self.v_end] if y.shape[1] > self.v_end else y  # 1 h*4d H W
        detail: Tensor | None = None
        if self.detail is not None:
            detail = self.detail(qkv if self.shares else x)  # 1 C H W
        if not self.axial:
            assert detail is not None
            return detail
        y_rows, y_columns = self._attended(y, qkv)  # 1 h*2d H 1, 1 h*2d 1 W
        expanded = self._expanded(y, y_rows, y_columns)  # 1 h*2d H W
        axial: Tensor = self.gate(F.relu6(expanded + qkv[:, self.v_start :]))  # 1 C H W
        if detail is None:
            return axial
        return F.hardtanh(axial, 0.0, 1.0) * detail if self.multiplies else axial + detail

    def _attended(self, y: Tensor, qkv: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = self._squeezed(y, qkv)  # 1 h*4d H 1, 1 h*4d W 1
        return self.rows(rows), self.columns(columns).transpose(2, 3)

    def _squeezed(self, y: Tensor, qkv: Tensor) -> tuple[Tensor, Tensor]:
        across, down = (1, self.width), (self.height, 1)
        if not self.squeezes:
            rows, columns = self._pool(qkv, across), self._pool(qkv, down)
            return rows, columns.transpose(2, 3)
        groups, start = 4 * self.heads, self.v_end
        grouped = qkv.reshape(groups, -1, self.height, self.width)  # 4h d H W
        row_masks = self._masks(y, start, groups)  # 4h 1 H W
        column_masks = self._masks(y, start + groups, groups)
        rows = self._pool(grouped * row_masks, across).reshape(1, -1, self.height, 1)
        columns = self._pool(grouped * column_masks, down).reshape(1, -1, self.width, 1)
        return rows, columns

    def _pool(self, x: Tensor, window: tuple[int, int]) -> Tensor:
        if self.pools_max:
            return F.max_pool2d(x, window)
        return F.avg_pool2d(x, window, count_include_pad=False)

    def _expanded(self, y: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        if not self.masks:
            return rows + columns
        end = y.shape[1]
        row_mask = self._masks(y, end - 2 * self.masks, self.masks)  # m 1 H W
        column_mask = self._masks(y, end - self.masks, self.masks)
        rows = rows.reshape(self.masks, -1, self.height, 1) * row_mask  # m C/m H W
        columns = columns.reshape(self.masks, -1, 1, self.width) * column_mask  # m C/m H W
        return (rows + columns).reshape(1, -1, self.height, self.width)  # 1 h*2d H W

    def _masks(self, y: Tensor, start: int, count: int) -> Tensor:
        """``count`` channels of y as count 1 H W.

        executorch 1.5.1: picking one of a leading axis (select) is not delegated, a slice is.
        """
        return y[:, start : start + count].reshape(count, 1, self.height, self.width)


def _repeated(masks: nn.Conv2d, count: int, heads: int) -> nn.Conv2d:
    """Masks in the order rows' q, k, v, columns' q, k, v, repeated for the 8h groups of d."""
    one = [head % count for head in range(heads)]
    of_v = [mask for mask in one for _ in range(VALUE_RATIO)]
    places = (one, one, of_v)
    order = [
        (axis * len(places) + i) * count + mask
        for axis in range(2)
        for i, group in enumerate(places)
        for mask in group
    ]
    return select_outputs(masks, order)
