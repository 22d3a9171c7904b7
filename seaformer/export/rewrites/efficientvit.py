"""EfficientViT as XNNPACK takes it whole, and in half precision.

- XNNPACK has no bicubic resize. For a known size it is a matrix product per axis.
- Attention sums up k and v over all places: in halves the sums overflow on large maps. Powers of
  two, which change no digit, go into the weights that make k and v, so that sums become means. The
  epsilon of the division, which is 0 as a half, becomes one that a half can hold.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes
from seaformer.models.efficientvit import Enlarged, MultiScaleAttention

HALF_EPS = 1e-6  # 16 of the smallest steps of a half


class MatrixResize(nn.Module):
    """``Enlarged`` between two sizes, as a matrix product per axis."""

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, int], larger: tuple[int, int]) -> None:
        super().__init__()
        self.register_buffer("rows", cubic_weights(size[0], larger[0]))  # H h
        self.register_buffer("columns", cubic_weights(size[1], larger[1]))  # W w

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """1 C h w and 1 C' H W to 1 C H W."""
        x = F.linear(x, self.columns)  # 1 C h W
        return F.linear(x.transpose(2, 3), self.rows).transpose(2, 3)


def cubic_weights(places: int, larger: int) -> Tensor:
    """larger x places: what each place weighs in each place of the larger map."""
    ones = torch.eye(places, dtype=torch.float64).reshape(1, places, 1, places)
    resized = F.interpolate(ones, size=(1, larger), mode="bicubic", align_corners=False)
    return resized.reshape(places, larger).T.contiguous()


class HalfAttention(MultiScaleAttention):
    """``MultiScaleAttention`` whose sums over the places of a known map are means."""

    def __init__(self, source: MultiScaleAttention, shape: tuple[int, ...]) -> None:
        key = source.attend.key
        super().__init__(source.project.conv.out_channels, key)
        self.gather, self.mix, self.project = source.gather, source.mix, source.project
        steps = math.ceil(math.log2(shape[-2] * shape[-1]))
        of_k, of_v = 2.0 ** -(steps // 2), 2.0 ** -(steps - steps // 2)
        factors = torch.tensor([1.0, of_k, of_v]).repeat_interleave(key)
        weight = source.to_qkv.weight.detach()
        factors = factors.repeat(len(weight) // len(factors)).to(weight)
        self.to_qkv.weight = nn.Parameter(weight * factors.reshape(-1, 1, 1, 1))
        self.attend = type(source.attend)(key, one=of_v, eps=HALF_EPS)


def _resize(_: Enlarged, shapes: Shapes) -> nn.Module:
    small, large = shapes[0], shapes[1]
    return MatrixResize((small[-2], small[-1]), (large[-2], large[-1]))


RULES = (
    Rule(
        "bicubic-resize",
        Enlarged,
        _resize,
        "XNNPACK has no bicubic resize; for a known size it is two products",
        delegates=("xnnpack",),
        sized=True,
    ),
    Rule(
        "half-linear-attention",
        MultiScaleAttention,
        lambda block, shapes: HalfAttention(block, shapes[0]),
        "In FP16 sums over all places overflow, and the epsilon of the division would be 0",
        dtypes=("float16",),
        sized=True,
    ),
)
