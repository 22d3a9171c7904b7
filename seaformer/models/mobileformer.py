"""Mobile-Former: classification by convolutions and a few tokens beside them, joined in each block.

Source: Chen et al., "Mobile-Former: Bridging MobileNet and Transformer" (CVPR 2022), figure 3 and
table 11 of its appendix, as in the authors' AAboys/MobileFormer, whose weights' names are used.
Tokens take from a map by attention whose keys and values are the map itself, a gate on the result
included; the first of them sets the two slopes of every activation, and maps take from the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._mobileformer import (
    Block,
    DeepBlock,
    DnaRow,
    LearntTokens,
    PlainBlock,
    ToTokens,
)
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec

LAST_EXPANSION = 6


@dataclass(frozen=True)
class MobileFormerRow:
    """One network: its blocks, and how many tokens of how many channels it has."""

    stem_channels: int
    lines: tuple[DnaRow, ...]
    tokens: int
    token_channels: int
    hidden: int


class Backbone(nn.Module):
    """The image to its map at 1/32 and the first token."""

    def __init__(self, row: MobileFormerRow) -> None:
        super().__init__()
        self.tokens = LearntTokens(row.tokens, row.token_channels)
        self.stem = ConvBN(3, row.stem_channels, 3, 2)
        inputs = (row.stem_channels, *(line.channels for line in row.lines))
        self.blocks = nn.ModuleList(
            _block(before, line, row.token_channels)
            for before, line in zip(inputs, row.lines, strict=False)
        )
        self.last = ToTokens(inputs[-1], row.token_channels)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """B 3 H W to B C H/32 W/32 and B C'."""
        tokens = self.tokens(image)  # B T C'
        x = F.relu6(self.stem(image))
        for block in self.blocks:
            x, tokens = block(x, tokens)
        return x, self.last(x, tokens)[:, :1].flatten(1)


def _block(channels_in: int, row: DnaRow, token_channels: int) -> nn.Module:
    if row.second is None:
        return Block(channels_in, row, token_channels)
    if row.second == 0:
        return PlainBlock(channels_in, row)
    return DeepBlock(channels_in, row, token_channels)


class JoinedHead(nn.Module):
    """1x1 and mean of the map, joined with the token; linear, norm, linear."""

    def __init__(self, channels_in: int, row: MobileFormerRow, classes: int) -> None:
        super().__init__()
        wide = channels_in * LAST_EXPANSION
        self.mix = ConvBN(channels_in, wide)
        self.hidden = nn.Linear(wide + row.token_channels, row.hidden)
        self.norm = nn.BatchNorm1d(row.hidden)
        self.classify = nn.Linear(row.hidden, classes)

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        """B C h w and B C' to B classes."""
        mean = F.adaptive_avg_pool2d(F.relu6(self.mix(x)), 1)  # B 6C 1 1
        joined = torch.cat((F.hardswish(mean).flatten(1), token), dim=1)
        logits: Tensor = self.classify(F.hardswish(self.norm(self.hidden(joined))))
        return logits


