"""The same function, written the way the runtimes like it.

A rewrite takes an eager network and the size it will see and returns an equal one; equality is
proved on photographs at every export (``_verify.py``) and per rewrite in the tests.

What is rewritten, and why (executorch 1.5.1, onnxruntime 1.31):

- BatchNorm is folded into the convolution before it.
- Position embeddings are interpolated once, for the size at hand, and become constants.
- q, k and v come from one convolution, so the detail kernel needs no concatenation.
- The scale of attention goes into the weights that make q (and out of the detail kernel's).
- A hard sigmoid behind a convolution becomes a clamp to 0..1, which runtimes fuse with the
  convolution: the sixth and the half go into its weights.
- The squeeze is an average pool: XNNPACK does not take a mean over one axis.
- Attention multiplies 3-D batches: XNNPACK does not take the 4-D product and its expand.

Together they turn thirteen XNNPACK subgraphs into one. Drop a line when the pin passes a release
that takes the original.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.models._blocks import ConvBN, FusionBlock
from seaformer.models._sea_attention import AxisAttention, SeaAttention

Shape = tuple[int, ...]
Block = TypeVar("Block", bound=nn.Module)


class FixedAxisAttention(nn.Module):
    """``AxisAttention`` for a known number of tokens N, fed with q, k, v as one squeezed map.

    q comes scaled already.
    """

    positions: Tensor

    def __init__(self, source: AxisAttention, tokens: int) -> None:
        super().__init__()
        self.heads = source.heads
        self.tokens = tokens
        self.encode = source.encode
        with torch.no_grad():
            q_position = source.q_position(tokens) * source.scale  # 1 h*d N
            k_position = source.k_position(tokens)  # 1 h*d N
        self.width = q_position.shape[1]  # h*d
        positions = torch.cat([q_position, k_position], dim=1).reshape(1, -1, tokens, 1)
        self.register_buffer("positions", positions)  # 1 2h*d N 1

    def forward(self, squeezed: Tensor) -> Tensor:
        """1 h*4d N 1, channels in the order q, k, v. Returns 1 h*2d N 1."""
        qk = squeezed[:, : 2 * self.width] + self.positions  # 1 2h*d N 1
        v = squeezed[:, 2 * self.width :]  # 1 h*2d N 1
        q = qk[:, : self.width].reshape(self.heads, -1, self.tokens).transpose(1, 2)  # h N d
        k = qk[:, self.width :].reshape(self.heads, -1, self.tokens)  # h d N
        v = v.reshape(self.heads, -1, self.tokens).transpose(1, 2)  # h N 2d
        weights = torch.softmax(torch.bmm(q, k), dim=-1)  # h N N
        y = torch.bmm(weights, v).transpose(1, 2)  # h 2d N
        y = y.reshape(1, -1, self.tokens, 1)  # 1 h*2d N 1
        encoded: Tensor = self.encode(F.relu6(y))
        return encoded


class FixedSeaAttention(nn.Module):
    """``SeaAttention`` for one H and W, batch 1."""

    height: int
    width: int

    def __init__(self, source: SeaAttention, shape: Shape) -> None:
        super().__init__()
        _, _, self.height, self.width = shape
        scale = source.rows.scale
        to_q, to_k, to_v = source.to_q.fuse(), source.to_k.fuse(), source.to_v.fuse()
        self.to_qkv = _merge([_scaled(to_q, scale), to_k, to_v])
        self.v_start = to_q.out_channels + to_k.out_channels
        self.rows = FixedAxisAttention(source.rows, self.height)
        self.columns = FixedAxisAttention(source.columns, self.width)
        self.gate = _fold_hardsigmoid(source.project.fuse())
        self.depthwise = _undo_scale(source.detail.depthwise.fuse(), to_q.out_channels, scale)
        self.detail = source.detail.project

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 C H W."""
        qkv = self.to_qkv(x)  # 1 h*4d H W
        rows = F.avg_pool2d(qkv, (1, self.width), count_include_pad=False)  # 1 h*4d H 1
        columns = F.avg_pool2d(qkv, (self.height, 1), count_include_pad=False)  # 1 h*4d 1 W
        y_rows = self.rows(rows)  # 1 h*2d H 1
        y_columns = self.columns(columns.transpose(2, 3)).transpose(2, 3)  # 1 h*2d 1 W
        y = y_rows + y_columns + qkv[:, self.v_start :]  # 1 h*2d H W
        gate = F.hardtanh(self.gate(F.relu6(y)), 0.0, 1.0)  # 1 C H W
        detail = self.detail(F.relu6(self.depthwise(qkv)))  # 1 C H W
        out: Tensor = gate * detail
        return out


