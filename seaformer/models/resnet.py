"""ResNet18 with Lite-ASPP: segmentation by plain residual blocks and a small atrous pyramid.

Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), table 1 (18 layers);
the stem of three 3x3 and where a block is dilated are as in mmsegmentation, whose weights' names
are used. For segmentation the last map is at 1/16.

The SeaFormer++ paper cites DeepLabV3+ for Lite-ASPP and describes it no further. It is read as the
head of ``_aspp.py`` with 128 channels, and with mmsegmentation's 12 of the finer map, as that
library has it on ResNet18. With its auxiliary head of training (64 channels at 1/16) this is the
12.5 M of the paper, and its 19.2 G; with the plain 7x7 stem it would be 17.9 G.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._aspp import DeepLabV3Plus
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec

WIDTHS = (64, 128, 256, 512)
BLOCKS = 2  # of every stage
LOW = 4


@dataclass(frozen=True)
class ResNetRow:
    """One network: channels of the stem and the head, and the stride of the last map."""

    stem_channels: int = 32
    stride: int = 16
    head_channels: int = 128
    low_channels: int = 12


class BasicBlock(nn.Module):
    """Two 3x3, the first dilated, added to the input, or to a 1x1 of it where shapes change."""

    def __init__(self, channels_in: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(channels_in, channels, 3, stride, dilation=dilation)
        self.conv2 = ConvBN(channels, channels, 3)
        changes = stride > 1 or channels_in != channels
        self.shortcut = ConvBN(channels_in, channels, 1, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        y: Tensor = self.conv2(F.relu(self.conv1(x)))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Backbone(nn.Module):
    """The image to its maps at 1/4 and at ``row.stride``."""

    def __init__(self, row: ResNetRow) -> None:
        super().__init__()
        stem = row.stem_channels
        self.stem = nn.ModuleList(
            [ConvBN(3, stem, 3, 2), ConvBN(stem, stem, 3), ConvBN(stem, WIDTHS[0], 3)]
        )
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.stages = nn.ModuleList()
        before, at, dilation = WIDTHS[0], LOW, 1
        for channels in WIDTHS:
            step = 1 if channels == before else 2
            stride = step if at * step <= row.stride else 1
            first, dilation = dilation, dilation * step // stride
            self.stages.append(
                nn.Sequential(
                    BasicBlock(before, channels, stride, first),
                    *(BasicBlock(channels, channels, 1, dilation) for _ in range(1, BLOCKS)),
                )
            )
            before, at = channels, at * stride

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """B 3 H W to B C H/4 W/4 and B C' h w."""
        x = image
        for conv in self.stem:
            x = F.relu(conv(x))
        low: Tensor = self.stages[0](self.pool(x))
        x = low
        for stage in self.stages[1:]:
            x = stage(x)
        return low, x


class ResNet(Network):
    """Image B 3 H W to logits B classes H/4 W/4."""

    COMPONENTS = ("backbone", "head")
    DAMPED = ("conv2",)

    def __init__(self, row: ResNetRow, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = DeepLabV3Plus(
            WIDTHS[0], WIDTHS[-1], row.head_channels, classes, row.low_channels
        )

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to mmsegmentation's -----------------------------------------------------

_HEAD = {
    "pooled": "image_pool.1",
    "plain": "aspp_modules.0",
    **{f"atrous.{i}": f"aspp_modules.{i + 1}" for i in range(len(DeepLabV3Plus.RATES))},
    "bottleneck": "bottleneck",
    "low": "c1_bottleneck",
    "refine": "sep_bottleneck",
    "classify": "conv_seg",
}


def official_keys(network: ResNet) -> dict[str, str]:
    """Our state-dict key -> mmsegmentation's, for every key."""
    names = {}
    for i, _ in enumerate(network.backbone.stem):
        names[f"backbone.stem.{i}.conv"] = f"backbone.stem.{3 * i}"
        names[f"backbone.stem.{i}.bn"] = f"backbone.stem.{3 * i + 1}"
    for stage, _ in enumerate(WIDTHS):
        for block in range(BLOCKS):
            ours, theirs = f"backbone.stages.{stage}.{block}", f"backbone.layer{stage + 1}.{block}"
            for n in (1, 2):
                names[f"{ours}.conv{n}.conv"] = f"{theirs}.conv{n}"
                names[f"{ours}.conv{n}.bn"] = f"{theirs}.bn{n}"
            names[f"{ours}.shortcut.conv"] = f"{theirs}.downsample.0"
            names[f"{ours}.shortcut.bn"] = f"{theirs}.downsample.1"
    names |= {f"head.{ours}": f"decode_head.{theirs}" for ours, theirs in _HEAD.items()}
    keys = renamed(network, names)
    return {key: _separable(theirs) for key, theirs in keys.items()}


def _separable(key: str) -> str:
    """The two layers of a separable convolution are ``ConvModule`` there."""
    key = key.replace(".depthwise.", ".depthwise_conv.")
    return key.replace(".pointwise.", ".pointwise_conv.")


# Rows -----------------------------------------------------------------------------------------

_LINE = {"backbone": "ResNet18", "decoder": "Lite-ASPP"}
ROWS = {"lite_aspp": (ResNetRow(), PaperLine("ade20k", _LINE, "mIoU", "miou"))}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size, (_, published) in ROWS.items():
        yield spec("resnet18", size, "ade20k", LOW, published, module="resnet")


def build(spec: ModelSpec, **fields: object) -> ResNet:
    """The network of ``spec``; ``fields`` of ``ResNetRow`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("resnet18_")
    return ResNet(replaced(ROWS[size][0], fields), spec.classes)
