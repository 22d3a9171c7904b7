"""ShuffleNetV2: classification, and segmentation with DeepLabV3+.

Source: Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design" (ECCV
2018), figure 3 and table 5, under torchvision's weights' names. For segmentation the last 1x1 is
left out, and the head is that of MobileNetV2's row in the SeaFormer++ paper. It does not state the
output stride: with the last map at 1/32 the FLOPs are its 15.3 G.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._aspp import DeepLabV3Plus
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._official import renamed
from seaformer.models._tags import PaperLine, replaced, spec

DEPTHS = (4, 8, 4)
STEM_CHANNELS = 24


@dataclass(frozen=True)
class ShuffleNetV2Row:
    """One network: channels of its three stages, of 1/8 to 1/32, and of the last 1x1.

    ``head`` is empty for a classifier.
    """

    widths: tuple[int, ...]
    last: int = 1024
    head: str = ""
    head_channels: int = 512


class Branch(nn.Module):
    """1x1 (in some), depthwise 3x3, 1x1; ReLU behind the 1x1."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, narrowed: bool) -> None:
        super().__init__()
        inside = channels if narrowed else channels_in
        self.narrow = ConvBN(channels_in, channels) if narrowed else None
        self.depthwise = ConvBN(inside, inside, 3, stride, inside)
        self.mix = ConvBN(inside, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        x = x if self.narrow is None else F.relu(self.narrow(x))
        return F.relu(self.mix(self.depthwise(x)))


class Unit(nn.Module):
    """Half of the channels as they are or through a branch, half through another, shuffled."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        half = channels // 2
        into = channels_in if stride > 1 else half
        self.left = Branch(channels_in, half, stride, narrowed=False) if stride > 1 else None
        self.right = Branch(into, half, stride, narrowed=True)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        if self.left is None:
            half = x.shape[1] // 2
            kept, changed = x[:, :half], x[:, half:]  # slices, which XNNPACK takes
        else:
            kept, changed = self.left(x), x
        pairs = torch.cat((kept, self.right(changed)), dim=1)
        batch, _, height, width = pairs.shape
        pairs = pairs.reshape(batch, 2, -1, height, width).transpose(1, 2)  # B C'/2 2 h w
        return pairs.reshape(batch, -1, height, width)


class Backbone(nn.Module):
    """The image to its maps at 1/4 and at 1/32."""

    LOW = 4

    def __init__(self, row: ShuffleNetV2Row) -> None:
        super().__init__()
        self.stem = ConvBN(3, STEM_CHANNELS, 3, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        inputs = (STEM_CHANNELS, *row.widths)
        self.stages = nn.ModuleList(
            nn.Sequential(*(Unit(after if i else before, after, 1 if i else 2) for i in range(n)))
            for before, after, n in zip(inputs, row.widths, DEPTHS, strict=False)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """B 3 H W to B C H/4 W/4 and B C' H/32 W/32."""
        low: Tensor = self.pool(F.relu(self.stem(image)))
        x = low
        for stage in self.stages:
            x = stage(x)
        return low, x


class ClassifyingHead(nn.Module):
    """The last 1x1, mean over the map, linear."""

    def __init__(self, channels_in: int, channels: int, classes: int) -> None:
        super().__init__()
        self.last = ConvBN(channels_in, channels)
        self.classify = nn.Linear(channels, classes)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C h w to B classes; the low map is not looked at."""
        mean = F.relu(self.last(high)).mean((2, 3), keepdim=True).flatten(1)  # B C'
        logits: Tensor = self.classify(mean)
        return logits


class ShuffleNetV2(Network):
    """Image B 3 H W to logits, B classes or B classes H/4 W/4."""

    COMPONENTS = ("backbone", "head")

    def __init__(self, row: ShuffleNetV2Row, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        high = row.widths[-1]
        self.head: nn.Module
        if row.head:
            self.head = DeepLabV3Plus(STEM_CHANNELS, high, row.head_channels, classes)
        else:
            self.head = ClassifyingHead(high, row.last, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to torchvision's -------------------------------------------------------

_BRANCHES = {
    "left.depthwise": ("branch1", 0),
    "left.mix": ("branch1", 2),
    "right.narrow": ("branch2", 0),
    "right.depthwise": ("branch2", 3),
    "right.mix": ("branch2", 5),
}


def official_keys(network: ShuffleNetV2) -> dict[str, str]:
    """Our state-dict key -> torchvision's, for every key; DeepLabV3+ keeps ours."""
    names = {
        "backbone.stem.conv": "conv1.0",
        "backbone.stem.bn": "conv1.1",
        "head.last.conv": "conv5.0",
        "head.last.bn": "conv5.1",
    }
    if isinstance(network.head, ClassifyingHead):
        names["head.classify"] = "fc"
    for i, stage in enumerate(network.backbone.stages):
        for j, _ in enumerate(stage.children()):
            ours, theirs = f"backbone.stages.{i}.{j}", f"stage{i + 2}.{j}"
            for part, (branch, place) in _BRANCHES.items():
                names[f"{ours}.{part}.conv"] = f"{theirs}.{branch}.{place}"
                names[f"{ours}.{part}.bn"] = f"{theirs}.{branch}.{place + 1}"
    return {key: key for key in network.state_dict()} | renamed(network, names)


# Rows -----------------------------------------------------------------------------------------

_X150 = (176, 352, 704)
_DEEPLAB = {"backbone": "ShuffleNetV2-1.5x", "decoder": "DeepLabV3+"}
ROWS: dict[str, tuple[ShuffleNetV2Row, str, PaperLine | None]] = {
    "x150": (ShuffleNetV2Row(_X150), "imagenet", None),
    "x150_deeplabv3plus": (
        ShuffleNetV2Row(_X150, head="deeplabv3plus"),
        "ade20k",
        PaperLine("ade20k", _DEEPLAB, "mIoU", "miou"),
    ),
}


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size, (_, tag, published) in ROWS.items():
        yield spec("shufflenetv2", size, tag, Backbone.LOW, published)


def build(spec: ModelSpec, **fields: object) -> ShuffleNetV2:
    """The network of ``spec``; ``fields`` of ``ShuffleNetV2Row`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("shufflenetv2_")
    return ShuffleNetV2(replaced(ROWS[size][0], fields), spec.classes)
