"""EdgeViT: classification by local convolutions and attention among a few places of each map.

Source: Pan et al., "EdgeViTs: Competing Light-weight CNNs on Mobile Devices with Vision
Transformers" (ECCV 2022), figure 2 and table 1; biases, epsilons and where a norm is are as in
saic-fi/edgevit, whose weights load. Of each window the first place takes part in attention. The
official code takes maps that windows tile alone; here the last windows are cut off at the edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._heads import Classifier as Head
from seaformer.models._mobilenet import Classifier
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._tokens import Attend, Qkv, to_map, to_tokens

MLP_RATIO = 4
WINDOWS = (4, 2, 2, 1)  # side of a window of which one place takes part in attention, by stage
EPS = 1e-6


@dataclass(frozen=True)
class EdgeVitRow:
    """One network: channels and blocks of its four stages, and the width of a head."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    head_channels: int


class Patches(nn.Module):
    """The map cut into squares, each one vector, and its norm."""

    def __init__(self, channels_in: int, channels: int, side: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels_in, channels, side, side)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        x = self.project(x)
        return to_map(self.norm(to_tokens(x)), *x.shape[-2:])


class Local(nn.Module):
    """Depthwise 5x5 between two 1x1, then a feed-forward network, with positions before both."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.fc1 = nn.Conv2d(channels, channels * MLP_RATIO, 1)
        self.activate = nn.GELU()
        self.fc2 = nn.Conv2d(channels * MLP_RATIO, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        x = x + self.position(x)
        x = x + self.conv2(self.depthwise(self.conv1(self.norm1(x))))
        y: Tensor = x + self.fc2(self.activate(self.fc1(self.norm2(x))))
        return y


class SparseAttention(nn.Module):
    """Attention among one place of each window, whose answer is spread over the window."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attend = Attend(heads)
        self.to_qkv = Qkv(channels, heads, channels // heads, channels // heads)
        self.spread = Spread(channels, window) if window > 1 else None
        self.norm = nn.LayerNorm(channels) if window > 1 else None
        self.project = nn.Linear(channels, channels)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to B N C."""
        some, s = x, self.window
        if self.spread is not None:
            some = to_tokens(F.avg_pool2d(to_map(x, height, width), 1, s))  # B M C
        q, k, v = self.to_qkv(some)
        y = self.attend(q, k, v)  # B M C
        if self.spread is not None and self.norm is not None:
            spread = self.spread(to_map(y, -(-height // s), -(-width // s)))
            if height % s or width % s:
                spread = spread[..., :height, :width]
            y = self.norm(to_tokens(spread))  # B N C
        out: Tensor = self.project(y)
        return out


class Spread(nn.ConvTranspose2d):
    """Each place to a window of its own, by a factor for each place in it."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__(channels, channels, window, window, groups=channels)


class Global(nn.Module):
    """Sparse attention, then a feed-forward network, with positions before both."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = nn.LayerNorm(channels, eps=EPS)
        self.attention = SparseAttention(channels, heads, window)
        self.norm2 = nn.LayerNorm(channels, eps=EPS)
        self.fc1 = nn.Linear(channels, channels * MLP_RATIO)
        self.activate = nn.GELU()
        self.fc2 = nn.Linear(channels * MLP_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        height, width = x.shape[-2:]
        tokens = to_tokens(x + self.position(x))  # B N C
        tokens = tokens + self.attention(self.norm1(tokens), height, width)
        tokens = tokens + self.fc2(self.activate(self.fc1(self.norm2(tokens))))
        return to_map(tokens, height, width)


class Block(nn.Module):
    """Local, then global; where every place attends to all others, global alone."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.local = Local(channels) if window > 1 else None
        self.globally = Global(channels, heads, window)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        y: Tensor = self.globally(x if self.local is None else self.local(x))
        return y


class Backbone(nn.Module):
    """The image to its map at 1/32, normed."""

    def __init__(self, row: EdgeVitRow) -> None:
        super().__init__()
        inputs = (3, *row.widths)
        self.patches = nn.ModuleList(
            Patches(before, after, 2 if i else 4)
            for i, (before, after) in enumerate(zip(inputs, row.widths, strict=False))
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(c, c // row.head_channels, window) for _ in range(depth)))
            for c, depth, window in zip(row.widths, row.depths, WINDOWS, strict=True)
        )
        self.norm = nn.BatchNorm2d(row.widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x = image
        for patches, stage in zip(self.patches, self.stages, strict=True):
            x = stage(patches(x))
        y: Tensor = self.norm(x)
        return y


class EdgeVit(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone

    def __init__(self, row: EdgeVitRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = Head(row.widths[-1], classes)


# Names of weights: ours to those of saic-fi/edgevit ---------------------------------------------

_LOCAL = {
    "position": "pos_embed",
    "norm1": "norm1",
    "conv1": "conv1",
    "depthwise": "attn",
    "conv2": "conv2",
    "norm2": "norm2",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}
_GLOBAL = {
    "position": "pos_embed",
    "norm1": "norm1",
    "attention.to_qkv": "attn.qkv",
    "attention.spread": "attn.LocalProp",
    "attention.norm": "attn.norm",
    "attention.project": "attn.proj",
    "norm2": "norm2",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}


def official_keys(network: EdgeVit) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key."""
    prefixes = {"backbone.norm": "norm", "head.classify": "head"}
    for i, stage in enumerate(network.backbone.stages, 1):
        patches = f"backbone.patches.{i - 1}"
        prefixes |= {f"{patches}.project": f"patch_embed{i}.proj"}
        prefixes |= {f"{patches}.norm": f"patch_embed{i}.norm"}
        for j, _ in enumerate(stage.children()):
            ours, theirs = f"backbone.stages.{i - 1}.{j}", f"blocks{i}.{j}"
            prefixes |= {f"{ours}.local.{o}": f"{theirs}.LocalAgg.{t}" for o, t in _LOCAL.items()}
            prefixes |= {
                f"{ours}.globally.{o}": f"{theirs}.SelfAttn.{t}" for o, t in _GLOBAL.items()
            }
    return renamed(network, prefixes)


# Rows -----------------------------------------------------------------------------------------

ROWS = {
    "xxs": EdgeVitRow((36, 72, 144, 288), (1, 1, 3, 2), 36),
    "xs": EdgeVitRow((48, 96, 240, 384), (1, 1, 3, 1), 48),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = PaperLine("imagenet", {"model": f"EdgeViT-{size.upper()}"}, "top-1", "top1")
        yield spec("edgevit", size, "imagenet", 32, line)


def build(spec: ModelSpec, **fields: object) -> EdgeVit:
    """The network of ``spec``; ``fields`` of ``EdgeVitRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("edgevit_")
    return EdgeVit(replaced(ROWS[size], fields), spec.classes)
