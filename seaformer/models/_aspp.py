"""Heads for MobileNets: LR-ASPP, and DeepLabV3+ with separable convolutions.

Source: "Searching for MobileNetV3", section 6.4 and figure 10 (LR-ASPP; names and structure as
torchvision's); Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
Segmentation" (ECCV 2018), figure 2, with the widths mmsegmentation gives it on MobileNetV2: 512
channels, and a dense 3x3 where the five branches meet. That one layer is 11.8 M parameters, and it
is what makes the SeaFormer++ paper's 15.4 M. That paper cites the same source for "Lite-ASPP" and
does not describe it: with 128 channels, both of its networks with that head have the parameters and
FLOPs it prints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN, resized


class LrAspp(nn.Module):
    """LR-ASPP (figure 10): the last map gated by its global mean, and a 1/8 map, both classified.

    The gate's sigmoid is the true one. The whole map is pooled: the paper's 49x49 window means
    that at half of a Cityscapes image, and torchvision does the same.
    """

    def __init__(self, low: int, high: int, channels: int, classes: int) -> None:
        super().__init__()
        self.project = ConvBN(high, channels)
        self.gate = nn.Conv2d(high, channels, 1, bias=False)
        self.classify = nn.ModuleDict(
            {"low": nn.Conv2d(low, classes, 1), "high": nn.Conv2d(channels, classes, 1)}
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C H/8 W/8 and B C' h w to B classes H/8 W/8."""
        gate = self.gate(high.mean((2, 3), keepdim=True)).sigmoid()  # B C" 1 1
        x = F.relu(self.project(high)) * gate  # B C" h w
        logits: Tensor = self.classify["low"](low) + self.classify["high"](resized(x, low))
        return logits


class Separable(nn.Module):
    """Depthwise 3x3, then 1x1, each with norm and ReLU."""

    def __init__(self, channels_in: int, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvBN(channels_in, channels_in, 3, 1, channels_in, dilation=dilation)
        self.pointwise = ConvBN(channels_in, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.pointwise(F.relu(self.depthwise(x))))


class DeepLabV3Plus(nn.Module):
    """Atrous pyramid on the last map, joined with a map at 1/4."""

    RATES = (6, 12, 18)  # for a last map at 1/16

    def __init__(
        self, low: int, high: int, channels: int, classes: int, low_channels: int = 48
    ) -> None:
        super().__init__()
        self.pooled = ConvBN(high, channels)
        self.plain = ConvBN(high, channels)
        self.atrous = nn.ModuleList(Separable(high, channels, rate) for rate in self.RATES)
        self.bottleneck = ConvBN(channels * (2 + len(self.RATES)), channels, 3)
        self.low = ConvBN(low, low_channels)
        self.refine = nn.Sequential(
            Separable(channels + low_channels, channels), Separable(channels, channels)
        )
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C H/4 W/4 and B C' h w to B classes H/4 W/4."""
        mean = high.mean((2, 3), keepdim=True)  # B C' 1 1
        pooled = resized(F.relu(self.pooled(mean)), high)  # B C" H/16 W/16
        branches = [pooled, F.relu(self.plain(high)), *(atrous(high) for atrous in self.atrous)]
        x = F.relu(self.bottleneck(torch.cat(branches, dim=1)))  # B C" H/16 W/16
        x = torch.cat([resized(x, low), F.relu(self.low(low))], dim=1)  # B C"+48 H/4 W/4
        logits: Tensor = self.classify(self.refine(x))
        return logits
