"""MobileNetV3: classification, and segmentation with the LR-ASPP head.

Source: Howard et al., "Searching for MobileNetV3" (ICCV 2019), tables 1 and 2 (Large, Small),
section 5.1-5.3 (blocks) and 6.4 (the head is in ``_aspp.py``). Names of weights are torchvision's,
so its files load; the epsilon of norms and squeeze widths are facts about them.

For segmentation the last stage keeps the map at 1/16 by dilation, and ``lr`` and ``sr`` (the
paper's "RF2") have a last stage half as wide.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._aspp import LrAspp
from seaformer.models._blocks import ConvBN, Network
from seaformer.models._mobilenet import divisible, low_and_last
from seaformer.models._official import renamed
from seaformer.models._tags import CLASSIFICATION, PaperLine, replaced, spec

SQUEEZE = 4
LOW_STRIDE = 8


class BneckRow(NamedTuple):
    """One line of table 1 or 2: kernel, expanded and output channels, SE, HS or RE, stride."""

    kernel: int
    hidden: int
    channels: int
    excites: bool
    swish: bool
    stride: int
    dilation: int = 1


@dataclass(frozen=True)
class MobileNetV3Row:
    """One network: its lines, and the width of the classifier's hidden layer."""

    rows: tuple[BneckRow, ...]
    hidden: int
    head_channels: int = 128
    stem_channels: int = 16

    @property
    def channels(self) -> int:
        """Channels of the last convolution."""
        return 6 * self.rows[-1].channels


conv_bn = partial(ConvBN, eps=1e-3)  # as all norms of the backbone; the head's have PyTorch's


class SqueezeExcite(nn.Module):
    """Scale channels by a gate computed from their means (section 5.3); the sigmoid is hard."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels // SQUEEZE)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C H W."""
        mean = x.mean((2, 3), keepdim=True)  # B C 1 1
        y: Tensor = x * F.hardsigmoid(self.fc2(F.relu(self.fc1(mean))))
        return y


class Bneck(nn.Module):
    """Inverted residual with an optional squeeze-and-excite behind its depthwise convolution."""

    def __init__(self, channels_in: int, row: BneckRow) -> None:
        super().__init__()
        hidden, stride = row.hidden, 1 if row.dilation > 1 else row.stride
        self.expand = conv_bn(channels_in, hidden) if hidden != channels_in else None
        self.depthwise = conv_bn(hidden, hidden, row.kernel, stride, hidden, dilation=row.dilation)
        self.excite = SqueezeExcite(hidden) if row.excites else None
        self.project = conv_bn(hidden, row.channels)
        self.residual = row.stride == 1 and channels_in == row.channels
        self.act = nn.Hardswish() if row.swish else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else self.act(self.expand(x))
        hidden = self.act(self.depthwise(hidden))
        if self.excite is not None:
            hidden = self.excite(hidden)
        y: Tensor = self.project(hidden)
        return x + y if self.residual else y


