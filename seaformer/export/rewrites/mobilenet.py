"""MobileNetV3, PP-MobileSeg: the hard sigmoid of squeeze-and-excite goes into the convolution
before it.

XNNPACK has no hard sigmoid, and torch's own decomposition computes it in FP32, which in an FP16
model leaves a copy on either side.
"""

from __future__ import annotations

import copy

import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._fold import fold_hardsigmoid, scaled
from seaformer.export.rewrites._rule import Rule
from seaformer.models.mobilenetv3 import SqueezeExcite
from seaformer.models.pp_mobileseg import GATE_SLOPE, PaddleExcite


class FoldedSqueezeExcite(nn.Module):
    """A squeeze-and-excite with its hard sigmoid folded into the second convolution.

    ``slope`` is that of the sigmoid over torch's 1/6.
    """

    def __init__(self, source: SqueezeExcite | PaddleExcite, slope: float = 1.0) -> None:
        super().__init__()
        self.fc1 = source.fc1
        self.fc2 = fold_hardsigmoid(scaled(copy.deepcopy(source.fc2), slope))

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        mean = x.mean((2, 3), keepdim=True)  # 1 C 1 1
        y: Tensor = x * F.hardtanh(self.fc2(F.relu(self.fc1(mean))), 0.0, 1.0)
        return y


_WHY = "XNNPACK has no hard sigmoid, and torch's decomposition computes it in FP32"

RULES = (
    Rule(
        "squeeze-excite-gate",
        SqueezeExcite,
        lambda block, _: FoldedSqueezeExcite(block),
        _WHY,
    ),
    Rule(
        "paddle-excite-gate",
        PaddleExcite,
        lambda block, _: FoldedSqueezeExcite(block, GATE_SLOPE),
        _WHY,
    ),
)
