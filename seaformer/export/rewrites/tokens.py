"""Transformers of tokens (SegFormer, SETR) as XNNPACK takes them whole.

- XNNPACK has no layer normalisation, but it has linear layers: a mean over channels is one with a
  single output and equal weights, and the epsilon is the bias of the one that gives the variance.
  Runtimes that have the operator (ONNX Runtime, Core ML) keep it.
- q, k and v come from linear layers of their own, because XNNPACK takes no split; the scale of
  attention goes into the weights that make q.
- Position embeddings are resized once, for the size at hand, and become constants, the class token
  with them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage
from seaformer.models._mobileformer import LearntTokens
from seaformer.models._tokens import Offsets, Qkv, to_map, to_tokens
from seaformer.models.segformer import ReducedAttention
from seaformer.models.setr import PositionedTokens, VitAttention


class LinearLayerNorm(nn.Module):
    """``LayerNorm`` over the last axis, its two means written as linear layers."""

    weight: Tensor | None
    bias: Tensor | None

    def __init__(self, source: nn.LayerNorm) -> None:
        super().__init__()
        channels = source.normalized_shape[-1]
        like = torch.empty(0) if source.weight is None else source.weight
        self.mean = nn.Parameter(like.new_full((1, channels), 1 / channels), requires_grad=False)
        self.eps = nn.Parameter(like.new_full((1,), source.eps), requires_grad=False)
        self.weight, self.bias = source.weight, source.bias

    def forward(self, x: Tensor) -> Tensor:
        """... C to ... C."""
        centred = x - F.linear(x, self.mean)  # ... C
        variance = F.linear(centred * centred, self.mean, self.eps)  # ... 1
        y = centred * torch.rsqrt(variance)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias


class FixedReducedAttention(nn.Module):
    """``ReducedAttention`` for one H and W, with k and v apart and the scale in q's weights."""

    def __init__(self, source: ReducedAttention) -> None:
        super().__init__()
        self.attend = source.attend
        self.to_q = _scaled(source.to_q, source.scale)
        self.to_k, self.to_v = _parts(source.to_kv, 2)
        self.project, self.reduce, self.norm = source.project, source.reduce, source.norm

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        """1 N C to 1 N C."""
        source = x
        if self.reduce is not None and self.norm is not None:
            source = self.norm(to_tokens(self.reduce(to_map(x, height, width))))  # 1 N/R^2 C
        y = self.attend(self.to_q(x), self.to_k(source), self.to_v(source))  # 1 N C
        out: Tensor = self.project(y)
        return out


class FixedVitAttention(nn.Module):
    """``VitAttention`` with q, k and v apart and the scale in q's weights."""

    def __init__(self, source: VitAttention) -> None:
        super().__init__()
        self.attend, self.project = source.attend, source.project
        to_q, self.to_k, self.to_v = _parts(source.to_qkv, 3)
        self.to_q = _scaled(to_q, source.scale)

    def forward(self, x: Tensor) -> Tensor:
        """1 N C to 1 N C."""
        y = self.attend(self.to_q(x), self.to_k(x), self.to_v(x))  # 1 N C
        out: Tensor = self.project(y)
        return out


class FixedQkv(nn.Module):
    """``Qkv`` as three linear layers."""

    def __init__(self, source: Qkv) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (
            _linear(weight, bias) for weight, bias in source.layers()
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 N C to 1 N h*key, 1 N h*key and 1 N h*value."""
        return self.to_q(x), self.to_k(x), self.to_v(x)


class Constant(nn.Module):
    """What does not depend on the values of its inputs."""

    value: Tensor

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value.detach().clone())

    def forward(self, *inputs: Tensor) -> Tensor:
        """The value; the inputs are not looked at."""
        return self.value


def _offsets(source: Offsets, shapes: Shapes) -> Constant:
    keys, queries = shapes[0], shapes[1]
    return Constant(source.between((keys[-2], keys[-1]), queries[-2:]))


class FixedTokens(nn.Module):
    """``PositionedTokens`` for one H and W: positions and class token are constants."""

    positions: Tensor
    first: Tensor | None

    def __init__(self, source: PositionedTokens, shape: tuple[int, ...]) -> None:
        super().__init__()
        with torch.no_grad():
            self.register_buffer("positions", source.positions(*shape[-2:]).clone())  # 1 H*W C
            token = source.class_token
            first = None if token is None else token + source.table[:, :1]
        self.register_buffer("first", first)  # 1 1 C

    def forward(self, x: Tensor) -> Tensor:
        """1 C H W to 1 H*W C, or to 1 1+H*W C with a class token."""
        tokens = to_tokens(x) + self.positions
        return tokens if self.first is None else torch.cat([self.first, tokens], dim=1)


def _layer_norm(source: nn.LayerNorm, _: Shapes) -> nn.Module:
    return LinearLayerNorm(source) if len(source.normalized_shape) == 1 else source


def _scaled(linear: nn.Linear, factor: float) -> nn.Linear:
    with torch.no_grad():
        linear.weight.mul_(factor)
        linear.bias.mul_(factor)
    return linear


def _parts(linear: nn.Linear, count: int) -> list[nn.Linear]:
    """A linear layer as ``count`` layers of equal width, outputs in order."""
    width = linear.out_features // count
    weights, biases = torch.split(linear.weight, width), torch.split(linear.bias, width)
    return [_linear(weight, bias) for weight, bias in zip(weights, biases, strict=True)]


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone())
    layer.bias = nn.Parameter(bias.detach().clone())
    return layer


RULES = (
    Rule(
        "reduced-attention",
        ReducedAttention,
        lambda block, _: FixedReducedAttention(block),
        "XNNPACK takes no split: k and v are layers of their own, the scale is in q's weights",
    ),
    Rule(
        "vit-attention",
        VitAttention,
        lambda block, _: FixedVitAttention(block),
        "XNNPACK takes no split: q, k and v are layers of their own, the scale is in q's weights",
    ),
    Rule(
        "merged-weights",
        Qkv,
        lambda block, _: FixedQkv(block),
        "XNNPACK takes layers whose weights are constants: q, k and v have layers of their own",
    ),
    Rule(
        "offset-bias",
        Offsets,
        _offsets,
        "What attention adds for each distance is a constant, for the size at hand",
        sized=True,
    ),
    Rule(
        "learnt-tokens",
        LearntTokens,
        lambda block, _: Constant(block.table[None]),
        "The tokens that an image starts with are a constant, for one image",
        sized=True,
    ),
    Rule(
        "token-positions",
        PositionedTokens,
        lambda block, shapes: FixedTokens(block, shapes[0]),
        "Position embeddings are resized once, for the size at hand",
        sized=True,
    ),
    Rule(
        "layer-norm",
        nn.LayerNorm,
        _layer_norm,
        "XNNPACK has no layer norm; its means are linear layers",
        stage=Stage.LAYER,
        delegates=("xnnpack",),
    ),
)