class FoldedFusionBlock(nn.Module):
    """``FusionBlock`` with the hard sigmoid of its gate folded into the convolution."""

    def __init__(self, source: FusionBlock) -> None:
        super().__init__()
        self.local_embedding = source.local_embedding
        self.gate = _fold_hardsigmoid(source.global_gate.fuse())

    def forward(self, local: Tensor, coarse: Tensor) -> Tensor:
        """1 C' H W and 1 C" h w to 1 C H W."""
        gate = F.hardtanh(self.gate(coarse), 0.0, 1.0)  # 1 C h w
        gate = F.interpolate(gate, size=local.shape[-2:], mode="bilinear", align_corners=False)
        y: Tensor = self.local_embedding(local) * gate  # 1 C H W
        return y


def rewrite(model: nn.Module, image: Tensor) -> nn.Module:
    """An equal copy of ``model`` for inputs of ``image``'s shape (1, 3, H, W); eval mode."""
    shapes = _input_shapes(model, image, SeaAttention)
    network = copy.deepcopy(model).eval()
    _replace(network, SeaAttention, lambda name, block: FixedSeaAttention(block, shapes[name]))
    _replace(network, FusionBlock, lambda _, block: FoldedFusionBlock(block))
    _replace(network, ConvBN, lambda _, block: block.fuse())
    return network.eval()


def _input_shapes(model: nn.Module, image: Tensor, kind: type[nn.Module]) -> dict[str, Shape]:
    """The shape of the first input of every module of a kind, by qualified name."""
    shapes: dict[str, Shape] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, kind):

            def remember(_: nn.Module, inputs: tuple[Tensor, ...], key: str = name) -> None:
                shapes[key] = tuple(inputs[0].shape)

            hooks.append(module.register_forward_pre_hook(remember))
    try:
        with torch.no_grad():
            model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes


def _replace(root: nn.Module, kind: type[Block], make: Callable[[str, Block], nn.Module]) -> None:
    """Replace every module of a kind, wherever it stands."""
    found = [(name, module) for name, module in root.named_modules() if isinstance(module, kind)]
    for name, module in found:
        parent, _, attribute = name.rpartition(".")
        setattr(root.get_submodule(parent), attribute, make(name, module))


def _merge(convolutions: list[nn.Conv2d]) -> nn.Conv2d:
    """1x1 convolutions of one input as a single one; outputs are stacked in order."""
    first = convolutions[0]
    channels = sum(c.out_channels for c in convolutions)
    merged = nn.Conv2d(first.in_channels, channels, 1, dtype=first.weight.dtype)
    with torch.no_grad():
        merged.weight.copy_(torch.cat([c.weight for c in convolutions]))
        _bias(merged).copy_(torch.cat([_bias(c) for c in convolutions]))
    return merged


def _fold_hardsigmoid(convolution: nn.Conv2d) -> nn.Conv2d:
    """relu6(x + 3) / 6 = clamp(x / 6 + 1/2, 0, 1): the affine part moves into the weights."""
    with torch.no_grad():
        convolution.weight.div_(6)
        _bias(convolution).div_(6).add_(0.5)
    return convolution


def _scaled(convolution: nn.Conv2d, factor: float) -> nn.Conv2d:
    """A convolution whose output is ``factor`` times what it was."""
    with torch.no_grad():
        convolution.weight.mul_(factor)
        _bias(convolution).mul_(factor)
    return convolution


def _undo_scale(depthwise: nn.Conv2d, channels: int, factor: float) -> nn.Conv2d:
    """A depthwise convolution whose first ``channels`` inputs come ``factor`` times too large."""
    with torch.no_grad():
        depthwise.weight[:channels].div_(factor)
    return depthwise


def _bias(convolution: nn.Conv2d) -> Tensor:
    """The bias that folding BatchNorm gave the convolution."""
    assert convolution.bias is not None
    return convolution.bias
