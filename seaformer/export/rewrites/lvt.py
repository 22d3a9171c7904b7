"""LVT's windows as XNNPACK takes them: convolutions whose weights are constants of their own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule
from seaformer.models._lvt_attention import (
    STRIDE,
    WINDOW,
    Overlap,
    WindowValues,
    place_weights,
    shifted,
)

_PLACES = WINDOW * WINDOW


class FixedWindowValues(nn.Module):
    """``WindowValues`` as a convolution for each place of a window."""

    def __init__(self, source: WindowValues) -> None:
        super().__init__()
        self.places = nn.ModuleList()
        for weight in source.weight.detach().chunk(_PLACES):
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 1, STRIDE, bias=False)
            conv.weight = nn.Parameter(weight.clone())
            self.places.append(conv)

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 9*C h w, the vectors of a place side by side."""
        values = [conv(y) for conv, y in zip(self.places, shifted(x), strict=True)]
        return torch.cat(values, dim=1)


class FixedOverlap(nn.Module):
    """``Overlap`` for a known number of channels."""

    weights: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.register_buffer("weights", place_weights(channels))

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """1 C*9 h w to 1 C H W."""
        small = x.shape[-2:]
        beyond = [height - (STRIDE * small[0] - 1), width - (STRIDE * small[1] - 1)]
        return F.conv_transpose2d(
            x,
            self.weights.to(x.dtype),
            stride=STRIDE,
            padding=WINDOW // 2,
            output_padding=beyond,
            groups=self.channels,
        )


RULES = (
    Rule(
        "window-values",
        WindowValues,
        lambda block, _: FixedWindowValues(block),
        "XNNPACK takes no convolution with a part of a layer's weights: each place has its own",
        delegates=("xnnpack",),
    ),
    Rule(
        "window-overlap",
        Overlap,
        lambda _, shapes: FixedOverlap(shapes[0][1] // _PLACES),
        "XNNPACK takes no convolution whose weights are computed: they are a constant",
        sized=True,
        delegates=("xnnpack",),
    ),
)
