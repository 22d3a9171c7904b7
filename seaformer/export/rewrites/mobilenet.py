"""Blocks of mobile CNNs the way the runtimes like them.

- The hard sigmoid of MobileNetV3's squeeze-and-excite goes into its convolution, as in SeaFormer's
  gates.
- SiLU is written as its definition says.

XNNPACK has neither of both, and torch's own decomposition computes them in FP32, which in an FP16
model leaves a copy on either side.

As of executorch 1.5.1; drop a line when the pin passes a release that takes the original.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._fold import fold_hardsigmoid
from seaformer.export.rewrites._graft import Rule
from seaformer.models.mobilenetv3 import SqueezeExcite


class FoldedSqueezeExcite(nn.Module):
    """``SqueezeExcite`` with its hard sigmoid folded into the second convolution."""

    def __init__(self, source: SqueezeExcite) -> None:
        super().__init__()
        self.fc1 = source.fc1
        self.fc2 = fold_hardsigmoid(copy.deepcopy(source.fc2))

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        mean = x.mean((2, 3), keepdim=True)  # 1 C 1 1
        y: Tensor = x * F.hardtanh(self.fc2(F.relu(self.fc1(mean))), 0.0, 1.0)
        return y


class SigmoidSwish(nn.Module):
    """SiLU as x * sigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


RULES: dict[type[nn.Module], Rule] = {SqueezeExcite: lambda block, _: FoldedSqueezeExcite(block)}
XNNPACK_RULES: dict[type[nn.Module], Rule] = {nn.SiLU: lambda _, __: SigmoidSwish()}