class Backbone(nn.Module):
    """The image to its 1/8 map, just behind the stride, and the last one (1/32, dilated 1/16)."""

    def __init__(self, row: MobileNetV3Row) -> None:
        super().__init__()
        widths = (row.stem_channels, *(block.channels for block in row.rows))
        self.stem = conv_bn(3, row.stem_channels, 3, stride=2)
        self.blocks = nn.ModuleList(
            Bneck(c, block) for c, block in zip(widths, row.rows, strict=False)
        )
        self.last = conv_bn(widths[-1], row.channels)
        self.act = nn.Hardswish()
        strides = list(itertools.accumulate((b.stride for b in row.rows), lambda a, b: a * b))
        self.low = strides.index(LOW_STRIDE // 2)
        self.low_channels = row.rows[self.low].channels

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.act(self.stem(image))  # B C H/2 W/2
        low, x = low_and_last(self.blocks, x, self.low)
        return low, self.act(self.last(x))


class ClassifyingHead(nn.Module):
    """Mean over the map, linear, hard swish, linear."""

    def __init__(self, row: MobileNetV3Row, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(row.channels, row.hidden)
        self.act = nn.Hardswish()
        self.classify = nn.Linear(row.hidden, classes)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C H W to B classes; the low map is not looked at."""
        pooled = high.mean((2, 3), keepdim=True).flatten(1)  # B C
        logits: Tensor = self.classify(self.act(self.hidden(pooled)))
        return logits


class MobileNetV3(Network):
    """Image B 3 H W to logits, B classes or B classes H/8 W/8."""

    COMPONENTS = ("backbone", "head")
    # Gates that swing from 0 to 1 blow white noise up until rounding is seen in the answer.
    DAMPED = ("project", "excite.fc2")

    def __init__(self, row: MobileNetV3Row, task: str, classes: int) -> None:
        super().__init__()
        if task != CLASSIFICATION:
            row = replaced(row, {"rows": _dilated(row.rows)})
        self.backbone = Backbone(row)
        self.head: ClassifyingHead | LrAspp
        if task == CLASSIFICATION:
            self.head = ClassifyingHead(row, classes)
        else:
            low = self.backbone.low_channels
            self.head = LrAspp(low, row.channels, row.head_channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(*self.backbone(image))
        return logits


def _dilated(rows: tuple[BneckRow, ...]) -> tuple[BneckRow, ...]:
    """The lines from the last stride on, at the resolution before it."""
    last = max(i for i, row in enumerate(rows) if row.stride == 2)
    return (*rows[:last], *(row._replace(dilation=2) for row in rows[last:]))


# Names of weights: ours to torchvision's -------------------------------------------------------


def official_keys(network: MobileNetV3) -> dict[str, str]:
    """Our state-dict key -> torchvision's, for every key of ``network``."""
    return renamed(network, dict(_prefixes(network)), conv="0", bn="1")


def _prefixes(network: MobileNetV3) -> Iterator[tuple[str, str]]:
    segments = isinstance(network.head, LrAspp)
    features = "backbone" if segments else "features"
    yield "backbone.stem", f"{features}.0"
    for i, block in enumerate(network.backbone.blocks):
        for j, (part, _) in enumerate(block.named_children()):  # absent parts are not counted
            yield f"backbone.blocks.{i}.{part}", f"{features}.{i + 1}.block.{j}"
    yield "backbone.last", f"{features}.{len(network.backbone.blocks) + 1}"
    if segments:
        yield "head.project", "classifier.cbr"
        yield "head.gate", "classifier.scale.1"
        yield "head.classify.low", "classifier.low_classifier"
        yield "head.classify.high", "classifier.high_classifier"
    else:
        yield "head.hidden", "classifier.0"
        yield "head.classify", "classifier.3"


# Rows -----------------------------------------------------------------------------------------

_RELU_PART = (
    BneckRow(3, 16, 16, False, False, 1),
    BneckRow(3, 64, 24, False, False, 2),
    BneckRow(3, 72, 24, False, False, 1),
    BneckRow(5, 72, 40, True, False, 2),
    BneckRow(5, 120, 40, True, False, 1),
    BneckRow(5, 120, 40, True, False, 1),
)
_SWISH_PART = (
    BneckRow(3, 240, 80, False, True, 2),
    BneckRow(3, 200, 80, False, True, 1),
    BneckRow(3, 184, 80, False, True, 1),
    BneckRow(3, 184, 80, False, True, 1),
    BneckRow(3, 480, 112, True, True, 1),
    BneckRow(3, 672, 112, True, True, 1),
)


def _tail(first: int, channels: int) -> tuple[BneckRow, ...]:
    """The last stage: a line with a stride, and two that expand six times."""
    body = BneckRow(5, 6 * channels, channels, True, True, 1)
    return (BneckRow(5, first, channels, True, True, 2), body, body)


_SMALL = (
    BneckRow(3, 16, 16, True, False, 2),
    BneckRow(3, 72, 24, False, False, 2),
    BneckRow(3, 88, 24, False, False, 1),
    BneckRow(5, 96, 40, True, True, 2),
    BneckRow(5, 240, 40, True, True, 1),
    BneckRow(5, 240, 40, True, True, 1),
    BneckRow(5, 120, 48, True, True, 1),
    BneckRow(5, 144, 48, True, True, 1),
)
SIZES = {
    "l": MobileNetV3Row((*_RELU_PART, *_SWISH_PART, *_tail(672, 160)), hidden=1280),
    "lr": MobileNetV3Row((*_RELU_PART, *_SWISH_PART, *_tail(672, 80)), hidden=640),
    "s": MobileNetV3Row((*_SMALL, *_tail(288, 96)), hidden=1024),
    "sr": MobileNetV3Row((*_SMALL, *_tail(288, 48)), hidden=512),
}
WIDTHS = (35, 50, 75, 125)  # of figure 1, in percent


def _wider(row: MobileNetV3Row, percent: int) -> MobileNetV3Row:
    """A network with all its channels multiplied, and the classifier's where it grows."""

    def channels(count: int) -> int:
        return divisible(count * percent / 100)

    rows = tuple(
        line._replace(hidden=channels(line.hidden), channels=channels(line.channels))
        for line in row.rows
    )
    hidden = max(row.hidden, channels(row.hidden))
    return MobileNetV3Row(rows, hidden, row.head_channels, channels(row.stem_channels))


SIZES |= {
    f"{size}_x{percent:03}": _wider(SIZES[size], percent) for size in "ls" for percent in WIDTHS
}


def _published() -> dict[tuple[str, str], PaperLine]:
    """The paper's lines; its "-L" and "-S" on Cityscapes cost what the reduced ones do."""
    large, reduced = {"backbone": "MobileNetV3-Large"}, {"backbone": "MobileNetV3-Lr"}
    aspp = {"method": "LR-ASPP"}
    city = ("mIoU val", "miou_val")
    return {
        ("l", "ade20k"): PaperLine("ade20k", large, "mIoU", "miou"),
        ("lr", "ade20k"): PaperLine("ade20k", reduced, "mIoU", "miou"),
        ("lr", "cityscapes"): PaperLine("cityscapes", aspp | {"backbone": "MobileNetV3-L"}, *city),
        ("sr", "cityscapes"): PaperLine("cityscapes", aspp | {"backbone": "MobileNetV3-S"}, *city),
        ("l", "imagenet"): PaperLine("imagenet", {"model": "MobileNetV3-Large"}, "top-1", "top1"),
        ("s", "imagenet"): PaperLine("imagenet", {"model": "MobileNetV3-Small"}, "top-1", "top1"),
    }


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    published = _published()
    tags: dict[str, tuple[str, ...]] = {"l": ("ade20k", "imagenet"), "lr": ("ade20k", "cityscapes")}
    tags |= {"s": ("ade20k", "imagenet"), "sr": ("ade20k", "cityscapes")}
    tags |= {f"{size}_x{percent:03}": ("imagenet",) for size in "ls" for percent in WIDTHS}
    for size, names in tags.items():
        for tag in names:
            line = published.get((size, tag))
            yield spec("mobilenetv3", size, tag, stride=LOW_STRIDE, published=line)


def build(spec: ModelSpec, **fields: object) -> MobileNetV3:
    """The network of ``spec``; ``fields`` of ``MobileNetV3Row`` replace those of its row."""
    size = spec.name.partition(".")[0].removeprefix("mobilenetv3_")
    return MobileNetV3(replaced(SIZES[size], fields), spec.task, spec.classes)
