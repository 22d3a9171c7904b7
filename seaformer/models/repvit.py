"""RepViT: classification, with the token mixers in the form that is deployed.

Source: Wang et al., "RepViT: Revisiting Mobile CNN From ViT Perspective" (2024), figure 3; what it
leaves open (depths, which blocks have a gate, its width, GELU) is as in the timm library, whose
weights load. In training a mixer is the sum of a 3x3 and a 1x1 convolution and its input, with
norms, and there is a second head for distillation: checkpoints have both, and are folded when they
are read, exactly up to rounding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN
from seaformer.models._checkpoints.layout import Layout
from seaformer.models._mobilenet import Classifier, Gate, PooledClassifier, divisible, norm_factors
from seaformer.models._official import renamed
from seaformer.models._tags import replaced, spec

EXPANSION = 2
NORM_EPS = 1e-5


@dataclass(frozen=True)
class RepVitRow:
    """One network: channels and blocks of its four stages, of 1/4 to 1/32."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]


class ChannelMixer(nn.Module):
    """1x1, GELU, 1x1, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expand = ConvBN(channels, channels * EXPANSION)
        self.activate = nn.GELU()
        self.project = ConvBN(channels * EXPANSION, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        y: Tensor = x + self.project(self.activate(self.expand(x)))
        return y


class Block(nn.Module):
    """Depthwise 3x3, perhaps a gate, then the channels are mixed."""

    def __init__(self, channels: int, *, gated: bool) -> None:
        super().__init__()
        self.mixer = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.gate = Gate(channels, divisible(channels / 4)) if gated else None
        self.channels = ChannelMixer(channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        x = self.mixer(x)
        y: Tensor = self.channels(x if self.gate is None else self.gate(x))
        return y


class Downsampling(nn.Module):
    """A block, depthwise 3x3 with stride 2, 1x1, and the channels are mixed."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.block = Block(channels_in, gated=False)
        self.halve = ConvBN(channels_in, channels_in, 3, 2, channels_in)
        self.widen = ConvBN(channels_in, channels)
        self.mix = ChannelMixer(channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/2 W/2."""
        y: Tensor = self.mix(self.widen(self.halve(self.block(x))))
        return y


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: RepVitRow) -> None:
        super().__init__()
        first = row.widths[0]
        self.stem = nn.Sequential(
            ConvBN(3, first // 2, 3, 2), nn.GELU(), ConvBN(first // 2, first, 3, 2)
        )
        self.downsample = nn.ModuleList(
            Downsampling(before, after)
            for before, after in zip(row.widths, row.widths[1:], strict=False)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width, gated=i % 2 == 0) for i in range(depth)))
            for width, depth in zip(row.widths, row.depths, strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x: Tensor = self.stages[0](self.stem(image))
        for downsample, stage in zip(self.downsample, list(self.stages)[1:], strict=True):
            x = stage(downsample(x))
        return x


class RepVit(Classifier):
    """Image B 3 H W to logits B classes."""

    backbone: Backbone
    DAMPED = ("project", "gate.expand")

    def __init__(self, row: RepVitRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = PooledClassifier(row.widths[-1], classes)


# Checkpoints ------------------------------------------------------------------------------------

_BLOCK = {
    "mixer": "token_mixer",
    "gate.reduce": "se.fc1",
    "gate.expand": "se.fc2",
    "channels.expand": "channel_mixer.conv1",
    "channels.project": "channel_mixer.conv2",
}
_DOWN = {
    "halve": "spatial_downsample",
    "widen": "channel_downsample",
    "mix.expand": "ffn.conv1",
    "mix.project": "ffn.conv2",
}
_MIXER = re.compile(r"(.+\.token_mixer)\.conv\.c\.weight")
_TRAINED = re.compile(r".+\.token_mixer\.(conv|conv1|bn)\..+|head\.head(_dist)?\..+")


def official_keys(network: RepVit) -> dict[str, str]:
    """Our state-dict key -> timm's, with the folded layers under the names of their modules."""
    prefixes = {
        "backbone.stem.0": "stem.conv1",
        "backbone.stem.2": "stem.conv2",
        "head.classify": "head",
    }
    backbone = network.backbone
    for i in range(len(backbone.downsample)):
        ours, theirs = f"backbone.downsample.{i}", f"stages.{i + 1}.downsample"
        prefixes |= {f"{ours}.{one}": f"{theirs}.{two}" for one, two in _DOWN.items()}
        prefixes |= {
            f"{ours}.block.{one}": f"{theirs}.pre_block.{two}" for one, two in _BLOCK.items()
        }
    for i, stage in enumerate(backbone.stages):
        for j, _ in enumerate(stage.children()):
            ours, theirs = f"backbone.stages.{i}.{j}", f"stages.{i}.blocks.{j}"
            prefixes |= {f"{ours}.{one}": f"{theirs}.{two}" for one, two in _BLOCK.items()}
    return renamed(network, prefixes, conv="c")


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """A checkpoint of the trained form with one convolution a mixer and one head."""
    mixers = [match[1] for key in state if (match := _MIXER.fullmatch(key))]
    if not mixers:
        return Layout(state)
    folded = {key: value for key, value in state.items() if not _TRAINED.fullmatch(key)}
    for mixer in mixers:
        folded[f"{mixer}.weight"], folded[f"{mixer}.bias"] = _folded_mixer(state, mixer)
    heads = [f"head.{name}" for name in ("head", "head_dist") if f"head.{name}.l.weight" in state]
    linear = [_folded_head(state, head) for head in heads]
    if linear:
        folded["head.weight"] = torch.stack([weight for weight, _ in linear]).mean(0).float()
        folded["head.bias"] = torch.stack([bias for _, bias in linear]).mean(0).float()
    return Layout(folded, "timm, as trained")


def _folded_mixer(state: Mapping[str, Tensor], mixer: str) -> tuple[Tensor, Tensor]:
    """norm(3x3 with norm + 1x1 + input) as one 3x3 convolution."""
    scale, shift = norm_factors(state, f"{mixer}.conv.bn", NORM_EPS)
    weight = state[f"{mixer}.conv.c.weight"].double() * scale[:, None, None, None]
    weight = weight + F.pad(state[f"{mixer}.conv1.weight"].double() + 1, [1] * 4)
    bias = shift + state[f"{mixer}.conv1.bias"].double()
    scale, shift = norm_factors(state, f"{mixer}.bn", NORM_EPS)
    return (weight * scale[:, None, None, None]).float(), (bias * scale + shift).float()


def _folded_head(state: Mapping[str, Tensor], head: str) -> tuple[Tensor, Tensor]:
    """A norm and a linear layer as one linear layer."""
    scale, shift = norm_factors(state, f"{head}.bn", NORM_EPS)
    weight = state[f"{head}.l.weight"].double()
    return weight * scale, state[f"{head}.l.bias"].double() + weight @ shift


# Rows -----------------------------------------------------------------------------------------

ROWS = {
    "m0_9": RepVitRow((48, 96, 192, 384), (2, 2, 14, 2)),
    "m1_0": RepVitRow((56, 112, 224, 448), (2, 2, 14, 2)),
    "m1_1": RepVitRow((64, 128, 256, 512), (2, 2, 12, 2)),
    "m1_5": RepVitRow((64, 128, 256, 512), (4, 4, 24, 4)),
    "m2_3": RepVitRow((80, 160, 320, 640), (6, 6, 34, 2)),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in ROWS:
        yield spec("repvit", size, "imagenet", 32, None)


def build(spec: ModelSpec, **fields: object) -> RepVit:
    """The network of ``spec``; ``fields`` of ``RepVitRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("repvit_")
    return RepVit(replaced(ROWS[size], fields), spec.classes)
