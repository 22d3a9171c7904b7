"""MobileNetV2: classification at several widths, and segmentation with seven heads.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (CVPR 2018), table
2 (layers), section 6.1 (widths; the last convolution is never narrower than 1280) and 6.3
(segmentation keeps the map at 1/16 by dilation). Heads are in ``_aspp.py`` and ``_dense_heads.py``.

Three families of published weights differ in paddings, epsilon and names, not in cost:
TensorFlow's (under the names of the transformers library), torchvision's and mmsegmentation's. A
row states which it is; where a row has no published weights, it is TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._aspp import DeepLabV3Plus, LrAspp
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._checkpoints.layout import Layout, without
from seaformer.models._dense_heads import Fcn, LightAspp, Psp
from seaformer.models._mobilenet import divisible, google_conv_bn, low_and_last
from seaformer.models._mobilenetv2_names import MMSEG, TORCHVISION, TRANSFORMERS, official_names
from seaformer.models._tags import PaperLine, replaced, spec

# Table 2: expansion, output channels, repeats, stride of the first.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS, LAST_CHANNELS = 32, 1280
LAST_STAGES = 2  # of the last block, which a reduced network has half as wide
HEADS: Mapping[str, Callable[[int, int, int, int], nn.Module]] = {
    "laspp": LightAspp,
    "lraspp": LrAspp,
    "deeplabv3plus": DeepLabV3Plus,
    "fcn": Fcn,
    "psp": Psp,
}


@dataclass(frozen=True)
class MobileNetV2Row:
    """One network.

    ``width`` is the multiplier in percent, ``stride`` the last map's, ``low`` that of the finer
    map a head takes, ``reduced`` whether the last block is half as wide, ``head`` empty for a
    classifier, ``weights`` whose checkpoints it is for.
    """

    width: int = 100
    stride: int = 32
    low: int = 8
    reduced: bool = False
    head: str = ""
    head_channels: int = 256
    weights: str = TRANSFORMERS

    def channels(self, channels: int) -> int:
        """Channels at this width."""
        return divisible(round(channels * self.width / 100))


class BlockPlan(NamedTuple):
    """One inverted residual: its widths, and the stride of its output in the image."""

    channels_in: int
    channels: int
    expansion: int
    stride: int
    dilation: int
    at: int


def plan(row: MobileNetV2Row) -> list[BlockPlan]:
    """The blocks of a network, with dilation where strides would pass ``row.stride``.

    mmsegmentation dilates the block that loses its stride too, the others those behind it.
    """
    plans: list[BlockPlan] = []
    before, at, dilation = row.channels(STEM_CHANNELS), 2, 1
    for i, (expansion, channels, repeats, first) in enumerate(STAGES):
        halved = row.reduced and i >= len(STAGES) - LAST_STAGES
        after = row.channels(channels // 2 if halved else channels)
        for step in (first, *(1,) * (repeats - 1)):
            stride = step if at * step <= row.stride else 1
            at, lost = at * stride, step // stride
            wider = dilation * lost
            own = wider if row.weights == MMSEG else dilation
            plans.append(BlockPlan(before, after, expansion, stride, own, at))
            before, dilation = after, wider
    return plans


def conv_bn(
    row: MobileNetV2Row,
    channels_in: int,
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    groups: int = 1,
    dilation: int = 1,
) -> ConvBN:
    """A convolution and norm as the row's weights have them."""
    if row.weights == TRANSFORMERS:
        return google_conv_bn(channels_in, channels, kernel, stride, groups, dilation=dilation)
    return ConvBN(channels_in, channels, kernel, stride, groups, dilation=dilation)


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise 3x3, linear 1x1 project; ReLU6 after the first two (figure 4)."""

    def __init__(self, row: MobileNetV2Row, own: BlockPlan) -> None:
        super().__init__()
        hidden = own.channels_in * own.expansion
        self.expand = conv_bn(row, own.channels_in, hidden) if own.expansion > 1 else None
        self.depthwise = conv_bn(
            row, hidden, hidden, 3, own.stride, groups=hidden, dilation=own.dilation
        )
        self.project = conv_bn(row, hidden, own.channels)
        self.residual = own.stride == 1 and own.channels_in == own.channels

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        hidden = x if self.expand is None else F.relu6(self.expand(x))
        hidden = F.relu6(self.depthwise(hidden))
        y: Tensor = self.project(hidden)
        return x + y if self.residual else y


class Backbone(nn.Module):
    """The image to a map at 1/``row.low``, the last of its size, and the last map."""

    def __init__(self, row: MobileNetV2Row) -> None:
        super().__init__()
        plans = plan(row)
        self.stem = conv_bn(row, 3, plans[0].channels_in, 3, 2)
        self.blocks = nn.ModuleList(InvertedResidual(row, own) for own in plans)
        self.low = max(i for i, own in enumerate(plans) if own.at == row.low)
        self.low_channels, self.channels = plans[self.low].channels, plans[-1].channels

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu6(self.stem(image))  # B C H/2 W/2
        return low_and_last(self.blocks, x, self.low)


class ClassifyingHead(nn.Module):
    """The last 1x1, mean over the map, linear."""

    def __init__(self, row: MobileNetV2Row, channels_in: int, classes: int) -> None:
        super().__init__()
        channels = max(row.channels(LAST_CHANNELS), LAST_CHANNELS)
        self.last = conv_bn(row, channels_in, channels)
        self.classify = nn.Linear(channels, classes)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C h w to B classes; the low map is not looked at."""
        pooled = F.adaptive_avg_pool2d(F.relu6(self.last(high)), 1).flatten(1)  # B C'
        logits: Tensor = self.classify(pooled)
        return logits


