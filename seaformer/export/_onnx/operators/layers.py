"""Operators with weights, norms and pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seaformer.export._onnx.node import Function, OnnxNode

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN_POOLS: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _pads(node: OnnxNode, kernel: Sequence[int], places: int) -> tuple[list[int], list[int]]:
    """Before and after each spatial axis, from ``pads`` or ``auto_pad``."""
    pads = node.get("pads") or [0] * (2 * places)
    before, after = list(pads[:places]), list(pads[places:])
    auto = node.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        strides = node.get("strides") or [1] * places
        dilations = node.get("dilations") or [1] * places
        for i, side in enumerate(node.like(0).shape[2:]):
            reach = (kernel[i] - 1) * dilations[i] + 1
            total = max((-(-side // strides[i]) - 1) * strides[i] + reach - side, 0)
            less, more = total // 2, total - total // 2
            before[i], after[i] = (less, more) if auto == "SAME_UPPER" else (more, less)
    elif auto == "VALID":
        before, after = [0] * places, [0] * places
    return before, after


def _padded(before: Sequence[int], after: Sequence[int], value: float) -> Callable[..., Tensor]:
    """What pads on both sides by different amounts."""
    sizes = [size for pair in reversed(list(zip(before, after, strict=True))) for size in pair]
    return lambda x: F.pad(x, sizes, "constant", value)


def _conv(node: OnnxNode) -> Function:
    places = node.rank() - 2
    kernel = node.like(1).shape[2:]
    before, after = _pads(node, kernel, places)
    strides, dilations = node.get("strides") or 1, node.get("dilations") or 1
    groups, function = int(node.get("group", 1)), _CONVOLUTIONS[places]
    if before == after:
        return lambda x, w, b=None: function(x, w, b, strides, before, dilations, groups)
    pad = _padded(before, after, 0.0)
    return lambda x, w, b=None: function(pad(x), w, b, strides, 0, dilations, groups)


def _conv_transpose(node: OnnxNode) -> Function:
    places = node.rank() - 2
    if node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or node.get("output_shape"):
        raise node.refusal("with auto_pad or output_shape")
    before, after = _pads(node, node.like(1).shape[2:], places)
    strides, dilations = node.get("strides") or 1, node.get("dilations") or 1
    more = node.get("output_padding") or [0] * places
    groups, function = int(node.get("group", 1)), _TRANSPOSED[places]
    if before == after:
        return lambda x, w, b=None: function(x, w, b, strides, before, more, groups, dilations)
    cut = _padded([-size for size in before], [-size for size in after], 0.0)
    return lambda x, w, b=None: cut(function(x, w, b, strides, 0, more, groups, dilations))


def _gemm(node: OnnxNode) -> Function:
    """``alpha * A @ B + beta * C``; with plain factors a linear layer."""
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    first, second = bool(node.get("transA", 0)), bool(node.get("transB", 0))
    flat = not node.has(2) or node.rank(2) == 1
    if second and not first and flat and alpha == beta == 1.0:
        return lambda a, b, c=None: F.linear(a, b, c)

    def function(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product = (a.mT if first else a) @ (b.mT if second else b)
        product = product if alpha == 1.0 else product * alpha
        return product if c is None else product + (c if beta == 1.0 else c * beta)

    return function


def _batch_norm(node: OnnxNode) -> Function:
    if node.get("training_mode", 0):
        raise node.refusal("in training mode")
    eps = node.get("epsilon", 1e-5)
    return lambda x, w, b, mean, var: F.batch_norm(x, mean, var, w, b, False, 0.0, eps)


def _instance_norm(node: OnnxNode) -> Function:
    eps = node.get("epsilon", 1e-5)
    return lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=eps)


def _layer_norm(node: OnnxNode) -> Function:
    shape, eps = list(node.like(0).shape[node.axis(-1) :]), node.get("epsilon", 1e-5)
    if node.outputs > 1:
        raise node.refusal("with more than one output")
    return lambda x, w, b=None: F.layer_norm(
        x, shape, w.reshape(shape), None if b is None else b.reshape(shape), eps
    )


def _group_norm(node: OnnxNode) -> Function:
    """Since opset 21 with a scale for each channel, before for each group."""
    groups, eps = int(node.get("num_groups")), node.get("epsilon", 1e-5)
    each = node.like(0).shape[1] // groups if node.opset < 21 else 1
    return lambda x, w, b: F.group_norm(
        x, groups, w.repeat_interleave(each), b.repeat_interleave(each), eps
    )


def _max_pool(node: OnnxNode) -> Function:
    if node.outputs > 1:
        raise node.refusal("with indices")
    kernel, places = node.get("kernel_shape"), node.rank() - 2
    before, after = _pads(node, kernel, places)
    strides, dilations = node.get("strides") or [1] * places, node.get("dilations") or 1
    ceil, function = bool(node.get("ceil_mode", 0)), _MAX_POOLS[places]
    if before == after and all(2 * b <= k for b, k in zip(before, kernel, strict=True)):
        return lambda x: function(x, kernel, strides, before, dilations, ceil)
    pad = _padded(before, after, float("-inf"))
    return lambda x: function(pad(x), kernel, strides, 0, dilations, ceil)


def _average_pool(node: OnnxNode) -> Function:
    if any(d != 1 for d in node.get("dilations") or ()):
        raise node.refusal("with dilations")
    kernel, places = node.get("kernel_shape"), node.rank() - 2
    before, after = _pads(node, kernel, places)
    strides = node.get("strides") or [1] * places
    ceil, counted = bool(node.get("ceil_mode", 0)), bool(node.get("count_include_pad", 0))
    function = _MEAN_POOLS[places]
    if before == after and all(2 * b <= k for b, k in zip(before, kernel, strict=True)):
        return lambda x: function(x, kernel, strides, before, ceil, counted)
    pad = _padded(before, after, 0.0)
    if counted:
        return lambda x: function(pad(x), kernel, strides, 0, ceil)
    shape = (1, 1, *node.like(0).shape[2:])
    share = function(pad(torch.ones(shape)), kernel, strides, 0, ceil)  # of what is not padding
    return lambda x: function(pad(x), kernel, strides, 0, ceil) / share.to(x.dtype)


def _global(reduce: Callable[[Tensor, list[int]], Tensor]) -> Callable[[OnnxNode], Function]:
    def make(node: OnnxNode) -> Function:
        axes = list(range(2, node.rank()))
        return lambda x: reduce(x, axes)

    return make


def _local_response(node: OnnxNode) -> Function:
    size, alpha = int(node.get("size")), node.get("alpha", 1e-4)
    beta, k = node.get("beta", 0.75), node.get("bias", 1.0)
    return lambda x: F.local_response_norm(x, size, alpha, beta, k)


def _einsum(node: OnnxNode) -> Function:
    equation = node.get("equation")
    return lambda *values: torch.einsum(equation, *values)


LAYERS: Mapping[str, Callable[[OnnxNode], Function]] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(lambda x, axes: x.mean(axes, keepdim=True)),
    "GlobalMaxPool": _global(lambda x, axes: x.amax(axes, keepdim=True)),
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LRN": _local_response,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda node: torch.matmul,
    "MaxPool": _max_pool,
}
