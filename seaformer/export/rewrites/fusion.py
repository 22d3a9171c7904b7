"""Gates of SeaFormer's fusion blocks and of its students' upsampling.

A hard sigmoid behind a convolution becomes a clamp to 0..1, which engines fuse with the
convolution: the sixth and the half go into its weights.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._fold import fold_hardsigmoid
from seaformer.export.rewrites._rule import Rule
from seaformer.models._blocks import FusionBlock, resized
from seaformer.models._upsampling import GuidedUpsampling


class FoldedFusionBlock(nn.Module):
    """``FusionBlock`` with the hard sigmoid of its gate folded into the convolution."""

    def __init__(self, source: FusionBlock) -> None:
        super().__init__()
        self.gated, self.adds = source.gated, source.adds
        self.local_embedding = source.local_embedding
        gate = source.global_gate.fuse()
        self.gate = fold_hardsigmoid(gate) if self.gated else gate

    def forward(self, local: Tensor, coarse: Tensor) -> Tensor:
        """1 C' H W and 1 C" h w to 1 C H W."""
        gate = self.gate(coarse)  # 1 C h w
        if self.gated:
            gate = F.hardtanh(gate, 0.0, 1.0)
        gate = resized(gate, local)  # 1 C H W
        local = self.local_embedding(local)  # 1 C H W
        y: Tensor = local + gate if self.adds else local * gate  # 1 C H W
        return y


class FoldedUpsampling(nn.Module):
    """``GuidedUpsampling`` with the hard sigmoid of its gate folded into the convolution."""

    def __init__(self, source: GuidedUpsampling) -> None:
        super().__init__()
        self.gate = fold_hardsigmoid(source.gate.fuse())
        self.embed = source.embed
        self.refine = source.refine

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """1 C h w and 1 C' H W to 1 C H W."""
        weights = F.hardtanh(self.gate(guide), 0.0, 1.0)  # 1 C H W
        y: Tensor = self.refine(resized(self.embed(x), guide) * weights)  # 1 C H W
        return y


RULES = (
    Rule(
        "fusion-gate",
        FusionBlock,
        lambda block, _: FoldedFusionBlock(block),
        "A hard sigmoid becomes a clamp, which engines fuse with the convolution before it",
    ),
    Rule(
        "upsampling-gate",
        GuidedUpsampling,
        lambda block, _: FoldedUpsampling(block),
        "A hard sigmoid becomes a clamp, which engines fuse with the convolution before it",
    ),
)
