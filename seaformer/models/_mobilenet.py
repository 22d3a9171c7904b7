"""What MobileNets and their rivals share: widths, gates, heads, and TensorFlow's "SAME" padding.

The published weights of MobileNetV1, MobileNetV2 and EfficientNet are TensorFlow's. Its padding
gives a 3x3 convolution with stride 2 on an even side nothing before and one place behind, where
PyTorch's ``padding=1`` gives one on either side: the same cost, another function.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN, Network

GOOGLE_EPS = 1e-3


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple, never more than a tenth below (MobileNetV2's rule)."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by


def low_and_last(blocks: nn.ModuleList, x: Tensor, low: int) -> tuple[Tensor, Tensor]:
    """The map behind block ``low``, which a decoder reads, and the one behind the last."""
    early = x
    for i, block in enumerate(blocks):
        x = block(x)
        early = x if i == low else early
    return early, x


class SamePadding(nn.Module):
    """Zeros around a map, so that a convolution with a stride answers at ceil(side / stride)."""

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C H' W'."""
        height, width = (self._of(int(side)) for side in x.shape[-2:])
        return F.pad(x, (*width, *height))

    def _of(self, side: int) -> tuple[int, int]:
        """Zeros before and behind."""
        total = max(self.kernel - (side % self.stride or self.stride), 0)
        return total // 2, total - total // 2


class SameConvBN(ConvBN):
    """``ConvBN`` with a stride, padded as TensorFlow does."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int, stride: int, groups: int = 1
    ) -> None:
        super().__init__(channels_in, channels, kernel, stride, groups, eps=GOOGLE_EPS)
        self.conv.padding = (0, 0)
        self.pad = SamePadding(kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.pad(x))

    def fuse_padded(self) -> nn.Sequential:
        """The same function in evaluation mode as a padding and one convolution with bias."""
        return nn.Sequential(self.pad, self.fuse())


def google_conv_bn(
    channels_in: int,
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    *,
    dilation: int = 1,
) -> ConvBN:
    """A convolution of TensorFlow's: without a stride both paddings are the same."""
    if stride > 1:
        return SameConvBN(channels_in, channels, kernel, stride, groups)
    return ConvBN(channels_in, channels, kernel, 1, groups, dilation=dilation, eps=GOOGLE_EPS)


class Gate(nn.Module):
    """Squeeze-and-excitation: a factor for each channel from the mean over the map.

    ``act`` is what follows the first of its two layers, ReLU when absent.
    """

    def __init__(self, channels: int, hidden: int, act: nn.Module | None = None) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.act = act or nn.ReLU()
        self.expand = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to the same."""
        hidden = self.act(self.reduce(F.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.expand(hidden))


class Classifier(Network):
    """Image B 3 H W to logits B classes, by a ``backbone`` and a ``head``."""

    COMPONENTS = ("backbone", "head")
    backbone: nn.Module
    head: nn.Module

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(image))
        return logits


def norm_factors(state: Mapping[str, Tensor], norm: str, eps: float) -> tuple[Tensor, Tensor]:
    """Factor and addend, in float64, of a norm of a checkpoint in evaluation mode."""
    scale = state[f"{norm}.weight"].double()
    scale = scale / (state[f"{norm}.running_var"].double() + eps).sqrt()
    mean = state[f"{norm}.running_mean"].double()
    return scale, state[f"{norm}.bias"].double() - mean * scale


class PooledClassifier(nn.Module):
    """Mean over the map, then linear."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B classes."""
        logits: Tensor = self.classify(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits
