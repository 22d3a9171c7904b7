"""Arithmetic moved into the weights of convolutions; what the families of rules share.

All change the convolution they are given: hand in a copy, such as what ``fuse()`` returns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def merge(convolutions: list[nn.Conv2d]) -> nn.Conv2d:
    """1x1 convolutions of one input as a single one; outputs are stacked in order."""
    first = convolutions[0]
    channels = sum(c.out_channels for c in convolutions)
    merged = nn.Conv2d(first.in_channels, channels, 1, dtype=first.weight.dtype)
    with torch.no_grad():
        merged.weight.copy_(torch.cat([c.weight for c in convolutions]))
        bias(merged).copy_(torch.cat([bias(c) for c in convolutions]))
    return merged


def select_outputs(convolution: nn.Conv2d, channels: list[int]) -> nn.Conv2d:
    """A 1x1 convolution with these outputs of ``convolution``, in this order."""
    weight = convolution.weight[channels]
    picked = nn.Conv2d(weight.shape[1], weight.shape[0], 1, dtype=weight.dtype)
    with torch.no_grad():
        picked.weight.copy_(weight)
        bias(picked).copy_(bias(convolution)[channels])
    return picked


def fold_hardsigmoid(convolution: nn.Conv2d) -> nn.Conv2d:
    """relu6(x + 3) / 6 = clamp(x / 6 + 1/2, 0, 1): the affine part moves into the weights."""
    with torch.no_grad():
        convolution.weight.div_(6)
        bias(convolution).div_(6).add_(0.5)
    return convolution


def scaled(convolution: nn.Conv2d, factor: float) -> nn.Conv2d:
    """A convolution whose output is ``factor`` times what it was."""
    with torch.no_grad():
        convolution.weight.mul_(factor)
        bias(convolution).mul_(factor)
    return convolution


def undo_scale(depthwise: nn.Conv2d, channels: int, factor: float) -> nn.Conv2d:
    """A depthwise convolution whose first ``channels`` inputs come ``factor`` times too large."""
    with torch.no_grad():
        depthwise.weight[:channels].div_(factor)
    return depthwise


def bias(convolution: nn.Conv2d) -> Tensor:
    """The bias that folding BatchNorm gave the convolution."""
    assert convolution.bias is not None
    return convolution.bias


def take_parts(module: nn.Module, source: nn.Module) -> None:
    """Begin a module of a subclass with the parts of another one, under their names."""
    nn.Module.__init__(module)
    for name, part in source.named_children():
        module.add_module(name, part)
