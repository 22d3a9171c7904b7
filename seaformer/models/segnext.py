"""SegNeXt: segmentation by depthwise convolutions in long strips, and a factorisation of the map.

Source: Guo et al., "SegNeXt: Rethinking Convolutional Attention Design for Semantic Segmentation"
(NeurIPS 2022), figures 2 and 3; Geng et al., "Is Attention Better Than Matrix Decomposition?"
(ICLR 2021) for the head; what they leave open is as in Visual-Attention-Network/SegNeXt, whose
weights load. There the factorisation starts from other random bases at every image, so that no two
answers are alike. Here they are weights: those of a file that has them, otherwise fixed draws.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN, Network, resized
from seaformer.models._checkpoints.layout import Layout
from seaformer.models._official import renamed
from seaformer.models._seeding import unit_bases
from seaformer.models._tags import replaced, spec

STRIPS = (7, 11, 21)
HEAD_CHANNELS, RANK, STEPS = 256, 16, 7
GROUPS = 32
EPS = 1e-6


@dataclass(frozen=True)
class SegNextRow:
    """One network: channels, blocks and expansion of its four stages, of 1/4 to 1/32."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    mlp_ratios: tuple[int, ...]


class Scale(nn.Module):
    """A learnt factor for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        return x * self.weight.reshape(-1, 1, 1)


class StripAttention(nn.Module):
    """The map times what depthwise 5x5 and strips of three lengths gather around each place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = _depthwise(channels, (5, 5))
        self.across = nn.ModuleList(_depthwise(channels, (1, length)) for length in STRIPS)
        self.down = nn.ModuleList(_depthwise(channels, (length, 1)) for length in STRIPS)
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        near = self.near(x)
        total = near
        for across, down in zip(self.across, self.down, strict=True):
            total = total + down(across(near))
        y: Tensor = self.mix(total) * x
        return y


def _depthwise(channels: int, kernel: tuple[int, int]) -> nn.Conv2d:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels)


class Block(nn.Module):
    """Attention between two 1x1, then a feed-forward network; each normed before, scaled after."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = channels * ratio
        self.norm1 = nn.BatchNorm2d(channels)
        self.enter = nn.Conv2d(channels, channels, 1)
        self.activate = nn.GELU()
        self.attention = StripAttention(channels)
        self.project = nn.Conv2d(channels, channels, 1)
        self.scale1 = Scale(channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.depthwise = _depthwise(hidden, (3, 3))
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.scale2 = Scale(channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        normed = self.norm1(x)
        gathered = self.project(self.attention(self.activate(self.enter(normed))))
        x = x + self.scale1(gathered + normed)
        hidden = self.activate(self.depthwise(self.fc1(self.norm2(x))))
        y: Tensor = x + self.scale2(self.fc2(hidden))
        return y


class Stage(nn.Module):
    """Half the sides (the first: a quarter), blocks, and a norm of the channels at each place."""

    def __init__(self, channels_in: int, channels: int, depth: int, ratio: int) -> None:
        super().__init__()
        first = channels_in == 3
        widths = (3, channels // 2, channels) if first else (channels_in, channels)
        self.down = nn.ModuleList(
            ConvBN(before, after, 3, 2, bias=True) for before, after in itertools.pairwise(widths)
        )
        self.activate = nn.GELU()
        self.blocks = nn.Sequential(*(Block(channels, ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        for i, conv in enumerate(self.down):
            x = conv(self.activate(x) if i else x)
        x = self.norm(self.blocks(x).permute(0, 2, 3, 1))  # B H W C
        return x.permute(0, 3, 1, 2)


class Backbone(nn.Module):
    """The image to maps at 1/8, 1/16 and 1/32."""

    def __init__(self, row: SegNextRow) -> None:
        super().__init__()
        inputs = (3, *row.widths[:-1])
        rows = zip(inputs, row.widths, row.depths, row.mlp_ratios, strict=True)
        self.stages = nn.ModuleList(Stage(*each) for each in rows)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """B 3 H W to three maps, from the largest down."""
        x, maps = image, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps[1:])


class ConvGN(nn.Module):
    """A 1x1 without bias, then a norm over groups of channels and all places."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H W."""
        y: Tensor = self.norm(self.conv(x))
        return y


class Factorisation(nn.Module):
    """The map as a product of two matrices without negative numbers, found in a few steps.

    ``bases`` is where the first begins, the same for every image: C rows of ``RANK``.
    """

    bases: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("bases", torch.zeros(1, channels, RANK))

    def forward(self, x: Tensor) -> Tensor:
        """B C H W without negative numbers to the same."""
        rows = x.flatten(2)  # B C N
        places = rows.transpose(1, 2)  # B N C
        bases = self.bases if len(x) == 1 else self.bases.repeat(len(x), 1, 1)  # B C R
        shares = torch.softmax(torch.bmm(places, bases), dim=-1)  # B N R
        for _ in range(STEPS):
            shares = _nearer_shares(places, bases, shares)
            square = torch.bmm(shares.transpose(1, 2), shares)  # B R R
            bases = bases * torch.bmm(rows, shares) / (torch.bmm(bases, square) + EPS)
        shares = _nearer_shares(places, bases, shares)
        return torch.bmm(bases, shares.transpose(1, 2)).reshape(x.shape)


