"""MobileViT: classification by convolutions and, in three stages, transformers on patches.

Source: Mehta and Rastegari, "MobileViT: Light-weight, General-purpose, and Mobile-friendly Vision
Transformer" (ICLR 2022), figure 1 and table 4 (widths), under the weights' names of the
transformers library. Places at the same position of every 2x2 patch attend to one another; a map
that patches do not tile is resized for that and back. Its convolutions are shared with MobileViTv2.
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
from seaformer.models._tokens import attend

PATCH = 2
HEADS = 4
MLP_RATIO = 2
DEPTHS = (2, 4, 3)  # transformer layers of its three stages
PLAIN_BLOCKS = (1, 3)  # inverted residuals of the two stages before


@dataclass(frozen=True)
class MobileViTRow:
    """One network.

    ``widths`` are the channels of the stem, of the five stages and of the last convolution,
    ``token_widths`` those inside of the transformers, ``expansion`` that of inverted residuals.
    """

    widths: tuple[int, ...]
    token_widths: tuple[int, ...]
    expansion: int


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise 3x3, linear 1x1 project; SiLU after the first two."""

    def __init__(self, channels_in: int, channels: int, stride: int, expansion: float) -> None:
        super().__init__()
        hidden = divisible(round(channels_in * expansion))
        self.act = nn.SiLU()
        self.expand = ConvBN(channels_in, hidden)
        self.depthwise = ConvBN(hidden, hidden, 3, stride, hidden)
        self.project = ConvBN(hidden, channels)
        self.residual = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        y: Tensor = self.project(self.act(self.depthwise(self.act(self.expand(x)))))
        return x + y if self.residual else y


def residuals(
    channels_in: int, channels: int, stride: int, count: int, expansion: float
) -> nn.Sequential:
    """Inverted residuals, the first of them with the stride."""
    return nn.Sequential(
        *(
            InvertedResidual(
                channels if i else channels_in, channels, 1 if i else stride, expansion
            )
            for i in range(count)
        )
    )


