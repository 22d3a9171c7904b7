"""PP-MobileSeg: StrideFormer with strided SEA attention, and the aggregated attention module.

Source: Tang et al., "PP-MobileSeg: Explore the Fast and Accurate Semantic Segmentation Model on
Mobile Devices" (2023), sections 3.1-3.3; function and checkpoints as PaddlePaddle/PaddleSeg
(Apache-2.0), whose ``.pdparams`` files load. Sizes T and B.

What the text leaves open and PaddleSeg does, done here too: the hard sigmoid of squeeze-and-excite
is Paddle's, of slope 0.2; B aggregates at 1/8 without the gate of the finest map and without the
features of 1/16 (``detailed``), T at 1/16 with both. The paper draws one module for both sizes.
For T the map at 1/8 is resized to that at 1/16, which is PaddleSeg's half where the side is even.

The valid interpolate module is not here: it drops the classes that no place of the image has
before it resizes, so its shapes depend on the image and it has no weights. The answer is the
head's logits, as of any other model here; that step can only run behind a fixed graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._backbone import DAMPED
from seaformer.models._blocks import ConvBN, Mlp, Network, resized
from seaformer.models._checkpoints.layout import Layout
from seaformer.models._heads import LightHead
from seaformer.models._official import LAYER, renamed
from seaformer.models._paddlevit import torch_layout
from seaformer.models._sea_attention import SeaAttention
from seaformer.models._tags import PaperLine, replaced, spec
from seaformer.models.mobilenetv3 import BneckRow

STEM_CHANNELS = 16
SQUEEZE = 4
GATE_SLOPE = 1.2  # Paddle's hard sigmoid over torch's: 0.2 / (1 / 6)
SHARED = 1  # the stage whose output, at 1/8, is aggregated as it is
Maps = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class StrideFormerRow:
    """One size: ``bnecks`` are the blocks of its four stages, attention follows the last two.

    ``detailed`` is whether the aggregation gates with all three maps, at 1/16.
    """

    bnecks: tuple[tuple[BneckRow, ...], ...]
    heads: int
    depth: int
    detailed: bool
    key_dims: tuple[int, ...] = (16, 24)
    mlp_ratios: tuple[int, ...] = (2, 4)
    channels: int = 256

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the four stages."""
        return tuple(blocks[-1].channels for blocks in self.bnecks)


class PaddleExcite(nn.Module):
    """Scale channels by a gate computed from their means; the sigmoid is Paddle's hard one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // SQUEEZE, 1)
        self.fc2 = nn.Conv2d(channels // SQUEEZE, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C H W."""
        mean = x.mean((2, 3), keepdim=True)  # B C 1 1
        y: Tensor = x * F.hardsigmoid(GATE_SLOPE * self.fc2(F.relu(self.fc1(mean))))
        return y


class PaddleBneck(nn.Module):
    """MobileNetV3 block that always expands, also to as many channels as it has."""

    def __init__(self, channels_in: int, row: BneckRow) -> None:
        super().__init__()
        hidden = row.hidden
        self.expand = ConvBN(channels_in, hidden)
        self.depthwise = ConvBN(hidden, hidden, row.kernel, row.stride, groups=hidden)
        self.excite = PaddleExcite(hidden) if row.excites else None
        self.project = ConvBN(hidden, row.channels)
        self.residual = row.stride == 1 and channels_in == row.channels
        self.act = nn.Hardswish() if row.swish else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(self.depthwise(self.act(self.expand(x))))  # B t H/s W/s
        if self.excite is not None:
            hidden = self.excite(hidden)
        y: Tensor = self.project(hidden)  # B C' H/s W/s
        return x + y if self.residual else y


