"""Heads: from features to raw class scores, as they are before any resize or softmax.

Source: SeaFormer++ paper, section 3.1.4 (light segmentation head) and 3.2.5 (classification).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN


class LightHead(nn.Module):
    """Light segmentation head: a scale per channel, then one 1x1 convolution to the classes.

    The paper has two convolutions with BatchNorm; the official first one has as many groups as
    channels, and the last one a bias and no BatchNorm.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.scale = ConvBN(channels, channels, groups=channels)
        self.classify = nn.Conv2d(channels, classes, 1)

    def forward(self, fused: Tensor) -> Tensor:
        """B C H/8 W/8 to B classes H/8 W/8."""
        logits: Tensor = self.classify(F.relu(self.scale(fused)))
        return logits


class Classifier(nn.Module):
    """Global average pool and one linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classify = nn.Linear(channels, classes)

    def forward(self, features: Tensor) -> Tensor:
        """B C H W to B classes."""
        pooled = features.mean((2, 3), keepdim=True).flatten(1)  # B C
        logits: Tensor = self.classify(pooled)
        return logits
