"""MobileNetV1: classification, at the four widths of its paper.

Source: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications" (2017), table 1; its widths are in table 6. The published weights are TensorFlow's:
padding, ReLU6 and the epsilon of norms are facts about them. Names of weights are those that
the transformers library gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.spec import ModelSpec
from seaformer.models._mobilenet import Classifier, PooledClassifier, google_conv_bn
from seaformer.models._official import renamed
from seaformer.models._tags import replaced, spec

SMALLEST_WIDTH = 8
# Table 1: output channels and stride of each depthwise separable convolution.
_FIRST = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2))
LAYERS = _FIRST + ((512, 1),) * 5 + ((1024, 2), (1024, 1))
STEM_CHANNELS = 32


@dataclass(frozen=True)
class MobileNetV1Row:
    """One network: its width multiplier in percent (section 3.3)."""

    width: int = 100

    def channels(self, channels: int) -> int:
        """Channels at this width."""
        return max(channels * self.width // 100, SMALLEST_WIDTH)


class SeparableConv(nn.Module):
    """Depthwise 3x3, then 1x1, each with norm and ReLU6 (figure 3)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = google_conv_bn(channels_in, channels_in, 3, stride, channels_in)
        self.pointwise = google_conv_bn(channels_in, channels)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C' H/s W/s."""
        return F.relu6(self.pointwise(F.relu6(self.depthwise(x))))


class Backbone(nn.Module):
    """The image to its map at 1/32."""

    def __init__(self, row: MobileNetV1Row) -> None:
        super().__init__()
        widths = [row.channels(channels) for channels, _ in LAYERS]
        inputs = [row.channels(STEM_CHANNELS), *widths]
        self.stem = google_conv_bn(3, inputs[0], 3, 2)
        self.layers = nn.Sequential(
            *(
                SeparableConv(before, after, stride)
                for before, after, (_, stride) in zip(inputs, widths, LAYERS, strict=False)
            )
        )
        self.channels = widths[-1]

    def forward(self, image: Tensor) -> Tensor:
        """B 3 H W to B C H/32 W/32."""
        x: Tensor = self.layers(F.relu6(self.stem(image)))
        return x


class MobileNetV1(Classifier):
    """Image B 3 H W to logits B classes."""

    def __init__(self, row: MobileNetV1Row, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone(row)
        self.head = PooledClassifier(self.backbone.channels, classes)


# Names of weights: ours to the transformers library's ------------------------------------------


def official_keys(network: MobileNetV1) -> dict[str, str]:
    """Our state-dict key -> the library's, for every key of ``network``."""
    prefixes = {"backbone.stem": "mobilenet_v1.conv_stem", "head.classify": "classifier"}
    for i in range(len(LAYERS)):
        prefixes[f"backbone.layers.{i}.depthwise"] = f"mobilenet_v1.layer.{2 * i}"
        prefixes[f"backbone.layers.{i}.pointwise"] = f"mobilenet_v1.layer.{2 * i + 1}"
    return renamed(network, prefixes, conv="convolution", bn="normalization")


# Rows -----------------------------------------------------------------------------------------

WIDTHS = (25, 50, 75, 100)


def specs() -> Iterator[ModelSpec]:
    """Every model of this file."""
    for width in WIDTHS:
        yield spec("mobilenetv1", f"x{width:03}", "imagenet", 32, None)


def build(spec: ModelSpec, **fields: object) -> MobileNetV1:
    """The network of ``spec``; ``fields`` of ``MobileNetV1Row`` replace those of its row."""
    width = int(spec.name.partition(".")[0].rpartition("x")[2])
    return MobileNetV1(replaced(MobileNetV1Row(width), fields), spec.classes)
