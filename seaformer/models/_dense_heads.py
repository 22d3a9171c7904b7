"""Heads on MobileNetV2 of before LR-ASPP: light ASPP, FCN and PSPNet.

Sources: Sandler et al., "MobileNetV2" (CVPR 2018), section 6.3 (DeepLabv3 without its atrous
branches, as the transformers library has it); Long et al., "Fully Convolutional Networks for
Semantic Segmentation" (CVPR 2015) and Zhao et al., "Pyramid Scene Parsing Network" (CVPR 2017),
both with the widths that mmsegmentation gives them, which make the figures of the SeaFormer++
paper's table 3. Auxiliary heads of training are not here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN, resized


class LightAspp(nn.Module):
    """The last map and its mean, each through a 1x1, joined and classified."""

    def __init__(self, low: int, high: int, channels: int, classes: int) -> None:
        super().__init__()
        self.pooled = ConvBN(high, channels)
        self.plain = ConvBN(high, channels)
        self.project = ConvBN(2 * channels, channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C h w to B classes h w; the low map is not looked at."""
        pooled = resized(F.relu(self.pooled(F.adaptive_avg_pool2d(high, 1))), high)  # B C' h w
        x = torch.cat([pooled, F.relu(self.plain(high))], dim=1)
        logits: Tensor = self.classify(F.relu(self.project(x)))
        return logits


class Fcn(nn.Module):
    """Two dense 3x3; their input is joined with their output by a third (mmsegmentation's)."""

    def __init__(self, low: int, high: int, channels: int, classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([ConvBN(high, channels, 3), ConvBN(channels, channels, 3)])
        self.join = ConvBN(high + channels, channels, 3)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C h w to B classes h w; the low map is not looked at."""
        x = high
        for conv in self.convs:
            x = F.relu(conv(x))
        x = F.relu(self.join(torch.cat([high, x], dim=1)))
        logits: Tensor = self.classify(x)
        return logits


class GridPool(nn.Module):
    """The mean of a map over the cells of a square grid."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: Tensor) -> Tensor:
        """B C H W to B C cells cells."""
        return F.adaptive_avg_pool2d(x, self.cells)


class Psp(nn.Module):
    """The pyramid: means over 1, 4, 9 and 36 cells, each through a 1x1, joined by a dense 3x3."""

    CELLS = (1, 2, 3, 6)

    def __init__(self, low: int, high: int, channels: int, classes: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(GridPool(cells) for cells in self.CELLS)
        self.levels = nn.ModuleList(ConvBN(high, channels) for _ in self.CELLS)
        self.join = ConvBN(high + len(self.CELLS) * channels, channels, 3)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """B C h w to B classes h w; the low map is not looked at."""
        maps = [high]
        for pool, level in zip(self.pools, self.levels, strict=True):
            maps.append(resized(F.relu(level(pool(high))), high))
        logits: Tensor = self.classify(F.relu(self.join(torch.cat(maps, dim=1))))
        return logits
