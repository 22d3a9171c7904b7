"""What MobileNets share: rounded widths, and TensorFlow's "SAME" padding where it is uneven.

The published weights of MobileNetV1, MobileNetV2 and EfficientNet are TensorFlow's. Its padding
gives a 3x3 convolution with stride 2 on an even side nothing before and one place behind, where
PyTorch's ``padding=1`` gives one on either side: the same cost, another function.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN

GOOGLE_EPS = 1e-3


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple, never more than a tenth below (MobileNetV2's rule)."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by


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


class PooledClassifier(nn.Module):
    """Mean over the map, then linear."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B classes."""
        logits: Tensor = self.classify(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits
