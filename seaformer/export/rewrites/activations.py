"""Activations that XNNPACK lacks, or takes in FP32 only.

- SiLU is written as it is defined: XNNPACK lacks it, and torch's own decomposition computes
  it in FP32, which in an FP16 model leaves a copy on either side.
- GELU is taken in FP32 only. In FP16 it is written with tanh, which differs by 5e-4 at most: half
  a step of a half at 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Stage


class SigmoidSwish(nn.Module):
    """SiLU as x * sigmoid(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class TanhGelu(nn.Module):
    """GELU by Hendrycks and Gimpel's tanh form, its numbers kept as weights."""

    share: Tensor
    unit: Tensor
    slope: Tensor
    cubic: Tensor

    def __init__(self) -> None:
        super().__init__()
        numbers = {"share": 0.5, "unit": 1.0, "slope": math.sqrt(2 / math.pi), "cubic": 0.044715}
        for name, value in numbers.items():
            self.register_parameter(name, nn.Parameter(torch.tensor([value]), requires_grad=False))

    def forward(self, x: Tensor) -> Tensor:
        """The cube is taken apart, so that no half overflows below 256."""
        inner = x * self.slope * (self.unit + x * x * self.cubic)
        return x * self.share * (self.unit + torch.tanh(inner))


_SILU = "XNNPACK has no SiLU, and torch's decomposition computes it in FP32"

RULES = (
    Rule(
        "silu",
        nn.SiLU,
        lambda _, __: SigmoidSwish(),
        _SILU,
        stage=Stage.LAYER,
        delegates=("xnnpack",),
    ),
    Rule(
        "gelu-tanh",
        nn.GELU,
        lambda _, __: TanhGelu(),
        "XNNPACK takes GELU in FP32 only",
        stage=Stage.LAYER,
        delegates=("xnnpack",),
        dtypes=("float16",),
    ),
)