class MobileFormer(Network):
    """Image B 3 H W to logits B classes."""

    COMPONENTS = ("backbone", "head")
    DAMPED = ("project", "project2", "to_v")

    def __init__(self, row: MobileFormerRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = JoinedHead(row.lines[-1].channels, row, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to those of AAboys/MobileFormer ------------------------------------------

_TO_TOKENS = {"gate": "alpha.0", "to_q": "q", "project": "proj", "norm": "layer_norm"}
_AMONG = {
    "to_q": "q",
    "project": "channel_mlp",
    "norm1": "layer_norm",
    "fc1": "ffn.0",
    "fc2": "ffn.2",
    "norm2": "ffn_norm",
}
_BRIDGE = {
    **{f"to_tokens.{ours}": f"local_global.{theirs}" for ours, theirs in _TO_TOKENS.items()},
    **{f"among.{ours}": f"global_block.{theirs}" for ours, theirs in _AMONG.items()},
    "to_map.to_k": "global_local.k",
    "to_map.to_v": "global_local.proj",
    "slopes1.fc1": "hyper1.hyper.0",
    "slopes1.fc2": "hyper1.hyper.2",
}
# Layers in the order they run, with their places; and what sets the slopes of the second.
_LAYERS: dict[type[nn.Module], tuple[dict[str, str], str]] = {
    Block: ({"expand": "conv1", "depthwise": "conv2", "project": "conv3"}, "hyper2"),
    DeepBlock: (
        {"depthwise1": "conv1", "project1": "conv2", "depthwise2": "conv3", "project2": "conv4"},
        "hyper3",
    ),
}


def official_keys(network: MobileFormer) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key."""
    prefixes = {
        "backbone.tokens.table": "tokens.weight",
        "backbone.stem.conv": "stem.0",
        "backbone.stem.bn": "stem.1",
        "head.mix.conv": "classifier.conv.1",
        "head.mix.bn": "classifier.conv.2",
        "head.hidden": "classifier.fc.0",
        "head.norm": "classifier.fc.1",
        "head.classify": "classifier.classifier.1",
    }
    prefixes |= {f"backbone.last.{o}": f"local_global.{t}" for o, t in _TO_TOKENS.items()}
    for i, block in enumerate(network.backbone.blocks):
        ours, theirs = f"backbone.blocks.{i}", f"features.{i}"
        if isinstance(block, PlainBlock):
            for part, place in (("depthwise", 0), ("project", 4)):
                prefixes[f"{ours}.{part}.conv"] = f"{theirs}.conv.{place}"
                prefixes[f"{ours}.{part}.bn"] = f"{theirs}.conv.{place + 1}"
            continue
        layers, hyper = _LAYERS[type(block)]
        prefixes |= {f"{ours}.{o}": f"{theirs}.{t}" for o, t in _BRIDGE.items()}
        for fc, nth in (("fc1", 0), ("fc2", 2)):
            prefixes[f"{ours}.slopes2.{fc}"] = f"{theirs}.{hyper}.hyper.{nth}"
        for layer, conv in layers.items():
            prefixes[f"{ours}.{layer}.conv"] = f"{theirs}.{conv}.0"
            prefixes[f"{ours}.{layer}.bn"] = f"{theirs}.{conv}.1"
    return renamed(network, prefixes)


# Rows -----------------------------------------------------------------------------------------


def _long(channels: tuple[int, ...], early: int) -> tuple[DnaRow, ...]:
    """The twelve blocks of the larger networks; ``early`` is an expansion at 1/4 and 1/8."""
    a, b, c, d, e, f = channels
    return (
        DnaRow(2, a, 1, 0),
        DnaRow(6, b, 2, 4),
        DnaRow(early, b),
        DnaRow(6, c, 2, 4),
        DnaRow(early, c),
        DnaRow(6, d, 2, 4),
        DnaRow(4, d),
        DnaRow(6, e),
        DnaRow(6, e),
        DnaRow(6, f, 2, 4),
        DnaRow(6, f),
        DnaRow(6, f),
    )


_SHORT = (
    DnaRow(2, 12, 1, 0),
    DnaRow(6, 16, 2, 4),
    DnaRow(6, 32, 2, 4),
    DnaRow(3, 32),
    DnaRow(6, 64, 2, 4),
    DnaRow(4, 64),
    DnaRow(6, 88),
    DnaRow(6, 128, 2, 4),
    DnaRow(6, 128),
)
ROWS = {
    "96": MobileFormerRow(12, _SHORT, 4, 128, 1280),
    "151": MobileFormerRow(12, _long((12, 16, 32, 64, 88, 128), 3), 6, 192, 1280),
    "508": MobileFormerRow(24, _long((24, 40, 72, 128, 176, 240), 3), 6, 192, 1920),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = PaperLine("imagenet", {"model": f"Mobile-Former{size}"}, "top-1", "top1")
        yield spec("mobileformer", size, "imagenet", 32, line)


def build(spec: ModelSpec, **fields: object) -> MobileFormer:
    """The network of ``spec``; ``fields`` of ``MobileFormerRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("mobileformer_")
    return MobileFormer(replaced(ROWS[size], fields), spec.classes)