def _nearer_shares(places: Tensor, bases: Tensor, shares: Tensor) -> Tensor:
    """Lee and Seung's step for one of the two matrices."""
    square = torch.bmm(bases.transpose(1, 2), bases)  # B R R
    return shares * torch.bmm(places, bases) / (torch.bmm(shares, square) + EPS)


class HamburgerHead(nn.Module):
    """Three maps joined at 1/8 and narrowed, plus their factorisation between two 1x1; classes."""

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        channels = HEAD_CHANNELS
        self.squeeze = ConvGN(sum(widths), channels)
        self.enter = nn.Conv2d(channels, channels, 1)
        self.factorise = Factorisation(channels)
        self.leave = ConvGN(channels, channels)
        self.align = ConvGN(channels, channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Three maps to B classes H/8 W/8."""
        joined = torch.cat([maps[0], *(resized(x, maps[0]) for x in maps[1:])], dim=1)
        x = F.relu(self.squeeze(joined))
        x = F.relu(x + self.leave(self.factorise(F.relu(self.enter(x)))))
        logits: Tensor = self.classify(F.relu(self.align(x)))
        return logits


class SegNext(Network):
    """Image B 3 H W to logits B classes H/8 W/8."""

    COMPONENTS = ("backbone", "head")
    DAMPED = ("fc2", "project")
    backbone: Backbone

    def __init__(self, row: SegNextRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = HamburgerHead(row.widths[1:], classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to those of Visual-Attention-Network/SegNeXt -----------------------------

_BLOCK = {
    "norm1": "norm1",
    "enter": "attn.proj_1",
    "attention.near": "attn.spatial_gating_unit.conv0",
    "attention.mix": "attn.spatial_gating_unit.conv3",
    "project": "attn.proj_2",
    "scale1.weight": "layer_scale_1",
    "norm2": "norm2",
    "fc1": "mlp.fc1",
    "depthwise": "mlp.dwconv.dwconv",
    "fc2": "mlp.fc2",
    "scale2.weight": "layer_scale_2",
} | {
    f"attention.{part}.{i}": f"attn.spatial_gating_unit.conv{i}_{j}"
    for i in range(len(STRIPS))
    for j, part in enumerate(("across", "down"), 1)
}
_HEAD = {
    "squeeze.conv": "squeeze.conv",
    "squeeze.norm": "squeeze.gn",
    "enter": "hamburger.ham_in.conv",
    "factorise": "hamburger.ham",
    "leave.conv": "hamburger.ham_out.conv",
    "leave.norm": "hamburger.ham_out.gn",
    "align.conv": "align.conv",
    "align.norm": "align.gn",
    "classify": "conv_seg",
}
_BASES = "decode_head.hamburger.ham.bases"


def official_keys(network: SegNext) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key."""
    prefixes = {f"head.{ours}": f"decode_head.{theirs}" for ours, theirs in _HEAD.items()}
    for s, stage in enumerate(network.backbone.stages):
        assert isinstance(stage, Stage)
        ours, patches = f"backbone.stages.{s}", f"backbone.patch_embed{s + 1}"
        for i in range(len(stage.down)):
            one = len(stage.down) == 1
            prefixes[f"{ours}.down.{i}.conv"] = f"{patches}.proj" + ("" if one else f".{3 * i}")
            prefixes[f"{ours}.down.{i}.bn"] = f"{patches}." + (
                "norm" if one else f"proj.{3 * i + 1}"
            )
        prefixes[f"{ours}.norm"] = f"backbone.norm{s + 1}"
        for i, (part, name) in itertools.product(range(len(stage.blocks)), _BLOCK.items()):
            prefixes[f"{ours}.blocks.{i}.{part}"] = f"backbone.block{s + 1}.{i}.{name}"
    return renamed(network, prefixes)


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """A checkpoint with bases to start from: the official ones have none."""
    if "decode_head.hamburger.ham_in.conv.weight" not in state or _BASES in state:
        return Layout(state)
    draws = unit_bases(np.random.default_rng(0), (1, HEAD_CHANNELS, RANK))
    return Layout({**state, _BASES: torch.from_numpy(draws.astype(np.float32))})


# Rows -----------------------------------------------------------------------------------------

ROWS = {
    "t": SegNextRow((32, 64, 160, 256), (3, 3, 5, 2), (8, 8, 4, 4)),
    "s": SegNextRow((64, 128, 320, 512), (2, 2, 4, 2), (8, 8, 4, 4)),
}
TAGS = ("ade20k", "cityscapes")


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        for tag in TAGS:
            yield spec("segnext", size, tag, stride=8, published=None)


def build(spec: ModelSpec, **fields: object) -> SegNext:
    """The network of ``spec``; ``fields`` of ``SegNextRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("segnext_")
    return SegNext(replaced(ROWS[size], fields), spec.classes)
