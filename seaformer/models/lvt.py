"""LVT: classification by convolutions whose weights are attention, and attention taken twice.

Source: Yang et al., "Lite Vision Transformer with Enhanced Self-Attention" (CVPR 2022), figures 2
and 3; widths, biases and the head, which is VOLO's, are as in Chenglin-Yang/LVT, whose weights
load. Token labelling of its training is not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._lvt_attention import RecursiveAttention, WindowAttention
from seaformer.models._mobilenet import Classifier
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._tokens import Attend, to_map, to_tokens

POST_BLOCKS = 2
REDUCTIONS = (1, 4, 2, 1)  # of keys and values, by stage; the first has windows


@dataclass(frozen=True)
class LvtRow:
    """One network: channels, blocks, heads and expansion of its four stages, of 1/4 to 1/32."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    head_counts: tuple[int, ...]
    mlp_ratios: tuple[int, ...]


class Mlp(nn.Module):
    """Linear, GELU, linear; ``depthwise``: with a depthwise 3x3 before the GELU."""

    def __init__(self, channels: int, ratio: int, *, depthwise: bool) -> None:
        super().__init__()
        hidden = channels * ratio
        self.fc1: nn.Module = nn.Linear(channels, hidden)
        self.depthwise: nn.Module | None = None
        self.activate = nn.GELU()
        self.fc2: nn.Module = nn.Linear(hidden, channels)
        if depthwise:
            self.fc1, self.fc2 = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)
            self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to the same."""
        if self.depthwise is None:
            y: Tensor = self.fc2(self.activate(self.fc1(x)))
            return y
        hidden = self.depthwise(self.fc1(to_map(x, height, width)))
        return to_tokens(self.fc2(self.activate(hidden)))


class Block(nn.Module):
    """Attention, of windows or of all places, and a feed-forward network, each behind a norm."""

    def __init__(
        self, channels: int, heads: int, ratio: int, reduction: int, *, first: bool
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = (
            WindowAttention(channels, heads)
            if first
            else RecursiveAttention(channels, heads, reduction)
        )
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, ratio, depthwise=not first)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """B N C to the same."""
        x = x + self.attention(self.norm1(x), height, width)
        y: Tensor = x + self.mlp(self.norm2(x), height, width)
        return y


class Stage(nn.Module):
    """Patches that overlap, and blocks."""

    def __init__(self, channels_in: int, channels: int, kernel: int, blocks: list[Block]) -> None:
        super().__init__()
        self.patches = nn.Conv2d(
            channels_in, channels, kernel, (kernel + 1) // 2, padding=kernel // 2
        )
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        x = self.patches(x)
        height, width = x.shape[-2:]
        tokens = self.norm(to_tokens(x))
        for block in self.blocks:
            tokens = block(tokens, height, width)
        return to_map(tokens, height, width)


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: LvtRow) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for i, channels in enumerate(row.widths):
            heads, ratio, first = row.head_counts[i], row.mlp_ratios[i], i == 0
            blocks = [
                Block(channels, heads, ratio, REDUCTIONS[i], first=first)
                for _ in range(row.depths[i])
            ]
            before = 3 if first else row.widths[i - 1]
            self.stages.append(Stage(before, channels, 7 if first else 3, blocks))

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x = image
        for stage in self.stages:
            x = stage(x)
        return x


class ClassBlock(nn.Module):
    """The class token attends to all tokens; a feed-forward network on it alone."""

    def __init__(self, channels: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.scale = (channels // heads) ** -0.5
        self.attend = Attend(heads)
        self.norm1 = nn.LayerNorm(channels)
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_kv = nn.Linear(channels, 2 * channels, bias=False)
        self.project = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, ratio, depthwise=False)

    def forward(self, token: Tensor, places: Tensor) -> Tensor:
        """B 1 C and B N C to B 1 C."""
        channels = token.shape[-1]
        one, others = self.norm1(token), self.norm1(places)
        kv = self.to_kv(torch.cat([one, others], dim=1))  # B 1+N 2C
        k, v = kv[..., :channels], kv[..., channels:]
        token = token + self.project(self.attend(self.to_q(one) * self.scale, k, v))
        y: Tensor = token + self.mlp(self.norm2(token), 1, 1)
        return y


class Largest(nn.Module):
    """Of each channel the largest that any token has, as a pool."""

    def forward(self, x: Tensor) -> Tensor:
        """B N C to B C."""
        batch, tokens, channels = x.shape
        row = x.transpose(1, 2).reshape(batch, channels, 1, tokens)
        return F.max_pool2d(row, (1, row.shape[-1])).flatten(1)


class TokenHead(nn.Module):
    """Classes of a class token, plus half of the largest score that any place gives each class."""

    def __init__(self, channels: int, heads: int, ratio: int, classes: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 1, channels))
        self.blocks = nn.ModuleList(ClassBlock(channels, heads, ratio) for _ in range(POST_BLOCKS))
        self.norm = nn.LayerNorm(channels)
        self.classify = nn.Linear(channels, classes)
        self.classify_places = nn.Linear(channels, classes)
        self.largest = Largest()

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B classes."""
        places = to_tokens(x)  # B N C
        token = self.table if len(x) == 1 else self.table.repeat(len(x), 1, 1)
        for block in self.blocks:
            token = block(token, places)
        best = self.largest(self.classify_places(self.norm(places)))  # B classes
        logits: Tensor = self.classify(self.norm(token)).flatten(1) + 0.5 * best
        return logits


