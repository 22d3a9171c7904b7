"""The attention of others on SeaFormer's own design: table 9 of the SeaFormer++ paper.

Convolution, local (windows of 4x4, as the paper has it), axial (Ho et al. 2019), global, ACmix
(Pan et al. 2022) and MixFormer (Chen et al. 2022), written from those papers. All: B C H W in,
B C H W out. The result passes ReLU6 and a 1x1 convolution with batch norm, as SeaFormer's does;
none has a position embedding. Products are 3-D, which every runtime here delegates.

"We adjust the channels when applying different attention modules to keep the FLOPs aligned": how
is not given, so rows (``seaformer_ablations.py``) choose key widths that meet the FLOPs.

Shapes: B batch, C channels, H W height and width, h heads, d key width, 2d value width of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN
from seaformer.models._sea_attention import VALUE_RATIO

WINDOW = 4
_OUTSIDE = -1e4  # added to a score of a place beyond the map's edge


class Qkv(nn.Module):
    """Queries, keys and values of every place, by 1x1 convolutions."""

    def __init__(self, channels: int, heads: int, key_dim: int, value_dim: int) -> None:
        super().__init__()
        self.scale = float(key_dim**-0.5)
        self.to_q = ConvBN(channels, heads * key_dim)
        self.to_k = ConvBN(channels, heads * key_dim)
        self.to_v = ConvBN(channels, heads * value_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """B C H W to B h*d H W, scaled, B h*d H W and B h*v H W."""
        return self.to_q(x) * self.scale, self.to_k(x), self.to_v(x)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T + bias) v for groups of tokens: G T d, G T d, G T v to G T v."""
    scores = torch.bmm(q, k.transpose(1, 2))  # G T T
    if bias is not None:
        scores = scores + bias
    return torch.bmm(torch.softmax(scores, dim=-1), v)


