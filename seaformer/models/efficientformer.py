"""EfficientFormer: classification by pooling on maps, and attention in the last blocks.

Source: Li et al., "EfficientFormer: Vision Transformers at MobileNet Speed" (NeurIPS 2022), figure
3 and table 7; what it leaves open (biases, epsilons, the form of the stem) is as in the timm
library, whose weights load. They have a second classifier for distillation, and the answer is the
mean of both: here one layer with the mean of their weights. Attention has a number for each
distance on a map of 7x7; a smaller map uses some of them, for a larger one they are resized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN
from seaformer.models._checkpoints.layout import Layout
from seaformer.models._heads import Classifier as Head
from seaformer.models._mobilenet import Classifier
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._tokens import Attend, Offsets, Qkv, to_map, to_tokens

MLP_RATIO = 4
HEADS, KEY, VALUE, GRID = 8, 32, 128, 7
POOL = 3


@dataclass(frozen=True)
class EfficientFormerRow:
    """One network: channels and blocks of its four stages.

    ``attentions`` is how many blocks, the last ones, have attention.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    attentions: int


class Scale(nn.Module):
    """A factor for each channel, of a map or of tokens."""

    def __init__(self, channels: int, *, tokens: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.tokens = tokens

    def forward(self, x: Tensor) -> Tensor:
        """B C H W or B N C to the same."""
        return x * (self.weight if self.tokens else self.weight.reshape(1, -1, 1, 1))


class PoolBlock(nn.Module):
    """What the mean of its 3x3 neighbours adds to each place; then a feed-forward network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale1, self.scale2 = Scale(channels), Scale(channels)
        self.fc1 = ConvBN(channels, channels * MLP_RATIO, bias=True)
        self.activate = nn.GELU()
        self.fc2 = ConvBN(channels * MLP_RATIO, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same; places beyond the edge are left out."""
        mean = F.avg_pool2d(x, POOL, 1, POOL // 2, count_include_pad=False)
        x = x + self.scale1(mean - x)
        y: Tensor = x + self.scale2(self.fc2(self.activate(self.fc1(x))))
        return y


class AttentionBlock(nn.Module):
    """Attention and a feed-forward network on tokens, each behind a norm and scaled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.to_qkv = Qkv(channels, HEADS, KEY, VALUE, grouped=True)
        self.offsets = Offsets(HEADS, GRID)
        self.attend = Attend(HEADS)
        self.project = nn.Linear(HEADS * VALUE, channels)
        self.scale1, self.scale2 = (Scale(channels, tokens=True) for _ in range(2))
        self.fc1 = nn.Linear(channels, channels * MLP_RATIO)
        self.activate = nn.GELU()
        self.fc2 = nn.Linear(channels * MLP_RATIO, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        size = (x.shape[-2], x.shape[-1])
        tokens = to_tokens(x)  # B N C
        q, k, v = self.to_qkv(self.norm1(tokens))
        mixed = self.project(self.attend(q, k, v, self.offsets(x, x)))
        tokens = tokens + self.scale1(mixed)
        tokens = tokens + self.scale2(self.fc2(self.activate(self.fc1(self.norm2(tokens)))))
        return to_map(tokens, *size)


class Backbone(nn.Module):
    """The image to its map at 1/32, normed."""

    def __init__(self, row: EfficientFormerRow) -> None:
        super().__init__()
        first = row.widths[0]
        self.stem = nn.Sequential(
            ConvBN(3, first // 2, 3, 2, bias=True),
            nn.ReLU(),
            ConvBN(first // 2, first, 3, 2, bias=True),
            nn.ReLU(),
        )
        self.halve = nn.ModuleList(
            ConvBN(before, after, 3, 2, bias=True)
            for before, after in zip(row.widths, row.widths[1:], strict=False)
        )
        plain = sum(row.depths) - row.attentions
        starts = [sum(row.depths[:i]) for i in range(len(row.depths))]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    PoolBlock(width) if start + i < plain else AttentionBlock(width)
                    for i in range(depth)
                )
            )
            for width, depth, start in zip(row.widths, row.depths, starts, strict=True)
        )
        self.norm = nn.LayerNorm(row.widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x: Tensor = self.stages[0](self.stem(image))
        for halve, stage in zip(self.halve, list(self.stages)[1:], strict=True):
            x = stage(halve(x))
        return to_map(self.norm(to_tokens(x)), *x.shape[-2:])


class EfficientFormer(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone
    DAMPED = ("fc2", "project", "scale1", "scale2")

    def __init__(self, row: EfficientFormerRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = Head(row.widths[-1], classes)


# Checkpoints ------------------------------------------------------------------------------------

_POOL = {
    "scale1.weight": "ls1.gamma",
    "scale2.weight": "ls2.gamma",
    "fc1.conv": "mlp.fc1",
    "fc1.bn": "mlp.norm1",
    "fc2.conv": "mlp.fc2",
    "fc2.bn": "mlp.norm2",
}
_ATTENTION = {
    "norm1": "norm1",
    "norm2": "norm2",
    "to_qkv": "token_mixer.qkv",
    "offsets.table": "token_mixer.attention_biases",
    "project": "token_mixer.proj",
    "scale1.weight": "ls1.gamma",
    "scale2.weight": "ls2.gamma",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}


def official_keys(network: EfficientFormer) -> dict[str, str]:
    """Our state-dict key -> timm's, for every key."""
    prefixes = {"backbone.norm": "norm", "head.classify": "head"}
    for i, place in enumerate((0, 2), 1):
        prefixes[f"backbone.stem.{place}.conv"] = f"stem.conv{i}"
        prefixes[f"backbone.stem.{place}.bn"] = f"stem.norm{i}"
    for i in range(len(network.backbone.halve)):
        ours, theirs = f"backbone.halve.{i}", f"stages.{i + 1}.downsample"
        prefixes |= {f"{ours}.conv": f"{theirs}.conv", f"{ours}.bn": f"{theirs}.norm"}
    for i, stage in enumerate(network.backbone.stages):
        flat = 0  # the official list has one more entry, where maps become tokens
        for j, block in enumerate(stage.children()):
            attends = isinstance(block, AttentionBlock)
            flat = int(attends)
            ours, theirs = f"backbone.stages.{i}.{j}", f"stages.{i}.blocks.{j + flat}"
            parts = _ATTENTION if attends else _POOL
            prefixes |= {f"{ours}.{o}": f"{theirs}.{t}" for o, t in parts.items()}
    return renamed(network, prefixes)


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """A checkpoint with one classifier, and without tables that follow from a map's size."""
    heads = [name for name in ("head", "head_dist") if f"{name}.weight" in state]
    tables = tuple(key for key in state if key.endswith(".attention_bias_idxs"))
    if len(heads) < 2 and not tables:
        return Layout(state)
    kept = {k: v for k, v in state.items() if k not in tables and not k.startswith("head_dist.")}
    for end in ("weight", "bias"):
        both = torch.stack([state[f"{name}.{end}"].double() for name in heads])
        kept[f"head.{end}"] = both.mean(0).float()
    return Layout(kept, "timm, as trained", left_out=tables)


# Rows -----------------------------------------------------------------------------------------

ROWS = {"l1": EfficientFormerRow((48, 96, 224, 448), (3, 2, 6, 4), 1)}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = PaperLine("imagenet", {"model": f"EfficientFormer-{size.upper()}"}, "top-1", "top1")
        yield spec("efficientformer", size, "imagenet", 32, line)


def build(spec: ModelSpec, **fields: object) -> EfficientFormer:
    """The network of ``spec``; ``fields`` of ``EfficientFormerRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("efficientformer_")
    return EfficientFormer(replaced(ROWS[size], fields), spec.classes)
