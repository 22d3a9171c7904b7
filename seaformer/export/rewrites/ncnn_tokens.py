"""Attention among tokens in the form that pnnx converts to what it computes.

ncnn has no axis of images. pnnx guesses which axis of a tensor is that one, and takes the heads of
a 3-D product for it: ncnn then computes image by image, and what is added to the scores, a constant
with the heads in its channels, or a product with tokens that are a constant themselves, meets one
head at most. With an axis of one image in front, the heads are channels everywhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule
from seaformer.models._tokens import Attend, to_map, to_tokens
from seaformer.models.efficientformerv2 import HEADS, Attention
from seaformer.models.lvt import Largest

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


class MatrixMixing(Attention):
    """``Attention`` of EfficientFormerV2 for one image, with 4-D products."""

    def __init__(self, source: Attention) -> None:
        nn.Module.__init__(self)
        self.scale = source.scale
        for name, part in source.named_children():
            self.add_module(name, part)
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
