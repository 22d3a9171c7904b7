"""Attention among tokens in the form that pnnx converts to what it computes.

ncnn has no axis of images. pnnx guesses which axis of a tensor is that one, and takes the heads of
a 3-D product for it: ncnn then computes image by image, and what is added to the scores, a constant
with the heads in its channels, or a product with tokens that are a constant themselves, meets one
head at most. Where it takes them for images, reshapes go value by value: 800 instructions for each.
With an axis of one image in front, the heads are channels everywhere.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._fold import take_parts
from seaformer.export.rewrites._rule import Rule
from seaformer.models._tokens import Attend, to_map, to_tokens
from seaformer.models.efficientformerv2 import HEADS, Attention
from seaformer.models.efficientvit import LinearAttention
from seaformer.models.lvt import Largest
from seaformer.models.topformer import TokenAttention

_ENGINE = "ncnn"


class MatrixAttend(nn.Module):
    """``Attend`` for one image, with 4-D products."""

    def __init__(self, source: Attend) -> None:
        super().__init__()
        self.heads = source.heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        """1 N C, 1 M C and 1 M C' to 1 N C'; q scaled already, ``bias`` heads N M."""
        q, k, v = (_by_head(x, self.heads) for x in (q, k, v))  # 1 h N d, 1 h M d, 1 h M d'
        scores = q @ k.transpose(2, 3)  # 1 h N M
        if bias is not None:
            scores = scores + bias[None]
        y = torch.softmax(scores, dim=-1) @ v  # 1 h N d'
        return y.transpose(1, 2).reshape(1, y.shape[2], -1)


class MatrixTokenAttention(TokenAttention):
    """``TokenAttention`` for one image, with 4-D products."""

    def __init__(self, source: TokenAttention) -> None:
        take_parts(self, source)
        self.key_dim = source.key_dim

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        _, _, height, width = x.shape
        tokens = height * width
        q = self.to_q(x).reshape(1, -1, self.key_dim, tokens)  # 1 h d N
        k = self.to_k(x).reshape(1, -1, self.key_dim, tokens)  # 1 h d N
        v = self.to_v(x).reshape(1, q.shape[1], -1, tokens)  # 1 h 2d N
        weights = torch.softmax(q.transpose(2, 3) @ k, dim=-1)  # 1 h N N
        y = (v @ weights.transpose(2, 3)).reshape(1, -1, height, width)  # 1 h*2d H W
        out: Tensor = self.project(F.relu6(y))
        return out


class MatrixLinearAttention(LinearAttention):
    """``LinearAttention`` for one image, with 4-D products."""

    def forward(self, qkv: Tensor) -> Tensor:
        """1 3*h*d H W to 1 h*d H W."""
        _, channels, height, width = qkv.shape
        heads = qkv.reshape(1, -1, 3 * self.key, height * width)  # 1 h 3d N
        q, k, v = torch.split(heads, self.key, dim=2)  # 1 h d N each
        v = F.pad(v, (0, 0, 0, 1), value=self.one)  # 1 h d+1 N
        kept = v @ F.relu(k).transpose(2, 3)  # 1 h d+1 d
        sums, weights = torch.split(kept @ F.relu(q), [self.key, 1], dim=2)  # 1 h d N, 1 h 1 N
        return (sums / (weights + self.eps)).reshape(1, channels // 3, height, width)


class MatrixMixing(Attention):
    """``Attention`` of EfficientFormerV2 for one image, with 4-D products."""

    def __init__(self, source: Attention) -> None:
        take_parts(self, source)
        self.scale = source.scale
        self.halve = source.halve

    def _attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        height, width = q.shape[-2:]
        offsets = self.offsets(k, q)[None]  # 1 h N N
        q, k, v = (_by_head(to_tokens(each), HEADS) for each in (q * self.scale, k, v))
        mixed = self.mix_scores(q @ k.transpose(2, 3) + offsets)  # 1 h N N
        y = (self.mix_weights(torch.softmax(mixed, dim=-1)) @ v).transpose(1, 2)  # 1 N h d
        return to_map(y.reshape(1, height * width, -1), height, width)


class MatrixLargest(nn.Module):
    """``Largest`` as a maximum: pnnx leaves a pool whose window depends on its input."""

    def forward(self, x: Tensor) -> Tensor:
        """B N C to B C."""
        return x.amax(dim=1)


def _by_head(x: Tensor, heads: int) -> Tensor:
    """1 N C to 1 h N d."""
    return x.reshape(1, x.shape[1], heads, -1).transpose(1, 2)


RULES = (
    Rule(
        "ncnn-attend",
        Attend,
        lambda block, _: MatrixAttend(block),
        "pnnx takes the heads of a 3-D product for images; behind an axis of one they are channels",
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-token-attention",
        TokenAttention,
        lambda block, _: MatrixTokenAttention(block),
        "As ncnn-attend: with heads as images every reshape goes value by value",
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-linear-attention",
        LinearAttention,
        lambda block, _: MatrixLinearAttention(block.key, one=block.one, eps=block.eps),
        "As ncnn-token-attention: heads are channels, not images",
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-mixed-heads",
        Attention,
        lambda block, _: MatrixMixing(block),
        "As ncnn-attend; layers over the heads are between the products",
        engines=(_ENGINE,),
    ),
    Rule(
        "ncnn-largest",
        Largest,
        lambda block, _: MatrixLargest(),
        "pnnx leaves a pool whose window depends on its input",
        engines=(_ENGINE,),
    ),
)
