"""Semantic FPN: a pyramid of features from four maps, and the classes from their sum at 1/4.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks" (CVPR 2019), figure 3, with the widths
and the norms that mmsegmentation gives it: 256 channels in the pyramid, without norms, 128 in the
head.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN, resized


class NearestDouble(nn.Module):
    """A map at twice its size, every value four times, cut to the size of a finer map.

    A map of stride 2 is half the finer one rounded up, so this is the nearest-neighbour resize.
    """

    def forward(self, x: Tensor, finer: Tensor) -> Tensor:
        """B C h w and B C H W to B C H W."""
        return F.interpolate(x, size=finer.shape[-2:], mode="nearest")


class Pyramid(nn.Module):
    """Each map by a 1x1, with the next coarser one added, then a 3x3."""

    def __init__(self, widths: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in widths)
        self.twice = nn.ModuleList(NearestDouble() for _ in widths[1:])

    def forward(self, *maps: Tensor) -> list[Tensor]:
        """Maps from the largest down, in and out; a coarser one is repeated to a finer's size."""
        sums = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for i in reversed(range(len(sums) - 1)):
            sums[i] = sums[i] + self.twice[i](sums[i + 1], sums[i])
        return [smooth(x) for smooth, x in zip(self.smooth, sums, strict=True)]


class Rise(nn.Module):
    """3x3 and doubling, in turn, up to the size of the finest map."""

    def __init__(self, channels_in: int, channels: int, doublings: int) -> None:
        super().__init__()
        widths = (channels_in, *(channels,) * max(1, doublings))
        self.convs = nn.ModuleList(ConvBN(a, b, 3) for a, b in itertools.pairwise(widths))
        self.doublings = doublings

    def forward(self, x: Tensor) -> Tensor:
        """B C h w to B C' H W."""
        for conv in self.convs:
            x = F.relu(conv(x))
            if self.doublings:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return x


class SemanticFpn(nn.Module):
    """Maps at 1/4 to 1/32 to classes at 1/4."""

    PYRAMID, CHANNELS = 256, 128

    def __init__(self, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.pyramid = Pyramid(widths, self.PYRAMID)
        self.rises = nn.ModuleList(
            Rise(self.PYRAMID, self.CHANNELS, level) for level in range(len(widths))
        )
        self.classify = nn.Conv2d(self.CHANNELS, classes, 1)

    def forward(self, *maps: Tensor) -> Tensor:
        """Four maps, from the largest down, to B classes H/4 W/4."""
        levels = self.pyramid(*maps)
        total: Tensor = self.rises[0](levels[0])
        for rise, level in zip(list(self.rises)[1:], levels[1:], strict=True):
            risen = rise(level)
            same = risen.shape[-2:] == total.shape[-2:]
            total = total + (risen if same else resized(risen, total))
        logits: Tensor = self.classify(total)
        return logits
