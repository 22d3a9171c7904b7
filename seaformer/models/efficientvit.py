"""EfficientViT: segmentation by attention without a softmax, linear in the places of a map.

Source: Cai et al., "EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense
Prediction" (ICCV 2023), figures 2 to 4; widths, biases and the head are as in
mit-han-lab/efficientvit, whose weights load. There a map of no more places than a head is wide
takes the products in the other order: the same function, and not written apart here. The authors
have no B0 for ADE20K; it is B0's head without the layer that widens it, as their B1 has it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._official import renamed
from seaformer.models._tags import replaced, spec

EXPANSION = 4
KEY_DIM = 16
KERNEL = 5  # of the convolution that gathers q, k and v of the second scale
EPS = 1e-15
HEAD_EXPANSION = 4


@dataclass(frozen=True)
class EfficientVitRow:
    """One network: channels and blocks at 1/2 to 1/32, width and blocks of the head.

    ``widened`` is whether the head ends with a layer four times as wide before the classes.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    channels: int
    depth: int
    widened: bool


class Local(nn.Module):
    """1x1 to ``expansion`` times the channels, depthwise 3x3, 1x1; hard swish after the first two.

    With expansion 1 the first is missing. ``normed``: all have norms, otherwise the last alone.
    """

    def __init__(
        self, channels_in: int, channels: int, stride: int, expansion: int, *, normed: bool
    ) -> None:
        super().__init__()
        hidden = channels_in * expansion
        kind = ConvBN if normed else _plain
        self.expand = kind(channels_in, hidden) if expansion > 1 else None
        self.depthwise = kind(hidden, hidden, 3, stride, hidden)
        self.project = ConvBN(hidden, channels)
        self.residual = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        hidden = x if self.expand is None else F.hardswish(self.expand(x))
        y: Tensor = self.project(F.hardswish(self.depthwise(hidden)))
        return x + y if self.residual else y


def _plain(
    channels_in: int, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """A convolution with a bias where others have a norm."""
    return nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups)


