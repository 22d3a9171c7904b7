"""Upsampling of a distilled student's features to the resolution that its teacher has.

Source: SeaFormer++ paper, sections 3.3-3.4.1, figures 5 and 6, table 17. No official code is
public. The text: the previous stage's map, of twice the resolution, passes a convolution, batch
norm and a sigmoid and becomes weights; the stage's own map passes a MobileNetV2 block, is resized
and multiplied with them; another MobileNetV2 block refines the product. "MV2(E=4) denotes
MobileNetV2 block with an expansion ratio of 4", with 5x5 depthwise kernels.

Read so, with what supports it in the counts:

- Widths stay: the cosine loss compares a stage's features with the teacher's, and the cross loss
  feeds them to the teacher's head, which takes the teacher's widths.
- The stages that the head takes get a module each: 1/8 and those with attention.
- The sigmoid is the hard one, as everywhere in the official code; the gate's convolution is 1x1.
- The first block expands by 4, the refining one by 2. Table 2 gives 2.3M, 5.0M, 10.2M, 17.1M and
  0.3G, 0.5G, 0.9G, 2.9G for T, S, B, L; with 4 and 2 it is 2.29M, 4.94M, 10.17M, 17.08M and
  (counted as the paper counts) 0.31G, 0.54G, 0.87G, 2.90G. With 4 and 4, which is
  ``refine_expansion=4``, it is 2.48M, 5.22M, 10.62M, 18.02M, and 3.4G for L.
- Standard convolutions (table 17: 2.7M, 0.4G) are 3x3 in place of all three parts: 2.72M, 0.4G.
  Direct interpolation (1.7M, 0.3G) has no parameters: 1.69M, 0.2G.

Shapes: B batch, C channels of the stage, H W height and width of the guiding map.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import BlockRow, ConvBN, InvertedResidual, resized

UPSAMPLING = ("mobilenet", "convolution", "interpolation")
EXPANSION, KERNEL = 4, 5


class Interpolation(nn.Module):
    """Direct interpolation: the map itself, resized."""

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """B C h w and B C' H W to B C H W."""
        return resized(x, guide)


class GuidedUpsampling(nn.Module):
    """Upsampling module (figure 6b): embed, resize, weigh by the guide, refine."""

    def __init__(self, gate: ConvBN, embed: nn.Module, refine: nn.Module) -> None:
        super().__init__()
        self.gate = gate
        self.embed = embed
        self.refine = refine

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """B C h w and the previous stage's B C' H W to B C H W."""
        weights = F.hardsigmoid(self.gate(guide))  # B C H W
        y: Tensor = self.refine(resized(self.embed(x), guide) * weights)  # B C H W
        return y


def upsampling_module(kind: str, channels: int, guide: int, refine_expansion: int) -> nn.Module:
    """The module for a stage of ``channels``, guided by the one before it."""
    if kind == "interpolation":
        return Interpolation()
    if kind == "convolution":
        convolutions = ConvBN(channels, channels, 3), ConvBN(channels, channels, 3)
        return GuidedUpsampling(ConvBN(guide, channels, 3), *convolutions)
    blocks = (
        InvertedResidual(channels, BlockRow(KERNEL, expansion, channels, 1))
        for expansion in (EXPANSION, refine_expansion)
    )
    return GuidedUpsampling(ConvBN(guide, channels), *blocks)