class StridedAttention(nn.Module):
    """Strided SEA attention (section 3.1): attention on half of the map, resized back."""

    def __init__(self, channels: int, heads: int, key_dim: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels, 3, 2, 1, groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.attention = SeaAttention(channels, heads, key_dim)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C H W."""
        half = self.norm(self.reduce(x))  # B C H/2 W/2
        return resized(self.attention(half), x)


class StridedLayer(nn.Module):
    """Strided attention and feed-forward network, each added to its input."""

    def __init__(self, channels: int, heads: int, key_dim: int, mlp_ratio: int) -> None:
        super().__init__()
        self.strided = StridedAttention(channels, heads, key_dim)
        self.mlp = Mlp(channels, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.strided(x)  # B C H W
        y: Tensor = x + self.mlp(x)  # B C H W
        return y


class StrideFormer(nn.Module):
    """The backbone (section 3.1): the image to its maps at 1/8, 1/16 and 1/32."""

    def __init__(self, row: StrideFormerRow) -> None:
        super().__init__()
        self.stem = ConvBN(3, STEM_CHANNELS, 3, stride=2)
        widths = iter((STEM_CHANNELS, *(b.channels for blocks in row.bnecks for b in blocks)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(PaddleBneck(next(widths), block) for block in blocks))
            for blocks in row.bnecks
        )
        settings = zip(row.widths[SHARED + 1 :], row.key_dims, row.mlp_ratios, strict=True)
        self.layers = nn.ModuleList(
            nn.Sequential(*(StridedLayer(c, row.heads, d, ratio) for _ in range(row.depth)))
            for c, d, ratio in settings
        )

    def forward(self, image: Tensor) -> Maps:
        x = F.hardswish(self.stem(image))  # B C H/2 W/2
        maps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i > SHARED:
                x = self.layers[i - SHARED - 1](x)
            maps.append(x)
        x8, x16, x32 = maps[SHARED:]
        return x8, x16, x32  # B C H/s W/s, s = 8, 16, 32


class DetailedAggregation(nn.Module):
    """Aggregated attention module of T (section 3.2): three maps vote, at 1/16."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.embed = nn.ModuleList(ConvBN(width, channels) for width in widths)
        self.gates = nn.ModuleList(ConvBN(width, channels) for width in widths)

    def forward(self, x8: Tensor, x16: Tensor, x32: Tensor) -> Tensor:
        """Returns B C H/16 W/16."""
        x8 = resized(x8, x16)
        gate = torch.sigmoid(self.gates[0](x8)) * torch.sigmoid(self.gates[1](x16))
        gate = gate * resized(torch.sigmoid(self.gates[2](x32)), x16)
        detail = self.embed[0](x8) + self.embed[1](x16)
        y: Tensor = gate * detail + resized(self.embed[2](x32), x16)
        return y


class Aggregation(nn.Module):
    """Aggregated attention module of B: the two coarser maps gate the finest, at 1/8."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.embed = nn.ModuleList((ConvBN(fine, channels), ConvBN(coarse, channels)))
        self.gates = nn.ModuleList((ConvBN(middle, channels), ConvBN(coarse, channels)))

    def forward(self, x8: Tensor, x16: Tensor, x32: Tensor) -> Tensor:
        """Returns B C H/8 W/8."""
        gate = torch.sigmoid(self.gates[0](resized(x16, x8)))
        gate = gate * resized(torch.sigmoid(self.gates[1](x32)), x8)
        y: Tensor = gate * self.embed[0](x8) + resized(self.embed[1](x32), x8)
        return y


class PPMobileSeg(Network):
    """Image B 3 H W to logits B classes h w, at 1/16 (T) or 1/8 (B)."""

    COMPONENTS = ("encoder", "aggregate", "head")
    DAMPED = (*DAMPED, "excite.fc2")

    def __init__(self, row: StrideFormerRow, classes: int) -> None:
        super().__init__()
        self.encoder = StrideFormer(row)
        aggregation = DetailedAggregation if row.detailed else Aggregation
        self.aggregate = aggregation(row.widths[SHARED:], row.channels)
        self.head = LightHead(row.channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.aggregate(*self.encoder(image)))
        return logits


# Names of weights: ours to PaddleSeg's ---------------------------------------------------------

_BNECK = {
    "expand": "expand_conv",
    "depthwise": "bottleneck_conv",
    "excite.fc1": "mid_se.conv1",
    "excite.fc2": "mid_se.conv2",
    "project": "linear_conv",
}


def official_keys(network: PPMobileSeg) -> dict[str, str]:
    """Our state-dict key -> PaddleSeg's, with torch's names for a norm's statistics."""
    backbone = {ours: f"backbone.{theirs}" for ours, theirs in _backbone_prefixes(network)}
    return renamed(network, backbone, conv="c") | renamed(network, dict(_other_prefixes(network)))


def _backbone_prefixes(network: PPMobileSeg) -> Iterator[tuple[str, str]]:
    encoder = network.encoder
    yield "encoder.stem", "smb1.conv"
    for s, stage in enumerate(encoder.stages):
        assert isinstance(stage, nn.Sequential)
        for i, (part, name) in itertools.product(range(len(stage)), _BNECK.items()):
            yield f"encoder.stages.{s}.{i}.{part}", f"smb{s + 1}.blocks.{i}.{name}"
    for s, layers in enumerate(encoder.layers):
        assert isinstance(layers, nn.Sequential)
        for i in range(len(layers)):
            ours, theirs = f"encoder.layers.{s}.{i}", f"trans{s + 1}.transformer_blocks.{i}"
            yield f"{ours}.strided.reduce", f"{theirs}.attn.stride_conv.0"
            yield f"{ours}.strided.norm", f"{theirs}.attn.stride_conv.1"
            for part, name in LAYER.items():
                inner = f"strided.{part}" if part.startswith("attention.") else part
                yield f"{ours}.{inner}", f"{theirs}.{name}"


def _other_prefixes(network: PPMobileSeg) -> Iterator[tuple[str, str]]:
    parts = {"embed": "embedding_list", "gates": "act_embedding_list"}
    for i, (ours, theirs) in itertools.product(range(3), parts.items()):
        yield f"aggregate.{ours}.{i}", f"backbone.inj_module.{theirs}.{i}"
    yield "head.scale", "decode_head.linear_fuse"
    yield "head.classify", "decode_head.conv_seg"


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """A file of PaddleSeg as torch has it; any other as it is."""
    if any(key.endswith("._variance") for key in state):
        return Layout(torch_layout(state), "PaddleSeg")
    return Layout(state)


# Rows -----------------------------------------------------------------------------------------


def _pair(kernel: int, first: int, second: int, channels: int) -> tuple[BneckRow, ...]:
    """A stage of two blocks with squeeze-and-excite and hard swish; the first has the stride."""
    return (
        BneckRow(kernel, first, channels, True, True, 2),
        BneckRow(kernel, second, channels, True, True, 1),
    )


def _first(last: BneckRow) -> tuple[BneckRow, ...]:
    """The first stage, which both sizes begin alike."""
    return BneckRow(3, 16, 16, True, False, 1), BneckRow(3, 64, 32, False, False, 2), last


_TINY = StrideFormerRow(
    bnecks=(
        _first(BneckRow(3, 48, 24, False, False, 1)),
        _pair(5, 96, 96, 32),
        _pair(5, 160, 160, 64),
        _pair(3, 384, 384, 128),
    ),
    heads=4,
    depth=2,
    detailed=True,
)
_BASE = StrideFormerRow(
    bnecks=(
        _first(BneckRow(3, 96, 32, False, False, 1)),
        _pair(5, 128, 240, 64),
        _pair(5, 384, 384, 128),
        _pair(5, 768, 768, 192),
    ),
    heads=8,
    depth=3,
    detailed=False,
)
SIZES = {"t": _TINY, "b": _BASE}
STRIDES = {"t": 16, "b": 8}
_TINY_LINE = PaperLine("ade20k", {"backbone": "PP-MobileSeg-T*"}, "mIoU", "miou")


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size, stride in STRIDES.items():
        line = _TINY_LINE if size == "t" else None
        yield spec("pp_mobileseg", size, "ade20k", stride=stride, published=line)


def build(spec: ModelSpec, **fields: object) -> PPMobileSeg:
    """The network of ``spec``; ``fields`` of ``StrideFormerRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("pp_mobileseg_")
    return PPMobileSeg(replaced(SIZES[size], fields), spec.classes)