class ConvAttention(nn.Module):
    """No attention: 1x1, depthwise 3x3, 1x1; as wide inside as q, k and v together."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        width = heads * key_dim * (2 + VALUE_RATIO)
        self.embed = ConvBN(channels, width)
        self.depthwise = ConvBN(width, width, 3, groups=width)
        self.out = ConvBN(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.out(F.relu6(self.depthwise(self.embed(x))))  # B C H W
        return y


class GlobalAttention(nn.Module):
    """Equation 1: every place attends to every other."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Qkv(channels, heads, key_dim, key_dim * VALUE_RATIO)
        self.out = ConvBN(heads * key_dim * VALUE_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        q, k, v = (self._tokens(t) for t in self.qkv(x))  # B*h H*W d, B*h H*W d, B*h H*W 2d
        y = attend(q, k, v).transpose(1, 2).reshape(batch, -1, height, width)  # B h*2d H W
        out: Tensor = self.out(F.relu6(y))
        return out

    def _tokens(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = x.reshape(batch * self.heads, channels // self.heads, height * width)
        return x.transpose(1, 2)


class StripAttention(nn.Module):
    """Attention among the places of each row, or of each column, with its own projection."""

    def __init__(self, channels: int, heads: int, key_dim: int, *, rows: bool) -> None:
        super().__init__()
        self.heads = heads
        self.order = (0, 2, 3, 1) if rows else (0, 3, 2, 1)
        self.qkv = Qkv(channels, heads, key_dim, key_dim * VALUE_RATIO)
        self.out = ConvBN(heads * key_dim * VALUE_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        q, k, v = (self._strips(t) for t in self.qkv(x))  # B*h*H W d for rows, B*h*W H d
        y = attend(q, k, v)
        lines, tokens = (height, width) if self.order[1] == 2 else (width, height)
        y = y.reshape(batch * self.heads, lines, tokens, -1)
        back = (0, 3, 1, 2) if self.order[1] == 2 else (0, 3, 2, 1)
        y = y.permute(back).reshape(batch, -1, height, width)  # B h*2d H W
        out: Tensor = self.out(F.relu6(y))
        return out

    def _strips(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = x.reshape(batch * self.heads, channels // self.heads, height, width)
        strips = x.permute(self.order)  # B*h lines tokens d
        return strips.reshape(-1, strips.shape[2], strips.shape[3])


class AxialAttention(nn.Module):
    """A module for the rows, then one for the columns: "stacks a horizontal and a vertical axial
    attention module" (section 2.2)."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.rows = StripAttention(channels, heads, key_dim, rows=True)
        self.columns = StripAttention(channels, heads, key_dim, rows=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.columns(x + self.rows(x))  # B C H W
        return y


class Windows(nn.Module):
    """Attention among the places of each window; maps that do not divide are padded at the end."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k: B h*d H W and v: B h*v H W to B h*v H W."""
        batch, _, height, width = v.shape
        sides, pad = self._tiling(height, width)
        bias = None
        if any(pad):
            bias = self.outside(v)
            q, k, v = (F.pad(t, pad) for t in (q, k, v))
        full = v.shape[2:]
        q, k, v = (self._split(t, self.heads, sides) for t in (q, k, v))  # B*h*n T d
        y = attend(q, k, v, bias)  # B*h*n T v
        counts = (full[0] // sides[0], full[1] // sides[1])
        y = y.reshape(batch * self.heads, *counts, *sides, -1).permute(0, 5, 1, 3, 2, 4)
        y = y.reshape(batch, -1, *full)  # B h*v H' W'
        return y[:, :, :height, :width] if any(pad) else y  # B h*v H W

    def outside(self, v: Tensor) -> Tensor:
        """What is added to the scores of places beyond the edge: B*h*n 1 T for v, B h*v H W."""
        sides, pad = self._tiling(*v.shape[2:])
        inside = F.pad(torch.ones_like(v[:1, :1]), pad)  # 1 1 H' W'
        bias = (1 - self._split(inside, 1, sides)).transpose(1, 2) * _OUTSIDE  # n 1 T
        return bias.repeat(v.shape[0] * self.heads, 1, 1)

    @staticmethod
    def _tiling(height: int, width: int) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
        """The sides of a window, and the places to add behind so that windows tile the map."""
        sides = (min(WINDOW, height), min(WINDOW, width))
        return sides, (0, -width % sides[1], 0, -height % sides[0])

    @staticmethod
    def _split(x: Tensor, heads: int, sides: tuple[int, int]) -> Tensor:
        """B h*d H W to B*h*n T d, with n windows of T places."""
        batch, channels, height, width = x.shape
        rows, columns = height // sides[0], width // sides[1]
        x = x.reshape(batch * heads, channels // heads, rows, sides[0], columns, sides[1])
        x = x.permute(0, 2, 4, 3, 5, 1)  # B*h rows columns side side d
        return x.reshape(-1, sides[0] * sides[1], channels // heads)


class LocalAttention(nn.Module):
    """Equation 2: attention within windows of 4x4."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.qkv = Qkv(channels, heads, key_dim, key_dim * VALUE_RATIO)
        self.windows = Windows(heads)
        self.out = ConvBN(heads * key_dim * VALUE_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(F.relu6(self.windows(*self.qkv(x))))  # B C H W
        return out


class ACmix(nn.Module):
    """Local attention and a 3x3 convolution out of the same q, k and v, added by learnt weights.

    The convolution's part mixes the 3h maps of each head channel into 9 and gathers these from
    the nine neighbours; ACmix shifts by a grouped convolution, and so is it here.
    """

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        width = key_dim * VALUE_RATIO
        self.heads, self.width = heads, width
        self.qkv = Qkv(channels, heads, width, width)
        self.windows = Windows(heads)
        self.mix = nn.Conv2d(3 * heads, 9, 1, bias=False)
        self.shift = nn.Conv2d(9 * width, heads * width, 3, padding=1, groups=width)
        self.attention_rate = nn.Parameter(torch.ones(1, 1, 1, 1))
        self.convolution_rate = nn.Parameter(torch.ones(1, 1, 1, 1))
        self.out = ConvBN(heads * width, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        q, k, v = self.qkv(x)  # B h*v H W each
        stacked = torch.cat([q, k, v], dim=1).reshape(batch, 3 * self.heads, self.width, -1)
        mixed = self.mix(stacked).transpose(1, 2)  # B v 9 H*W
        local = self.shift(mixed.reshape(batch, -1, height, width))  # B v*h H W
        attended = self.windows(q, k, v)  # B h*v H W
        y = self.attention_rate * attended + self.convolution_rate * local  # B h*v H W
        out: Tensor = self.out(F.relu6(y))
        return out


class MixFormer(nn.Module):
    """Windows and a depthwise 3x3 side by side, each weighting what the other weigh.

    The convolution's channel means weigh v; a map made of attention's result weighs the
    convolution's places. Both are concatenated. MixFormer's GELU is ReLU6 here, as in all layers.
    """

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        width = heads * key_dim * VALUE_RATIO
        self.qkv = Qkv(channels, heads, key_dim, key_dim * VALUE_RATIO)
        self.windows = Windows(heads)
        self.embed = ConvBN(channels, channels)
        self.depthwise = ConvBN(channels, channels, 3, groups=channels)
        self.channel_in = ConvBN(channels, channels // 8)
        self.channel_out = nn.Conv2d(channels // 8, width, 1)
        self.spatial_in = ConvBN(width, channels // 8)
        self.spatial_out = nn.Conv2d(channels // 8, 1, 1)
        self.out = ConvBN(width + channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)  # B h*d H W, B h*d H W, B h*2d H W
        local = self.depthwise(self.embed(x))  # B C H W
        pooled = local.mean((2, 3), keepdim=True)  # B C 1 1
        by_channel = torch.sigmoid(self.channel_out(F.relu6(self.channel_in(pooled))))  # B h*2d 1 1
        attended = self.windows(q, k, v * by_channel)  # B h*2d H W
        by_place = torch.sigmoid(self.spatial_out(F.relu6(self.spatial_in(attended))))  # B 1 H W
        y = torch.cat([attended, local * by_place], dim=1)  # B h*2d+C H W
        out: Tensor = self.out(F.relu6(y))
        return out


KINDS: dict[str, type[nn.Module]] = {
    "conv": ConvAttention,
    "local": LocalAttention,
    "axial": AxialAttention,
    "global": GlobalAttention,
    "acmix": ACmix,
    "mixformer": MixFormer,
}
