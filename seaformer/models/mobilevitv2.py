"""MobileViTv2: MobileViT with separable attention, whose cost grows with the places, not squared.

Source: Mehta and Rastegari, "Separable Self-attention for Mobile Vision Transformers" (2022),
figure 3 and appendix A, under the weights' names of the transformers library. A map that patches
do not tile is resized, as in Apple's implementation and in MobileViT; the library cuts its border
off and has zeros there instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN
from seaformer.models._heads import Classifier as Head
from seaformer.models._mobilenet import Classifier, divisible
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models.mobilevit import (
    PATCH,
    InvertedResidual,
    names,
    residuals,
    tiled,
    untiled,
)

STEM_CHANNELS, STEM_RANGE = 32, (16, 64)
CHANNELS = (64, 128, 256, 384, 512)  # of the five stages at width 1
TOKEN_CHANNELS = (128, 192, 256)
DEPTHS = (2, 4, 3)
PLAIN_BLOCKS = (1, 2)
EXPANSION = MLP_RATIO = 2


@dataclass(frozen=True)
class MobileViTV2Row:
    """One network: all widths in percent."""

    width: int

    def channels(self, channels: int, by: int = 8) -> int:
        """Channels at this width."""
        return divisible(channels * self.width / 100, by)

    def stem(self) -> int:
        """Channels of the stem, which has bounds."""
        low, high = STEM_RANGE
        return max(low, divisible(min(high, max(low, STEM_CHANNELS * self.width / 100))))


class LinearAttention(nn.Module):
    """Separable attention: one context vector for each position in a patch, of all patches."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.to_qkv = nn.Conv2d(channels, 1 + 2 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C P N to the same: P places in each of N patches."""
        query, key, value = torch.split(self.to_qkv(x), [1, self.channels, self.channels], dim=1)
        scores = torch.softmax(query, dim=-1)  # B 1 P N
        context = (key * scores).sum(dim=-1, keepdim=True)  # B C P 1
        y: Tensor = self.project(F.relu(value) * context)
        return y


class Layer(nn.Module):
    """Attention and feed-forward network, each behind a norm of everything, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels)
        self.attention = LinearAttention(channels)
        self.norm2 = nn.GroupNorm(1, channels)
        hidden = MLP_RATIO * channels // 16 * 16
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.act = nn.SiLU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C P N to the same."""
        x = x + self.attention(self.norm1(x))
        y: Tensor = self.fc2(self.act(self.fc1(self.norm2(x))))
        return x + y


def to_patches(x: Tensor) -> Tensor:
    """B C H W to B C 4 N: N patches of 2x2 places."""
    batch, channels, height, width = x.shape
    rows, columns = height // PATCH, width // PATCH
    x = x.reshape(batch * channels * rows, PATCH, columns, PATCH).transpose(1, 2)
    return x.reshape(batch, channels, rows * columns, PATCH * PATCH).transpose(2, 3)


def to_map(x: Tensor, height: int, width: int) -> Tensor:
    """``to_patches`` undone: B C 4 N to B C H W."""
    batch, channels = x.shape[:2]
    rows, columns = height // PATCH, width // PATCH
    x = x.transpose(2, 3).reshape(batch * channels * rows, columns, PATCH, PATCH)
    return x.transpose(1, 2).reshape(batch, channels, height, width)


class Block(nn.Module):
    """The MobileViTv2 block behind an inverted residual with stride 2."""

    def __init__(self, channels_in: int, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.halve = InvertedResidual(channels_in, channels, 2, EXPANSION)
        self.act = nn.SiLU()
        self.local = ConvBN(channels, channels, 3, 1, channels)
        self.widen = nn.Conv2d(channels, width, 1, bias=False)
        self.layers = nn.Sequential(*(Layer(width) for _ in range(depth)))
        self.norm = nn.GroupNorm(1, width)
        self.narrow = ConvBN(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        x = self.halve(x)
        height, width = x.shape[-2:]
        local = tiled(self.widen(self.act(self.local(x))))
        patches = self.norm(self.layers(to_patches(local)))
        y: Tensor = self.narrow(untiled(to_map(patches, *local.shape[-2:]), height, width))
        return y


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: MobileViTV2Row) -> None:
        super().__init__()
        first = row.channels(CHANNELS[0], 16)
        w = (row.stem(), first, *(row.channels(count) for count in CHANNELS[1:]))
        self.act = nn.SiLU()
        self.stem = ConvBN(3, w[0], 3, 2)
        self.plain = nn.ModuleList(
            residuals(w[i], w[i + 1], i + 1, count, EXPANSION)
            for i, count in enumerate(PLAIN_BLOCKS)
        )
        self.blocks = nn.ModuleList(
            Block(w[i + 2], w[i + 3], row.channels(inside), depth)
            for i, (inside, depth) in enumerate(zip(TOKEN_CHANNELS, DEPTHS, strict=True))
        )
        self.channels = w[-1]

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x: Tensor = self.act(self.stem(image))
        for stage in (*self.plain, *self.blocks):
            x = stage(x)
        return x


class MobileViTV2(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone
    DAMPED = ("attention.project",)

    def __init__(self, row: MobileViTV2Row, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = Head(self.backbone.channels, classes)


# Names of weights: ours to the transformers library's ------------------------------------------

_LAYER = {
    "norm1": "layernorm_before",
    "attention.to_qkv": "attention.qkv_proj.convolution",
    "attention.project": "attention.out_proj.convolution",
    "norm2": "layernorm_after",
    "fc1": "ffn.conv1.convolution",
    "fc2": "ffn.conv2.convolution",
}
_BLOCK = {
    "local": "conv_kxk",
    "widen": "conv_1x1.convolution",
    "norm": "layernorm",
    "narrow": "conv_projection",
}


def official_keys(network: MobileViTV2) -> dict[str, str]:
    """Our state-dict key -> the library's, for every key."""
    prefixes = names(network.backbone, "mobilevitv2", _BLOCK, _LAYER)
    return renamed(network, prefixes, conv="convolution", bn="normalization")


# Rows -----------------------------------------------------------------------------------------

ROWS = {"050": MobileViTV2Row(50), "075": MobileViTV2Row(75), "100": MobileViTV2Row(100)}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = {"model": f"MobileViTv2-{size[0]}.{size[1:]}"}
        published = PaperLine("imagenet", line, "top-1", "top1")
        yield spec("mobilevitv2", size, "imagenet_256", 32, published)


def build(spec: ModelSpec, **fields: object) -> MobileViTV2:
    """The network of ``spec``; ``fields`` of ``MobileViTV2Row`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("mobilevitv2_")
    return MobileViTV2(replaced(ROWS[size], fields), spec.classes)
