"""EfficientFormerV2: classification by depthwise feed-forward networks, with attention at the end.

Source: Li et al., "Rethinking Vision Transformers for MobileNet Size and Speed" (ICCV 2023), figure
2 and table 8 of its appendix (S0), as in the timm library, whose weights load. Heads of attention
are mixed before and behind the softmax. At 1/16 attention is on every second place of the map, and
the step to 1/32 is attention too. Both of its classifiers are one, as in ``efficientformer.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models import efficientformer
from seaformer.models._blocks import ConvBN, resized
from seaformer.models._heads import Classifier as Head
from seaformer.models._mobilenet import Classifier
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models._tokens import Attend, Offsets, by_head, to_map, to_tokens
from seaformer.models.efficientformer import Scale

HEADS, VALUE = 8, 4  # the width of a value over that of a key
KEY, HALVING_KEY = 32, 16
GRID = 7
ATTENDS_FROM = 2  # the stage

official_state = efficientformer.official_state


@dataclass(frozen=True)
class EfficientFormerV2Row:
    """One network: channels of its four stages, and the expansions of each of their blocks.

    ``attentions`` is how many blocks, the last ones of a stage, have attention.
    """

    widths: tuple[int, ...]
    expansions: tuple[tuple[int, ...], ...]
    attentions: int


class FeedForward(nn.Module):
    """1x1, depthwise 3x3, 1x1, with GELU behind the first two."""

    def __init__(self, channels: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        self.activate = nn.GELU()
        self.fc1 = ConvBN(channels, hidden, bias=True)
        self.depthwise = ConvBN(hidden, hidden, 3, 1, hidden, bias=True)
        self.fc2 = ConvBN(hidden, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        hidden = self.activate(self.depthwise(self.activate(self.fc1(x))))
        y: Tensor = self.fc2(hidden)
        return y


class Attention(nn.Module):
    """Attention among the places of a map, or of every second one of its rows and columns."""

    def __init__(self, channels: int, *, halved: bool) -> None:
        super().__init__()
        inner = HEADS * KEY * VALUE
        self.scale = float(KEY**-0.5)
        self.halve = ConvBN(channels, channels, 3, 2, channels, bias=True) if halved else None
        self.to_q = ConvBN(channels, HEADS * KEY, bias=True)
        self.to_k = ConvBN(channels, HEADS * KEY, bias=True)
        self.to_v = ConvBN(channels, inner, bias=True)
        self.local = ConvBN(inner, inner, 3, 1, inner, bias=True)
        self.mix_scores = nn.Conv2d(HEADS, HEADS, 1)
        self.mix_weights = nn.Conv2d(HEADS, HEADS, 1)
        self.offsets = Offsets(HEADS, GRID)
        self.activate = nn.GELU()
        self.project = ConvBN(inner, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        some = x if self.halve is None else self.halve(x)  # B C h w
        v = self.to_v(some)
        y = self._attended(self.to_q(some), self.to_k(some), v) + self.local(v)
        y = y if self.halve is None else resized(y, x)
        out: Tensor = self.project(self.activate(y))
        return out

    def _attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        batch, size = q.shape[0], (q.shape[-2], q.shape[-1])
        places, offsets = size[0] * size[1], self.offsets(k, q)
        q, k, v = (by_head(to_tokens(each), HEADS) for each in (q * self.scale, k, v))
        scores = torch.bmm(q, k.transpose(1, 2)).reshape(batch, HEADS, places, places)
        mixed = self.mix_scores(scores + offsets).reshape(-1, places, places)
        # In three axes: XNNPACK takes a softmax of what a convolution made over its channels.
        shares = torch.softmax(mixed, dim=-1).reshape(batch, HEADS, places, places)
        weights = self.mix_weights(shares).reshape(-1, places, places)
        y = torch.bmm(weights, v).reshape(batch, HEADS, places, -1).transpose(1, 2)  # B N h d
        return to_map(y.reshape(batch, places, -1), *size)


class HalvingAttention(nn.Module):
    """Attention from every second place of a map to all of them."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        inner, keys = HEADS * HALVING_KEY * VALUE, HEADS * HALVING_KEY
        self.scale = float(HALVING_KEY**-0.5)
        self.pick = nn.Conv2d(channels_in, channels_in, 3, 2, 1, groups=channels_in)
        self.to_q = ConvBN(channels_in, keys, bias=True)
        self.to_k = ConvBN(channels_in, keys, bias=True)
        self.to_v = ConvBN(channels_in, inner, bias=True)
        self.local = ConvBN(inner, inner, 3, 2, inner, bias=True)
        self.offsets = Offsets(HEADS, 2 * GRID)
        self.attend = Attend(HEADS)
        self.activate = nn.GELU()
        self.project = ConvBN(inner, channels, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        q = self.to_q(self.pick(x) + F.avg_pool2d(x, 1, 2))  # B K h w
        v = self.to_v(x)
        few, offsets = (q.shape[-2], q.shape[-1]), self.offsets(x, q)
        q, k = to_tokens(q * self.scale), to_tokens(self.to_k(x))
        y = to_map(self.attend(q, k, to_tokens(v), offsets), *few)
        out: Tensor = self.project(self.activate(y + self.local(v)))
        return out


class Block(nn.Module):
    """Attention, in some, and a feed-forward network, each scaled and added."""

    def __init__(self, channels: int, expansion: int, *, attends: bool, halved: bool) -> None:
        super().__init__()
        self.attention = Attention(channels, halved=halved) if attends else None
        self.scale1 = Scale(channels) if attends else None
        self.mlp = FeedForward(channels, expansion)
        self.scale2 = Scale(channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        if self.attention is not None and self.scale1 is not None:
            x = x + self.scale1(self.attention(x))
        y: Tensor = x + self.scale2(self.mlp(x))
        return y


class Halving(nn.Module):
    """3x3 with stride 2, with attention added where it is ``attended``."""

    def __init__(self, channels_in: int, channels: int, *, attended: bool) -> None:
        super().__init__()
        self.conv = ConvBN(channels_in, channels, 3, 2, bias=True)
        self.attention = HalvingAttention(channels_in, channels) if attended else None

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        y: Tensor = self.conv(x)
        return y if self.attention is None else self.attention(x) + y


class Backbone(nn.Module):
    """The image to its map at 1/32, normed."""

    def __init__(self, row: EfficientFormerV2Row) -> None:
        super().__init__()
        first = row.widths[0]
        self.stem = nn.Sequential(
            ConvBN(3, first // 2, 3, 2, bias=True),
            nn.GELU(),
            ConvBN(first // 2, first, 3, 2, bias=True),
            nn.GELU(),
        )
        last = len(row.widths) - 1
        self.halve = nn.ModuleList(
            Halving(before, after, attended=i == last)
            for i, (before, after) in enumerate(zip(row.widths, row.widths[1:], strict=False), 1)
        )
        self.stages = nn.ModuleList(
            _stage(width, expansions, row.attentions if i >= ATTENDS_FROM else 0, halved=i < last)
            for i, (width, expansions) in enumerate(zip(row.widths, row.expansions, strict=True))
        )
        self.norm = nn.BatchNorm2d(row.widths[-1])

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x: Tensor = self.stages[0](self.stem(image))
        for halve, stage in zip(self.halve, list(self.stages)[1:], strict=True):
            x = stage(halve(x))
        y: Tensor = self.norm(x)
        return y


def _stage(
    channels: int, expansions: tuple[int, ...], attentions: int, *, halved: bool
) -> nn.Sequential:
    plain = len(expansions) - attentions
    return nn.Sequential(
        *(
            Block(channels, expansion, attends=i >= plain, halved=halved)
            for i, expansion in enumerate(expansions)
        )
    )


class EfficientFormerV2(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone
    DAMPED = ("scale1", "scale2", "mix_scores")

    def __init__(self, row: EfficientFormerV2Row, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = Head(row.widths[-1], classes)


# Names of weights: ours to timm's ----------------------------------------------------------------

_ATTENTION = {
    "to_k": "k",
    "to_v": "v",
    "local": "v_local",
    "offsets.table": "attention_biases",
    "project": "proj",
}
_INSIDE = _ATTENTION | {
    "halve": "stride_conv",
    "to_q": "q",
    "mix_scores": "talking_head1",
    "mix_weights": "talking_head2",
}
_HALVING = _ATTENTION | {"pick": "q.local", "to_q": "q.proj"}
_MLP = {"fc1": "fc1", "depthwise": "mid", "fc2": "fc2"}


def official_keys(network: EfficientFormerV2) -> dict[str, str]:
    """Our state-dict key -> timm's, for every key."""
    prefixes = {"backbone.norm": "norm", "head.classify": "head"}
    prefixes |= {"backbone.stem.0": "stem.conv1", "backbone.stem.2": "stem.conv2"}
    for i in range(len(network.backbone.halve)):
        ours, theirs = f"backbone.halve.{i}", f"stages.{i + 1}.downsample"
        prefixes[f"{ours}.conv"] = f"{theirs}.conv"
        prefixes |= {f"{ours}.attention.{o}": f"{theirs}.attn.{t}" for o, t in _HALVING.items()}
    for i, stage in enumerate(network.backbone.stages):
        for j, _ in enumerate(stage.children()):
            ours, theirs = f"backbone.stages.{i}.{j}", f"stages.{i}.blocks.{j}"
            mixer = f"{theirs}.token_mixer"
            prefixes |= {f"{ours}.attention.{o}": f"{mixer}.{t}" for o, t in _INSIDE.items()}
            prefixes |= {f"{ours}.mlp.{o}": f"{theirs}.mlp.{t}" for o, t in _MLP.items()}
            prefixes |= {f"{ours}.scale{n}.weight": f"{theirs}.ls{n}.gamma" for n in (1, 2)}
    return renamed(network, prefixes)


# Rows -----------------------------------------------------------------------------------------

ROWS = {
    "s0": EfficientFormerV2Row(
        (32, 48, 96, 176), ((4, 4), (4, 4), (4, 3, 3, 3, 4, 4), (4, 3, 3, 4)), 2
    )
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        line = {"model": f"EfficientFormerV2-{size.upper()}"}
        published = PaperLine("imagenet", line, "top-1", "top1")
        yield spec("efficientformerv2", size, "imagenet", 32, published)


def build(spec: ModelSpec, **fields: object) -> EfficientFormerV2:
    """The network of ``spec``; ``fields`` of ``EfficientFormerV2Row`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("efficientformerv2_")
    return EfficientFormerV2(replaced(ROWS[size], fields), spec.classes)