class MobileNetV2(Network):
    """Image B 3 H W to logits, B classes or B classes h w."""

    COMPONENTS = ("backbone", "head")

    def __init__(self, row: MobileNetV2Row, classes: int) -> None:
        super().__init__()
        self.row = row
        self.backbone = Backbone(row)
        low, high = self.backbone.low_channels, self.backbone.channels
        self.head: nn.Module
        if row.head:
            self.head = HEADS[row.head](low, high, row.head_channels, classes)
        else:
            self.head = ClassifyingHead(row, high, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


# Names of weights: ours to those of the row's checkpoints --------------------------------------


def official_keys(network: MobileNetV2) -> dict[str, str]:
    """Our state-dict key -> the official one, for every key; some heads keep their own."""
    return official_names(network.row.weights, network.row.head, list(network.state_dict()))


def official_state(state: Mapping[str, Tensor]) -> Layout:
    """Without what segmentation files hold and nothing uses."""
    dense = any(key.startswith(("segmentation_head.", "head.classify.")) for key in state)
    unused = {key for key in state if dense and key.startswith("mobilenet_v2.conv_1x1.")}
    mmseg = any(key.startswith("decode_head.") for key in state)
    return without(state, unused, "mmsegmentation" if mmseg else "Hugging Face")


# Rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """A row with the lines of the paper that it is, by tag."""

    row: MobileNetV2Row
    tags: Mapping[str, PaperLine | None] = field(default_factory=lambda: {"imagenet": None})


def _ade20k(decoder: str) -> PaperLine:
    cells = {"backbone": "MobileNetV2", "decoder": decoder}
    return PaperLine("ade20k", cells, "mIoU", "miou")


def _cityscapes(method: str) -> PaperLine:
    cells = {"method": method, "backbone": "MobileNetV2"}
    return PaperLine("cityscapes", cells, "mIoU val", "miou_val")


_TOP1 = PaperLine("imagenet", {"model": "MobileNetV2"}, "top-1", "top1")
_OTHER_WIDTHS = (25, 35, 50, 75, 130, 140, 150, 200)
VARIANTS: dict[str, Variant] = {
    "100": Variant(MobileNetV2Row(), {"imagenet": _TOP1}),
    **{f"x{width:03}": Variant(MobileNetV2Row(width)) for width in _OTHER_WIDTHS},
    "100_torchvision": Variant(MobileNetV2Row(weights=TORCHVISION)),
    "laspp": Variant(MobileNetV2Row(stride=16, head="laspp"), {"ade20k": None, "cityscapes": None}),
    "lraspp": Variant(
        MobileNetV2Row(stride=16, head="lraspp", head_channels=128),
        {"ade20k": _ade20k("LR-ASPP")},
    ),
    # Row 4 of table 7 of the MobileNetV3 paper, 72.74: what table 3 calls L-ASPP.
    "r_lraspp": Variant(
        MobileNetV2Row(stride=16, reduced=True, head="lraspp", head_channels=128),
        {"cityscapes": _cityscapes("L-ASPP")},
    ),
    "deeplabv3plus": Variant(
        MobileNetV2Row(stride=16, low=4, head="deeplabv3plus", head_channels=512),
        {"ade20k": _ade20k("DeepLabV3+")},
    ),
    # With the auxiliary head of mmsegmentation (64 channels on the 96 at 1/16) 2.9 M, as printed.
    "lite_aspp": Variant(
        MobileNetV2Row(stride=16, low=4, head="deeplabv3plus", head_channels=128),
        {"ade20k": _ade20k("Lite-ASPP")},
    ),
    "fcn": Variant(
        MobileNetV2Row(stride=8, head="fcn", head_channels=512, weights=MMSEG),
        {"cityscapes": _cityscapes("FCN")},
    ),
    "psp": Variant(
        MobileNetV2Row(stride=8, head="psp", head_channels=512, weights=MMSEG),
        {"cityscapes": _cityscapes("PSPNet")},
    ),
}
_ANSWERS_AT_LOW = ("lraspp", "deeplabv3plus")


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for size, variant in VARIANTS.items():
        row = variant.row
        stride = row.low if row.head in _ANSWERS_AT_LOW else row.stride
        for tag, published in variant.tags.items():
            yield spec("mobilenetv2", size, tag, stride, published)


def build(spec: ModelSpec, **fields: object) -> MobileNetV2:
    """The network of ``spec``; ``fields`` of ``MobileNetV2Row`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("mobilenetv2_")
    return MobileNetV2(replaced(VARIANTS[size].row, fields), spec.classes)