class LinearAttention(nn.Module):
    """What each query reads of all places: ReLU(k) v summed once, then weighed by ReLU(q).

    q, k and v are ``key`` channels each, side by side for each head. ``one`` is what the weights
    are summed up with, 1 unless v was scaled; ``eps`` is added to that sum.
    """

    def __init__(self, key: int, *, one: float = 1.0, eps: float = EPS) -> None:
        super().__init__()
        self.key, self.one, self.eps = key, one, eps

    def forward(self, qkv: Tensor) -> Tensor:
        """B 3*h*d H W to B h*d H W."""
        batch, channels, height, width = qkv.shape
        rows = qkv.reshape(batch * channels // (3 * self.key), 3 * self.key, height * width)
        q, k, v = (rows[:, i * self.key : (i + 1) * self.key] for i in range(3))  # B*h d N
        v = F.pad(v, (0, 0, 0, 1), value=self.one)  # B*h d+1 N: the last row sums up the weights
        kept = torch.bmm(v, F.relu(k).transpose(1, 2))  # B*h d+1 d
        y = torch.bmm(kept, F.relu(q))  # B*h d+1 N
        y = y[:, : self.key] / (y[:, self.key :] + self.eps)
        return y.reshape(batch, channels // 3, height, width)


class MultiScaleAttention(nn.Module):
    """Linear attention among places as they are, and among what each gathers around it."""

    def __init__(self, channels: int, key: int) -> None:
        super().__init__()
        wide = 3 * channels
        self.to_qkv = nn.Conv2d(channels, wide, 1, bias=False)
        self.gather = nn.Conv2d(wide, wide, KERNEL, padding=KERNEL // 2, groups=wide, bias=False)
        self.mix = nn.Conv2d(wide, wide, 1, groups=wide // key, bias=False)
        self.attend = LinearAttention(key)
        self.project = ConvBN(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same, its input added."""
        qkv = self.to_qkv(x)  # B 3C H W
        scales = torch.cat([qkv, self.mix(self.gather(qkv))], dim=1)  # B 6C H W
        y: Tensor = x + self.project(self.attend(scales))
        return y


class Block(nn.Module):
    """Attention, then an inverted residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = MultiScaleAttention(channels, KEY_DIM)
        self.local = Local(channels, channels, 1, EXPANSION, normed=False)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        y: Tensor = self.local(self.attention(x))
        return y


class Backbone(nn.Module):
    """The image to maps at 1/8, 1/16 and 1/32; the last two stages have attention."""

    def __init__(self, row: EfficientVitRow) -> None:
        super().__init__()
        first, *widths = row.widths
        self.stem = ConvBN(3, first, 3, 2)
        self.blocks = nn.Sequential(
            *(Local(first, first, 1, 1, normed=True) for _ in range(row.depths[0]))
        )
        self.stages = nn.ModuleList()
        for i, (before, width) in enumerate(zip(row.widths, widths, strict=False)):
            depth, local = row.depths[i + 1], i < 2
            down = Local(before, width, 2, EXPANSION, normed=local)
            more = (
                Local(width, width, 1, EXPANSION, normed=True) if local else Block(width)
                for _ in range(depth - 1 if local else depth)
            )
            self.stages.append(nn.Sequential(down, *more))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """B 3 H W to three maps, from the largest down."""
        x = self.blocks(F.hardswish(self.stem(image)))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps[1:])


class Enlarged(nn.Module):
    """A map at the height and width of another, bicubically."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """B C h w and B C' H W to B C H W."""
        return F.interpolate(x, size=like.shape[-2:], mode="bicubic", align_corners=False)


class SumHead(nn.Module):
    """All maps through a 1x1, added up at the size of the largest; inverted residuals, classes."""

    def __init__(self, inputs: tuple[int, ...], row: EfficientVitRow, classes: int) -> None:
        super().__init__()
        channels = row.channels
        self.inputs = nn.ModuleList(ConvBN(width, channels) for width in inputs)
        self.enlarge = nn.ModuleList(Enlarged() for _ in inputs[1:])
        self.blocks = nn.Sequential(
            *(Local(channels, channels, 1, EXPANSION, normed=True) for _ in range(row.depth))
        )
        wide = channels * HEAD_EXPANSION
        self.widen = ConvBN(channels, wide) if row.widened else None
        self.classify = nn.Conv2d(wide if row.widened else channels, classes, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Three maps to B classes H/8 W/8."""
        first, *others = (conv(x) for conv, x in zip(self.inputs, maps, strict=True))
        x = first
        for enlarge, other in zip(self.enlarge, others, strict=True):
            x = x + enlarge(other, first)
        x = self.blocks(x)
        x = x if self.widen is None else F.hardswish(self.widen(x))
        logits: Tensor = self.classify(x)
        return logits


class EfficientVit(Network):
    """Image B 3 H W to logits B classes H/8 W/8."""

    COMPONENTS = ("backbone", "head")
    DAMPED = ("project",)
    DAMPED_TO = (0.05, 0.1)  # what attention reads differs more among images than among places
    SETTLED_AT = 256
    backbone: Backbone
    head: SumHead

    def __init__(self, row: EfficientVitRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = SumHead(row.widths[2:], row, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to those of mit-han-lab/efficientvit -------------------------------------

_LOCAL = {"expand": "inverted_conv", "depthwise": "depth_conv", "project": "point_conv"}
_ATTENTION = {
    "to_qkv": "qkv.conv",
    "gather": "aggreg.0.0",
    "mix": "aggreg.0.1",
    "project": "proj",
}


def official_keys(network: EfficientVit) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key."""
    return renamed(network, dict(_prefixes(network)), bn="norm")


def _prefixes(network: EfficientVit) -> Iterator[tuple[str, str]]:
    backbone, head = network.backbone, network.head
    yield "backbone.stem", "backbone.input_stem.op_list.0"
    for i, block in enumerate(backbone.blocks):
        yield from _local(f"backbone.blocks.{i}", f"backbone.input_stem.op_list.{i + 1}", block)
    for s, stage in enumerate(backbone.stages):
        for i, block in enumerate(stage.children()):
            ours, theirs = f"backbone.stages.{s}.{i}", f"backbone.stages.{s}.op_list.{i}"
            if isinstance(block, Block):
                yield from _local(f"{ours}.local", f"{theirs}.local_module", block.local)
                for part, name in _ATTENTION.items():
                    yield f"{ours}.attention.{part}", f"{theirs}.context_module.main.{name}"
            else:
                yield from _local(ours, theirs, block)
    count = len(head.inputs)
    for i in range(count):  # theirs come from the smallest map up; the largest is not resized
        deeper = ".op_list.0" if i else ""
        yield f"head.inputs.{i}", f"head.input_ops.{count - 1 - i}{deeper}"
    for i, block in enumerate(head.blocks):
        yield from _local(f"head.blocks.{i}", f"head.middle.op_list.{i}", block)
    yield "head.widen", "head.output_ops.0.op_list.0"
    last = 0 if head.widen is None else 1
    yield "head.classify", f"head.output_ops.0.op_list.{last}.conv"


def _local(ours: str, theirs: str, block: nn.Module) -> Iterator[tuple[str, str]]:
    for part, name in _LOCAL.items():
        plain = ".conv" if isinstance(getattr(block, part), nn.Conv2d) else ""
        yield f"{ours}.{part}", f"{theirs}.main.{name}{plain}"


# Rows -----------------------------------------------------------------------------------------

_B0 = EfficientVitRow((8, 16, 32, 64, 128), (1, 2, 2, 2, 2), 32, 1, widened=True)
_B1 = EfficientVitRow((16, 32, 64, 128, 256), (1, 2, 3, 3, 4), 64, 3, widened=True)
SIZES = {"b0": _B0, "b1": _B1}
TAGS = ("ade20k", "cityscapes")


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size in SIZES:
        for tag in TAGS:
            yield spec("efficientvit", size, tag, stride=8, published=None)


def build(spec: ModelSpec, **fields: object) -> EfficientVit:
    """The network of ``spec``; ``fields`` of ``EfficientVitRow`` replace those of its row."""
    size, _, tag = spec.name.removeprefix("efficientvit_").partition(".")
    row = replaced(SIZES[size], {"widened": tag == "cityscapes"} | fields)
    return EfficientVit(row, spec.classes)
