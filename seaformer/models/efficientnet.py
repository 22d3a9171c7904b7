"""EfficientNet: classification, and segmentation with DeepLabV3+.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML
2019), table 1 (layers of B0) and equation 3 (widths and depths of the others). The published
weights are TensorFlow's, under the names of the transformers library: its padding, and norms with
an epsilon of 1e-3.

The SeaFormer++ paper does not state which EfficientNet its table 2 has with DeepLabV3+. It is read
as B0 with the last map at 1/16: this, with the head of its MobileNetV2 row, is the only one of B0
to B2 at 1/8, 1/16 and 1/32 that meets both its 17.1 M and its 26.9 G.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._aspp import DeepLabV3Plus
from seaformer.models._blocks import Network
from seaformer.models._mobilenet import Gate, divisible, google_conv_bn, low_and_last
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec

# Table 1: expansion, output channels, repeats, stride of the first, kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
STEM_CHANNELS, LAST_CHANNELS = 32, 1280
SQUEEZE = 4  # of the channels that come into a block, not of the expanded ones


@dataclass(frozen=True)
class EfficientNetRow:
    """One network: widths and depths in percent of B0's.

    ``stride`` is the last map's, ``head`` empty for a classifier.
    """

    width: int = 100
    depth: int = 100
    stride: int = 32
    head: str = ""
    head_channels: int = 512

    def channels(self, channels: int) -> int:
        """Channels at this width."""
        return divisible(channels * self.width / 100)

    def repeats(self, repeats: int) -> int:
        """Blocks at this depth, rounded up."""
        return -(-repeats * self.depth // 100)


class BlockPlan(NamedTuple):
    """One block: its widths, its kernel, and the stride of its output in the image."""

    channels_in: int
    channels: int
    expansion: int
    kernel: int
    stride: int
    dilation: int
    at: int


def plan(row: EfficientNetRow) -> list[BlockPlan]:
    """The blocks of a network, with dilation behind strides that would pass ``row.stride``."""
    plans: list[BlockPlan] = []
    before, at, dilation = row.channels(STEM_CHANNELS), 2, 1
    for expansion, channels, repeats, first, kernel in STAGES:
        after = row.channels(channels)
        for step in (first, *(1,) * (row.repeats(repeats) - 1)):
            stride = step if at * step <= row.stride else 1
            at *= stride
            plans.append(BlockPlan(before, after, expansion, kernel, stride, dilation, at))
            before, dilation = after, dilation * step // stride
    return plans


class Block(nn.Module):
    """1x1 expand, depthwise, gate, linear 1x1 project; SiLU after the first two."""

    def __init__(self, own: BlockPlan) -> None:
        super().__init__()
        hidden = own.channels_in * own.expansion
        self.act = nn.SiLU()
        self.expand = google_conv_bn(own.channels_in, hidden) if own.expansion > 1 else None
        self.depthwise = google_conv_bn(
            hidden, hidden, own.kernel, own.stride, hidden, dilation=own.dilation
        )
        self.gate = Gate(hidden, own.channels_in // SQUEEZE, nn.SiLU())
        self.project = google_conv_bn(hidden, own.channels)
        self.residual = own.stride == 1 and own.channels_in == own.channels

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        hidden = x if self.expand is None else self.act(self.expand(x))
        y: Tensor = self.project(self.gate(self.act(self.depthwise(hidden))))
        return x + y if self.residual else y


class Backbone(nn.Module):
    """The image to the last map at 1/4 and the last map of all."""

    LOW = 4

    def __init__(self, row: EfficientNetRow) -> None:
        super().__init__()
        plans = plan(row)
        self.stem = google_conv_bn(3, plans[0].channels_in, 3, 2)
        self.act = nn.SiLU()
        self.blocks = nn.ModuleList(Block(own) for own in plans)
        self.low = max(i for i, own in enumerate(plans) if own.at == self.LOW)
        self.low_channels, self.channels = plans[self.low].channels, plans[-1].channels

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """B 3 H W to B C H/4 W/4 and B C' h w."""
        x = self.act(self.stem(image))  # B C H/2 W/2
        return low_and_last(self.blocks, x, self.low)


class ClassifyingHead(nn.Module):
    """The last 1x1, mean over the map, linear."""

    def __init__(self, row: EfficientNetRow, channels_in: int, classes: int) -> None:
        super().__init__()
        channels = row.channels(LAST_CHANNELS)
        self.last = google_conv_bn(channels_in, channels)
        self.act = nn.SiLU()
        self.classify = nn.Linear(channels, classes)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C h w to B classes; the low map is not looked at."""
        mean = self.act(self.last(high)).mean((2, 3), keepdim=True)  # B C' 1 1
        logits: Tensor = self.classify(mean.flatten(1))
        return logits


class EfficientNet(Network):
    """Image B 3 H W to logits, B classes or B classes H/4 W/4."""

    COMPONENTS = ("backbone", "head")
    DAMPED = ("project", "gate.expand")

    def __init__(self, row: EfficientNetRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        low, high = self.backbone.low_channels, self.backbone.channels
        self.head: nn.Module
        if row.head:
            self.head = DeepLabV3Plus(low, high, row.head_channels, classes)
        else:
            self.head = ClassifyingHead(row, high, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to the transformers library's ------------------------------------------

_LAYERS = {
    "expand": ("expansion.expand_conv", "expansion.expand_bn"),
    "depthwise": ("depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm"),
    "project": ("projection.project_conv", "projection.project_bn"),
}


def official_keys(network: EfficientNet) -> dict[str, str]:
    """Our state-dict key -> the library's, for every key; DeepLabV3+ keeps ours."""
    stem, encoder = "efficientnet.embeddings", "efficientnet.encoder"
    names = {
        "backbone.stem.conv": f"{stem}.convolution",
        "backbone.stem.bn": f"{stem}.batchnorm",
        "head.last.conv": f"{encoder}.top_conv",
        "head.last.bn": f"{encoder}.top_bn",
        "head.classify": "classifier",
    }
    for i in range(len(network.backbone.blocks)):
        ours, theirs = f"backbone.blocks.{i}", f"{encoder}.blocks.{i}"
        names[f"{ours}.gate"] = f"{theirs}.squeeze_excite"
        for layer, (conv, bn) in _LAYERS.items():
            names[f"{ours}.{layer}.conv"] = f"{theirs}.{conv}"
            names[f"{ours}.{layer}.bn"] = f"{theirs}.{bn}"
    return {key: key for key in network.state_dict()} | renamed(network, names)


# Rows -----------------------------------------------------------------------------------------

_B1 = PaperLine("imagenet", {"model": "EfficientNet-B1"}, "top-1", "top1")
_DEEPLAB = {"backbone": "EfficientNet", "decoder": "DeepLabV3+"}
ROWS: dict[str, tuple[EfficientNetRow, str, PaperLine | None]] = {
    "b0": (EfficientNetRow(), "imagenet", None),
    "b1": (EfficientNetRow(depth=110), "imagenet_240", _B1),
    "b0_deeplabv3plus": (
        EfficientNetRow(stride=16, head="deeplabv3plus"),
        "ade20k",
        PaperLine("ade20k", _DEEPLAB, "mIoU", "miou"),
    ),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size, (row, tag, published) in ROWS.items():
        stride = Backbone.LOW if row.head else row.stride
        yield spec("efficientnet", size, tag, stride, published)


def build(spec: ModelSpec, **fields: object) -> EfficientNet:
    """The network of ``spec``; ``fields`` of ``EfficientNetRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("efficientnet_")
    return EfficientNet(replaced(ROWS[size][0], fields), spec.classes)
