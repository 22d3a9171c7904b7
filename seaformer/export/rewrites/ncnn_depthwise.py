"""Depthwise convolutions that ncnn computes wrongly in half precision.

ncnn 1.0.20261020, 3x3 of stride 2 with 8 channels a register on ARM: of the last two positions of a
row that are computed together, the second one reads rows 1 and 2 of its last column from row 0
(``convdw3x3s2_pack8_fp16sa_neon``). Rows of 4n + 2 and 4n + 3 outputs have such a pair. Drop when
the pin passes a release in which both operands are right.
"""

from __future__ import annotations

import torch
from torch import nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage

_TOGETHER = 4  # positions of a row; what is left of them is a pair, and one
_PACKED = 8  # channels in a register


def _widened(layer: nn.Conv2d, shapes: Shapes) -> nn.Module:
    """The same function as 3x5 with outer columns of zeros, which ncnn's general loop takes."""
    channels = layer.out_channels
    is_depthwise = layer.groups == layer.in_channels == channels and channels % _PACKED == 0
    is_strided = (layer.kernel_size, layer.stride, layer.dilation) == ((3, 3), (2, 2), (1, 1))
    if not (is_depthwise and is_strided) or layer.padding_mode != "zeros" or not shapes:
        return layer
    if isinstance(layer.padding, str):
        return layer
    rows, columns = layer.padding
    outputs = (shapes[0][-1] + 2 * columns - 3) // 2 + 1
    if outputs % _TOGETHER < 2:
        return layer
    wide = nn.Conv2d(
        channels, channels, (3, 5), 2, (rows, columns + 1), groups=channels,
        bias=layer.bias is not None, dtype=layer.weight.dtype,
    )  # fmt: skip
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[..., 1:4] = layer.weight  # C 1 3 5 of C 1 3 3
        if wide.bias is not None and layer.bias is not None:
            wide.bias.copy_(layer.bias)
    return wide


RULES = (
    Rule(
        "ncnn-strided-depthwise",
        nn.Conv2d,
        _widened,
        "ncnn reads a wrong row in 3x3 of stride 2 where a row has 4n + 2 or 4n + 3 outputs",
        stage=Stage.LAYER,
        dtypes=("float16", "int8"),
        sized=True,
        engines=("ncnn",),
    ),
)
