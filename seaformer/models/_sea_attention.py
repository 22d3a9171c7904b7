"""Squeeze-enhanced axial attention, SeaFormer++ paper section 3.2 (figure 3), and nothing else.

Each axis of the map is squeezed to one token per row, and one per column, so attention costs
O(HW). What the squeeze loses comes back through a convolution of q, k and v (section 3.2.3).

What the equations leave out and the official code (fudan-zvg/SeaFormer) does, done here too:
the squeeze is a plain mean; attention is scaled by 1/sqrt(d); each axis' result passes ReLU6 and
a 1x1 convolution; the full-resolution v is added before the projection; q, k, v of the detail
kernel are those of the attention; the gate is a hard sigmoid, relu6(x + 3) / 6.

Shapes: B batch, C channels, H W height and width, h heads, d key width of a head, 2d its value
width, N tokens of an axis (N = H for rows, N = W for columns).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN

POSITIONS = 16  # L of section 3.2.2: length of the learnt position embedding, on every stage
VALUE_RATIO = 2  # section 3.2.4: C_qk = 0.5 C_v


class PositionEmbedding(nn.Module):
    """r of equation 6: learnt at ``POSITIONS`` places, stretched linearly to the axis' length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, channels, POSITIONS))

    def forward(self, length: int) -> Tensor:
        """Returns 1 h*d N, for an axis of N = ``length`` tokens."""
        return F.interpolate(self.table, size=length, mode="linear", align_corners=False)


class AxisAttention(nn.Module):
    """One of the two sums of equation 6: attention among the N squeezed tokens of one axis.

    Without ``positions`` it is a sum of equation 5 (table 12's comparison).
    """

    def __init__(self, heads: int, key_dim: int, *, positions: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.scale = float(key_dim**-0.5)
        self.q_position = PositionEmbedding(heads * key_dim) if positions else None
        self.k_position = PositionEmbedding(heads * key_dim) if positions else None
        self.encode = ConvBN(heads * key_dim * VALUE_RATIO, heads * key_dim * VALUE_RATIO)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k: B h*d N and v: B h*2d N, as squeezed by equation 4. Returns B h*2d N 1."""
        batch, _, tokens = q.shape
        if self.q_position is not None and self.k_position is not None:
            q = q + self.q_position(tokens)  # B h*d N
            k = k + self.k_position(tokens)  # B h*d N
        q = q.reshape(batch, self.heads, -1, tokens).transpose(2, 3)  # B h N d
        k = k.reshape(batch, self.heads, -1, tokens)  # B h d N
        v = v.reshape(batch, self.heads, -1, tokens).transpose(2, 3)  # B h N 2d
        weights = torch.softmax(q @ k * self.scale, dim=-1)  # B h N N
        y = (weights @ v).transpose(2, 3)  # B h 2d N
        y = y.reshape(batch, -1, tokens, 1)  # B h*2d N 1
        encoded: Tensor = self.encode(F.relu6(y))  # B h*2d N 1
        return encoded


class DetailEnhancement(nn.Module):
    """Detail enhancement kernel (section 3.2.3): local detail from q, k and v."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.depthwise = ConvBN(channels_in, channels_in, 3, groups=channels_in)
        self.project = ConvBN(channels_in, channels)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k: B h*d H W and v: B h*2d H W, without positions. Returns B C H W."""
        qkv = torch.cat([q, k, v], dim=1)  # B h*4d H W
        detail: Tensor = self.project(F.relu6(self.depthwise(qkv)))  # B C H W
        return detail


class SeaAttention(nn.Module):
    """Squeeze-enhanced axial attention: B C H W in, B C H W out, for any H and W."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        qk_channels = heads * key_dim
        v_channels = qk_channels * VALUE_RATIO
        self.to_q = ConvBN(channels, qk_channels)
        self.to_k = ConvBN(channels, qk_channels)
        self.to_v = ConvBN(channels, v_channels)
        self.rows = AxisAttention(heads, key_dim)
        self.columns = AxisAttention(heads, key_dim)
        self.project = ConvBN(v_channels, channels)
        self.detail = DetailEnhancement(2 * qk_channels + v_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_q(x), self.to_k(x), self.to_v(x)  # B h*d H W, B h*d H W, B h*2d H W

        # Equation 4, the squeeze, with equal weights (adaptive ones are SeaFormer++): a row is
        # the mean over its W places, (h) in the paper; a column that over its H places, (v).
        row_q, row_k, row_v = q.mean(3), k.mean(3), v.mean(3)  # B h*d H, B h*d H, B h*2d H
        col_q, col_k, col_v = q.mean(2), k.mean(2), v.mean(2)  # B h*d W, B h*d W, B h*2d W

        # Equation 5, with the position embeddings of equation 6; each sum is broadcast back.
        y_rows = self.rows(row_q, row_k, row_v)  # B h*2d H 1
        y_columns = self.columns(col_q, col_k, col_v).transpose(2, 3)  # B h*2d 1 W
        y = y_rows + y_columns + v  # B h*2d H W

        # Section 3.2.3: the axial result gates the detail, mode "multiplication".
        gate = F.hardsigmoid(self.project(F.relu6(y)))  # B C H W
        out: Tensor = gate * self.detail(q, k, v)  # B C H W
        return out
