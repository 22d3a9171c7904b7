"""Building blocks of the convolutional part, shared by families: Conv+BN, MobileNetV2, MLP, fusion.

Source: SeaFormer++ paper, section 3.1, and fudan-zvg/SeaFormer for what the text leaves open
(activations, norms, where a bias is). Attention is in ``_sea_attention.py``, heads in
``_heads.py``. Shapes: B batch, C channels, H W height and width of the feature map.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.spec import ModelSpec


class Network(nn.Module):
    """A whole model: it has its spec, and its parts can be taken out by name.

    ``COMPONENTS`` are submodules in the order they run, each with a tensor or a tuple of tensors
    in and out: they are exported and timed one by one. ``DAMPED`` are the ends of the names of
    layers whose norm (weights, where they have none) starts small when weights are seeded, so that
    residual sums stay bounded and no softmax collapses to one token; ``DAMPED_TO`` is the range
    those norms start in. ``CLASSIFIER`` is the layer whose outputs are the classes, with
    ``MORE_CLASSIFIERS`` beside it, ``OUTPUTS_PER_CLASS`` how many it has for each. ``SETTLED_AT``
    is the side of the square images that seeded norms are measured on: every map has more than one
    place there. ``OUTPUTS`` are the names of what it answers with, in order. ``checkpoint`` is what
    its weights were read as.
    """

    COMPONENTS: ClassVar[tuple[str, ...]]
    DAMPED: ClassVar[tuple[str, ...]] = ()
    DAMPED_TO: ClassVar[tuple[float, float]] = (0.2, 0.4)
    CLASSIFIER: ClassVar[str] = "head.classify"
    MORE_CLASSIFIERS: ClassVar[tuple[str, ...]] = ()
    OUTPUTS_PER_CLASS: ClassVar[int] = 1
    SETTLED_AT: ClassVar[int] = 128
    OUTPUTS: ClassVar[tuple[str, ...]] = ("output",)
    spec: ModelSpec
    checkpoint: LoadedCheckpoint | None = None


class ConvBN(nn.Module):
    """Convolution, then BatchNorm; no activation. Output H, W are ceil(H / stride).

    The convolution has no bias but where official weights have one.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        dilation: int = 1,
        eps: float = 1e-5,
        bias: bool = False,
    ) -> None:
        super().__init__()
        padding = kernel // 2 * dilation
        self.conv = nn.Conv2d(
            channels_in, channels, kernel, stride, padding, dilation, groups, bias=bias
        )
        self.bn = nn.BatchNorm2d(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y

    def fuse(self) -> nn.Conv2d:
        """The same function in evaluation mode as one convolution with bias."""
        return fuse_conv_bn_eval(self.conv, self.bn)


class BlockRow(NamedTuple):
    """One MobileNetV2 block as table 1 of the paper writes it (k, t, c, s)."""

    kernel: int
    expansion: int
    channels: int
    stride: int


class InvertedResidual(nn.Module):
    """MobileNetV2 block: 1x1 expand, depthwise, linear 1x1 project; ReLU after the first two.

    With expansion 1 it lacks the expand convolution. The input is added when the shape allows it.
    """

    def __init__(self, channels_in: int, row: BlockRow) -> None:
        super().__init__()
        hidden = channels_in * row.expansion
        self.expand = ConvBN(channels_in, hidden) if row.expansion != 1 else None
        self.depthwise = ConvBN(hidden, hidden, row.kernel, row.stride, groups=hidden)
        self.project = ConvBN(hidden, row.channels)
        self.residual = row.stride == 1 and channels_in == row.channels

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu(self.expand(x))  # B t*C H W
        hidden = F.relu(self.depthwise(hidden))  # B t*C H/s W/s
        y: Tensor = self.project(hidden)  # B C' H/s W/s
        return x + y if self.residual else y


def inverted_residuals(channels_in: int, rows: tuple[BlockRow, ...]) -> nn.Sequential:
    """MobileNetV2 blocks one after the other."""
    widths = (channels_in, *(row.channels for row in rows))
    return nn.Sequential(*(InvertedResidual(c, row) for c, row in zip(widths, rows, strict=False)))


class Mlp(nn.Module):
    """Feed-forward network of a transformer layer (figure 3): 1x1, depthwise 3x3, ReLU6, 1x1.

    The depthwise convolution has a bias and no BatchNorm; nothing acts right after the first 1x1.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        hidden = channels * ratio
        self.fc1 = ConvBN(channels, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = ConvBN(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.depthwise(self.fc1(x)))  # B r*C H W
        y: Tensor = self.fc2(x)  # B C H W
        return y


def resized(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the height and width of ``like``, bilinearly."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class FusionBlock(nn.Module):
    """Fusion block (section 3.1.3): local features, gated by the global ones of a coarser map.

    The gate is taken before it is resized; the other order is another function. ``mode`` is
    table 11's: with or without the sigmoid, multiplied or added.
    """

    def __init__(
        self,
        local_channels: int,
        global_channels: int,
        channels: int,
        mode: str = "sigmoid_multiply",
    ) -> None:
        super().__init__()
        self.gated = mode.startswith("sigmoid")
        self.adds = mode.endswith("add")
        self.local_embedding = ConvBN(local_channels, channels)
        self.global_gate = ConvBN(global_channels, channels)

    def forward(self, local: Tensor, coarse: Tensor) -> Tensor:
        gate = self.global_gate(coarse)  # B C h w, with h, w a fraction of H, W
        if self.gated:
            gate = F.hardsigmoid(gate)
        gate = resized(gate, local)  # B C H W
        local = self.local_embedding(local)  # B C H W
        y: Tensor = local + gate if self.adds else local * gate  # B C H W
        return y