class Lvt(Classifier):
    """Image B 3 H W to logits B classes."""

    DAMPED = ("project", "fc2")
    MORE_CLASSIFIERS = ("head.classify_places",)
    backbone: Backbone

    def __init__(self, row: LvtRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = TokenHead(row.widths[-1], row.head_counts[-1], row.mlp_ratios[-1], classes)


# Names of weights: ours to those of Chenglin-Yang/LVT ---------------------------------------------

_MLP = {
    "norm1": "norm1",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.depthwise": "mlp.depconv",
    "mlp.fc2": "mlp.fc2",
}
_ATTENTION = {
    "weigh": "attn.attn",
    "to_v": "attn.weight",
    "to_q": "attn.q",
    "to_kv": "attn.kv",
    "query.conv": "attn.ds",
    "reduce": "attn.sr",
    "norm": "attn.norm",
    "project": "attn.proj",
}
_HEAD = {
    "head.table": "cls_token",
    "head.norm": "norm",
    "head.classify": "head",
    "head.classify_places": "aux_head",
}


def official_keys(network: Lvt) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key."""
    prefixes = dict(_HEAD)
    for s, stage in enumerate(network.backbone.stages):
        assert isinstance(stage, Stage)
        ours, theirs = f"backbone.stages.{s}", f"backbone.{s}"
        prefixes |= {f"{ours}.patches": f"{theirs}.0.proj", f"{ours}.norm": f"{theirs}.0.norm"}
        for i in range(len(stage.blocks)):
            one, other = f"{ours}.blocks.{i}", f"{theirs}.1.{i}"
            prefixes |= {f"{one}.{o}": f"{other}.{t}" for o, t in _MLP.items()}
            prefixes |= {f"{one}.attention.{o}": f"{other}.{t}" for o, t in _ATTENTION.items()}
    for i in range(POST_BLOCKS):
        parts = _MLP | _ATTENTION
        prefixes |= {f"head.blocks.{i}.{o}": f"post_network.{i}.{t}" for o, t in parts.items()}
    return renamed(network, prefixes)


# Rows -----------------------------------------------------------------------------------------

ROW = LvtRow((64, 64, 160, 256), (2, 2, 2, 2), (2, 2, 5, 8), (4, 8, 4, 4))


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    line = PaperLine("imagenet", {"model": "LVT"}, "top-1", "top1")
    yield spec("lvt", "cls", "imagenet", 32, line)


def build(spec: ModelSpec, **fields: object) -> Lvt:
    """The network of ``spec``; ``fields`` of ``LvtRow`` replace those of its row."""
    return Lvt(replaced(ROW, fields), spec.classes)
