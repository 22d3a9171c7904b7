"""MobileViT, MobileViTv2 and EfficientNet of transformers as XNNPACK takes them whole.

- Attention of MobileViT multiplies 4-D batches, for which XNNPACK gets expands it does not take.
- MobileViTv2 cuts the map into patches by ``unfold`` and ``fold``; for patches that do not overlap
  both are a transposition. Its sum over patches is a matrix product with ones, its broadcast is
  left to the multiplication, and its group norm over everything is written with means that XNNPACK
  takes: over height and width, and over channels as a 1x1 convolution.
- The mean before the classifier keeps its axes; EfficientNet's is a pool with a window of 1280.

Of transformers 5.23. The library is not imported for networks that do not come from it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage
from seaformer.models._tokens import attend


class FixedAttention(nn.Module):
    """``MobileViTSelfAttention`` with 3-D products and the scale in q's weights."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.heads = source.num_attention_heads
        self.query, self.key, self.value = source.query, source.key, source.value
        with torch.no_grad():
            for tensor in (self.query.weight, self.query.bias):
                tensor.mul_(1 / math.sqrt(source.attention_head_size))

    def forward(self, x: Tensor) -> Tensor:
        """B N C to B N C."""
        return attend(self.query(x), self.key(x), self.value(x), self.heads)


class FixedLinearAttention(nn.Module):
    """``MobileViTV2LinearSelfAttention`` for maps of P places in each of N patches."""

    def __init__(self, source: Any, patches: int) -> None:
        super().__init__()
        widths = [1, source.embed_dim, source.embed_dim]
        self.query, self.key, self.value = _parts(source.qkv_proj.convolution, widths)
        self.out_proj = source.out_proj
        like = source.out_proj.convolution.weight
        self.ones = nn.Parameter(like.new_ones(1, patches), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """1 C P N to 1 C P N."""
        # executorch 1.5.1: softmax of a 4-D map with one channel gave wrong numbers.
        query = self.query(x).reshape(x.shape[2:])  # P N
        scores = torch.softmax(query, dim=-1).reshape(1, 1, *x.shape[2:])  # 1 1 P N
        context = F.linear(self.key(x) * scores, self.ones)  # 1 C P 1
        out: Tensor = self.out_proj(F.relu(self.value(x)) * context)
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
    """``GroupNorm`` of one group: over channels, height and width."""

    def __init__(self, source: nn.GroupNorm) -> None:
        super().__init__()
        channels = source.num_channels
        like = source.weight
        share = like.new_full((1, channels, 1, 1), 1 / channels)
        self.share = nn.Parameter(share, requires_grad=False)
        self.eps = nn.Parameter(like.new_full((1,), source.eps), requires_grad=False)
        self.weight = nn.Parameter(like.detach().reshape(1, -1, 1, 1))
        self.bias = nn.Parameter(source.bias.detach().reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """1 C P N to 1 C P N."""
        centred = x - F.conv2d(x.mean((2, 3), keepdim=True), self.share)
        squares = (centred * centred).mean((2, 3), keepdim=True)  # 1 C 1 1
        scale = torch.rsqrt(F.conv2d(squares, self.share, self.eps))  # 1 1 1 1
        return centred * scale * self.weight + self.bias


class FixedMobileViTV2Layer(nn.Module):
    """``MobileViTV2Layer`` for a map that its patches tile."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.downsampling_layer = source.downsampling_layer or nn.Identity()
        self.conv_kxk, self.conv_1x1 = source.conv_kxk, source.conv_1x1
        self.transformer, self.layernorm = source.transformer, source.layernorm
        self.conv_projection = source.conv_projection
        self.patch = (source.patch_height, source.patch_width)

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C' H/s W/s."""
        x = self.conv_1x1(self.conv_kxk(self.downsampling_layer(x)))  # 1 C' H W
        _, channels, height, width = x.shape
        (a, b), rows, columns = self.patch, height // self.patch[0], width // self.patch[1]
        cut = x.reshape(channels, rows, a, columns, b).permute(0, 2, 4, 1, 3)  # C' a b H/a W/b
        patches = cut.reshape(1, channels, a * b, rows * columns)  # 1 C' P N
        patches = self.layernorm(self.transformer(patches))
        cut = patches.reshape(channels, a, b, rows, columns).permute(0, 3, 1, 4, 2)
        out: Tensor = self.conv_projection(cut.reshape(1, channels, height, width))
        return out


class PooledClassifier(nn.Module):
    """MobileViT's and MobileViTv2's classifiers, with a mean that keeps its axes."""

    def __init__(self, source: Any, body: Any) -> None:
        super().__init__()
        self.stem, self.layers = body.conv_stem, body.encoder.layer
        self.expand = getattr(body, "conv_1x1_exp", nn.Identity())
        self.classifier = source.classifier

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """1 3 H W to logits 1 classes."""
        x = self.stem(image)
        for layer in self.layers:
            x = layer(x)
        pooled = self.expand(x).mean((2, 3), keepdim=True).flatten(1)  # 1 C
        return (self.classifier(pooled),)


class WholePool(nn.Module):
    """An ``AvgPool2d`` whose window covers the map, rounded up: EfficientNet's, as a plain mean."""

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C 1 1."""
        return x.mean((2, 3), keepdim=True)


def _pool(source: nn.AvgPool2d, shapes: Shapes) -> nn.Module:
    height, width = shapes[0][-2:]
    window = source.kernel_size
    covers = isinstance(window, int) and window >= max(height, width) and source.ceil_mode
    return WholePool() if covers else source


def _map_norm(source: nn.GroupNorm, _: Shapes) -> nn.Module:
    return MapNorm(source) if source.num_groups == 1 and source.affine else source


RULES = (
    Rule(
        "mobilevit-attention",
        "transformers.MobileViTSelfAttention",
        lambda block, _: FixedAttention(block),
        "XNNPACK multiplies 3-D batches only",
        delegates=("xnnpack",),
    ),
    Rule(
        "mobilevitv2-attention",
        "transformers.MobileViTV2LinearSelfAttention",
        lambda block, shapes: FixedLinearAttention(block, shapes[0][-1]),
        "XNNPACK has no split and no sum; its softmax of one channel gave wrong numbers",
        delegates=("xnnpack",),
        sized=True,
    ),
    Rule(
        "mobilevitv2-patches",
        "transformers.MobileViTV2Layer",
        lambda block, _: FixedMobileViTV2Layer(block),
        "ONNX has no fold at opset 17 and XNNPACK no unfold; patches are a transposition",
    ),
    Rule(
        "mobilevit-pool",
        "transformers.MobileViTForImageClassification",
        lambda block, _: PooledClassifier(block, block.mobilevit),
        "XNNPACK averages a map only where the result keeps its axes",
        delegates=("xnnpack",),
    ),
    Rule(
        "mobilevitv2-pool",
        "transformers.MobileViTV2ForImageClassification",
        lambda block, _: PooledClassifier(block, block.mobilevitv2),
        "XNNPACK averages a map only where the result keeps its axes",
        delegates=("xnnpack",),
    ),
    Rule(
        "group-norm",
        nn.GroupNorm,
        _map_norm,
        "XNNPACK has no group norm; over one group its means are a mean and a convolution",
        stage=Stage.LAYER,
        delegates=("xnnpack",),
    ),
    Rule(
        "whole-pool",
        nn.AvgPool2d,
        _pool,
        "A pool whose window covers the map, as EfficientNet's, is a mean",
        stage=Stage.LAYER,
        delegates=("xnnpack",),
        sized=True,
    ),
)
