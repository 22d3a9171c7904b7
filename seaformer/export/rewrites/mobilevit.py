"""MobileViT and MobileViTv2 as XNNPACK takes them whole.

- The scale of attention goes into the weights that make q.
- MobileViTv2's sum over patches is a matrix product with ones, its q, k and v come from
  convolutions of their own.
- Group norms (SegNeXt has them too) are written with means that XNNPACK takes: over height and
  width, and over the channels of a group as a 1x1 convolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage
from seaformer.models._tokens import attend
from seaformer.models.mobilevit import Attention
from seaformer.models.mobilevitv2 import LinearAttention


class FixedAttention(nn.Module):
    """``Attention`` with the scale in q's weights."""

    def __init__(self, source: Attention) -> None:
        super().__init__()
        self.heads, self.project = source.heads, source.project
        self.to_q, self.to_k, self.to_v = source.to_q, source.to_k, source.to_v
        with torch.no_grad():
            for tensor in (self.to_q.weight, self.to_q.bias):
                tensor.mul_(source.scale)

    def forward(self, x: Tensor) -> Tensor:
        """B N C to B N C."""
        y: Tensor = self.project(attend(self.to_q(x), self.to_k(x), self.to_v(x), self.heads))
        return y


class FixedLinearAttention(nn.Module):
    """``LinearAttention`` for maps of P places in each of N patches."""

    def __init__(self, source: LinearAttention, patches: int) -> None:
        super().__init__()
        widths = [1, source.channels, source.channels]
        self.query, self.key, self.value = _parts(source.to_qkv, widths)
        self.project = source.project
        like = source.project.weight
        self.ones = nn.Parameter(like.new_ones(1, patches), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """1 C P N to 1 C P N."""
        # executorch 1.5.1: softmax of a 4-D map with one channel gave wrong numbers.
        query = self.query(x).reshape(x.shape[2:])  # P N
        scores = torch.softmax(query, dim=-1).reshape(1, 1, *x.shape[2:])  # 1 1 P N
        context = F.linear(self.key(x) * scores, self.ones)  # 1 C P 1
        out: Tensor = self.project(F.relu(self.value(x)) * context)
        return out


def _parts(convolution: nn.Conv2d, widths: list[int]) -> list[nn.Conv2d]:
    """A 1x1 convolution as several, outputs in order."""
    weights = torch.split(convolution.weight.detach(), widths)
    assert convolution.bias is not None
    biases = torch.split(convolution.bias.detach(), widths)
    parts = []
    for weight, bias in zip(weights, biases, strict=True):
        part = nn.Conv2d(weight.shape[1], weight.shape[0], 1, dtype=weight.dtype)
        part.weight, part.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
        parts.append(part)
    return parts


class MapNorm(nn.Module):
    """``GroupNorm``: over the channels of each group, height and width."""

    def __init__(self, source: nn.GroupNorm) -> None:
        super().__init__()
        like = source.weight
        share = _shares(source.num_channels, source.num_groups).to(like)
        self.share = nn.Parameter(share, requires_grad=False)
        self.eps = nn.Parameter(like.new_full(share.shape[:1], source.eps), requires_grad=False)
        self.weight = nn.Parameter(like.detach().reshape(1, -1, 1, 1))
        self.bias = nn.Parameter(source.bias.detach().reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """1 C P N to 1 C P N."""
        centred = x - F.conv2d(x.mean((2, 3), keepdim=True), self.share)
        squares = (centred * centred).mean((2, 3), keepdim=True)  # 1 C 1 1
        scale = torch.rsqrt(F.conv2d(squares, self.share, self.eps))  # 1 1 1 1, or 1 C 1 1
        return centred * scale * self.weight + self.bias


def _shares(channels: int, groups: int) -> Tensor:
    """What each channel weighs in the mean of the only group, or of each channel's group."""
    group = torch.arange(channels) // (channels // groups)
    same = group[:, None] == group if groups > 1 else torch.ones(1, channels)
    return same.double()[..., None, None] * groups / channels


def _map_norm(source: nn.GroupNorm, _: Shapes) -> nn.Module:
    return MapNorm(source) if source.affine else source


RULES = (
    Rule(
        "mobilevit-attention",
        Attention,
        lambda block, _: FixedAttention(block),
        "The scale of attention is in q's weights: one multiplication less for each token",
    ),
    Rule(
        "mobilevitv2-attention",
        LinearAttention,
        lambda block, shapes: FixedLinearAttention(block, shapes[0][-1]),
        "XNNPACK has no split and no sum; its softmax of one channel gave wrong numbers",
        delegates=("xnnpack",),
        sized=True,
    ),
    Rule(
        "group-norm",
        nn.GroupNorm,
        _map_norm,
        "XNNPACK has no group norm; its means are a mean and a convolution",
        stage=Stage.LAYER,
        delegates=("xnnpack",),
    ),
)