def tiled(x: Tensor) -> Tensor:
    """A map at sides that patches tile: itself, or resized to the next of them."""
    height, width = (-(-side // PATCH) * PATCH for side in x.shape[-2:])
    if (height, width) == tuple(x.shape[-2:]):
        return x
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


def untiled(x: Tensor, height: int, width: int) -> Tensor:
    """``tiled`` undone."""
    if (height, width) == tuple(x.shape[-2:]):
        return x
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


class Attention(nn.Module):
    """Attention among the tokens of a batch: B N C to B N C."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads, self.scale = HEADS, float((channels // HEADS) ** -0.5)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B N C to B N C."""
        y = attend(self.to_q(x) * self.scale, self.to_k(x), self.to_v(x), self.heads)
        out: Tensor = self.project(y)
        return out


class Layer(nn.Module):
    """Attention and feed-forward network, each behind a norm and added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = Attention(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels * MLP_RATIO)
        self.act = nn.SiLU()
        self.fc2 = nn.Linear(channels * MLP_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B N C to B N C."""
        x = x + self.attention(self.norm1(x))
        y: Tensor = self.fc2(self.act(self.fc1(self.norm2(x))))
        return x + y


def to_patches(x: Tensor) -> Tensor:
    """B C H W to 4B N C: N patches, each of the four positions in them a batch of its own."""
    batch, channels, height, width = x.shape
    rows, columns = height // PATCH, width // PATCH
    x = x.reshape(batch * channels * rows, PATCH, columns, PATCH).transpose(1, 2)
    x = x.reshape(batch, channels, rows * columns, PATCH * PATCH).transpose(1, 3)  # B 4 N C
    return x.reshape(batch * PATCH * PATCH, rows * columns, channels)


def to_map(x: Tensor, height: int, width: int) -> Tensor:
    """``to_patches`` undone: 4B N C to B C H W."""
    batch, channels = x.shape[0] // PATCH**2, x.shape[-1]
    rows, columns = height // PATCH, width // PATCH
    x = x.reshape(batch, PATCH * PATCH, rows * columns, channels).transpose(1, 3)  # B C N 4
    x = x.reshape(batch * channels * rows, columns, PATCH, PATCH).transpose(1, 2)
    return x.reshape(batch, channels, height, width)


class Block(nn.Module):
    """The MobileViT block (figure 1b) behind an inverted residual with stride 2."""

    def __init__(
        self, channels_in: int, channels: int, width: int, depth: int, expansion: int
    ) -> None:
        super().__init__()
        self.act = nn.SiLU()
        self.halve = InvertedResidual(channels_in, channels, 2, expansion)
        self.local = ConvBN(channels, channels, 3)
        self.widen = nn.Conv2d(channels, width, 1, bias=False)
        self.layers = nn.Sequential(*(Layer(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.narrow = ConvBN(width, channels)
        self.fuse = ConvBN(2 * channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        x = self.halve(x)
        height, width = x.shape[-2:]
        local = tiled(self.widen(self.act(self.local(x))))
        patches = self.norm(self.layers(to_patches(local)))
        y = untiled(to_map(patches, *local.shape[-2:]), height, width)
        out: Tensor = self.act(self.fuse(torch.cat((x, self.act(self.narrow(y))), dim=1)))
        return out


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: MobileViTRow) -> None:
        super().__init__()
        w = row.widths
        self.act = nn.SiLU()
        self.stem = ConvBN(3, w[0], 3, 2)
        self.plain = nn.ModuleList(
            residuals(w[i], w[i + 1], i + 1, count, row.expansion)
            for i, count in enumerate(PLAIN_BLOCKS)
        )
        self.blocks = nn.ModuleList(
            Block(w[i + 2], w[i + 3], inside, depth, row.expansion)
            for i, (inside, depth) in enumerate(zip(row.token_widths, DEPTHS, strict=True))
        )
        self.last = ConvBN(w[5], w[6])

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x = self.act(self.stem(image))
        for stage in (*self.plain, *self.blocks):
            x = stage(x)
        y: Tensor = self.act(self.last(x))
        return y


class MobileViT(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone

    def __init__(self, row: MobileViTRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = Head(row.widths[-1], classes)


# Names of weights: ours to the transformers library's ------------------------------------------

RESIDUAL = {"expand": "expand_1x1", "depthwise": "conv_3x3", "project": "reduce_1x1"}
_LAYER = {
    "norm1": "layernorm_before",
    "attention.to_q": "attention.attention.query",
    "attention.to_k": "attention.attention.key",
    "attention.to_v": "attention.attention.value",
    "attention.project": "attention.output.dense",
    "norm2": "layernorm_after",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
}
_BLOCK = {
    "local": "conv_kxk",
    "widen": "conv_1x1.convolution",
    "norm": "layernorm",
    "narrow": "conv_projection",
    "fuse": "fusion",
}


def official_keys(network: MobileViT) -> dict[str, str]:
    """Our state-dict key -> the library's, for every key."""
    return renamed(
        network,
        names(network.backbone, "mobilevit", _BLOCK, _LAYER)
        | {"backbone.last": "mobilevit.conv_1x1_exp"},
        conv="convolution",
        bn="normalization",
    )


def names(
    backbone: nn.Module, library: str, block: dict[str, str], layer: dict[str, str]
) -> dict[str, str]:
    """Our prefixes -> the library's, for a network of this structure."""
    plain, blocks = backbone.plain, backbone.blocks
    assert isinstance(plain, nn.ModuleList)
    assert isinstance(blocks, nn.ModuleList)
    prefixes = {"backbone.stem": f"{library}.conv_stem", "head.classify": "classifier"}
    for i, stage in enumerate(plain):
        for j in range(len(list(stage.children()))):
            ours, theirs = f"backbone.plain.{i}.{j}", f"{library}.encoder.layer.{i}.layer.{j}"
            prefixes |= {f"{ours}.{o}": f"{theirs}.{t}" for o, t in RESIDUAL.items()}
    for i, stage in enumerate(blocks):
        ours, theirs = f"backbone.blocks.{i}", f"{library}.encoder.layer.{i + len(plain)}"
        prefixes |= {
            f"{ours}.halve.{o}": f"{theirs}.downsampling_layer.{t}" for o, t in RESIDUAL.items()
        }
        prefixes |= {f"{ours}.{o}": f"{theirs}.{t}" for o, t in block.items()}
        layers = stage.layers
        assert isinstance(layers, nn.Sequential)
        for j in range(len(layers)):
            inside = f"{theirs}.transformer.layer.{j}"
            prefixes |= {f"{ours}.layers.{j}.{o}": f"{inside}.{t}" for o, t in layer.items()}
    return prefixes


# Rows -----------------------------------------------------------------------------------------

ROWS = {
    "xxs": MobileViTRow((16, 16, 24, 48, 64, 80, 320), (64, 80, 96), 2),
    "xs": MobileViTRow((16, 32, 48, 64, 80, 96, 384), (96, 120, 144), 4),
    "s": MobileViTRow((16, 32, 64, 96, 128, 160, 640), (144, 192, 240), 4),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = PaperLine("imagenet", {"model": f"MobileViT-{size.upper()}"}, "top-1", "top1")
        yield spec("mobilevit", size, "imagenet_256", 32, line)


def build(spec: ModelSpec, **fields: object) -> MobileViT:
    """The network of ``spec``; ``fields`` of ``MobileViTRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("mobilevit_")
    return MobileViT(replaced(ROWS[size], fields), spec.classes)
