"""Operators that compute value by value, compare, or reduce over axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seaformer.export._onnx.node import Function, OnnxNode


def _plain(function: Any) -> Callable[[OnnxNode], Function]:
    return lambda _: function


def _over_all(function: Callable[[Any, Any], Any]) -> Callable[[OnnxNode], Function]:
    """An operator of any number of inputs."""
    return lambda _: lambda *values: functools.reduce(function, values)


def _divide(node: OnnxNode) -> Function:
    if node.like(0).is_floating_point():
        return torch.div
    return lambda a, b: torch.div(a, b, rounding_mode="trunc")


def _power(node: OnnxNode) -> Function:
    if node.constant[1] and node.like(1).numel() == 1:
        exponent = node.number(1)
        whole = int(exponent) if float(exponent).is_integer() else exponent
        return lambda x: torch.pow(x, whole)
    return torch.pow


def _clip(node: OnnxNode) -> Function:
    low, high = node.number(1, "min"), node.number(2, "max")
    if low is None and high is None:
        return lambda x: x
    return lambda x: torch.clamp(x, low, high)


def _hard_sigmoid(node: OnnxNode) -> Function:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return F.hardsigmoid
    return lambda x: torch.clamp(x * alpha + beta, 0.0, 1.0)


def _gelu(node: OnnxNode) -> Function:
    approximate = node.get("approximate", "none")
    return lambda x: F.gelu(x, approximate=approximate)


def _leaky(node: OnnxNode) -> Function:
    slope = node.get("alpha", 0.01)
    return lambda x: F.leaky_relu(x, slope)


def _elu(node: OnnxNode) -> Function:
    alpha = node.get("alpha", 1.0)
    return lambda x: F.elu(x, alpha)


def _celu(node: OnnxNode) -> Function:
    alpha = node.get("alpha", 1.0)
    return lambda x: F.celu(x, alpha)


def _cast(node: OnnxNode) -> Function:
    """To the type that the network computes in (``image``'s) where the file has any floating."""
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(node.get("to"))
    if dtype.kind == "f" or str(dtype) == "bfloat16":
        return lambda x, image: x.to(image.dtype)
    target: torch.dtype = getattr(torch, str(dtype), torch.bool)
    if node.like(0).is_floating_point() and target is not torch.bool:
        return lambda x, image: torch.trunc(x).to(target)
    return lambda x, image: x.to(target)


def _reduction(function: Callable[[Tensor, list[int], bool], Any]) -> Callable[[Any], Function]:
    def make(node: OnnxNode) -> Function:
        keep = bool(node.get("keepdims", 1))
        axes = node.axes(1)
        if not axes and node.get("noop_with_empty_axes", 0):
            return lambda x: x
        over = axes or list(range(node.rank()))
        return lambda x: function(x, over, keep)

    return make


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _best(function: Callable[..., Tensor]) -> Callable[[OnnxNode], Function]:
    def make(node: OnnxNode) -> Function:
        if node.get("select_last_index", 0):
            raise node.refusal("with select_last_index")
        axis, keep = node.axis(0), bool(node.get("keepdims", 1))
        return lambda x: function(x, axis, keepdim=keep)

    return make


def _softmax(function: Callable[..., Tensor]) -> Callable[[OnnxNode], Function]:
    """Before opset 13 over all axes from ``axis`` (1 where absent) on, since then over one."""

    def make(node: OnnxNode) -> Function:
        if node.opset >= 13 or node.axis(1) == node.rank() - 1:
            axis = node.axis(-1 if node.opset >= 13 else 1)
            return lambda x: function(x, axis)
        axis, shape = node.axis(1), node.like(0).shape
        return lambda x: function(x.flatten(axis), axis).reshape(shape)

    return make


ARITHMETIC: Mapping[str, Callable[[OnnxNode], Function]] = {
    **{
        kind: _plain(function)
        for kind, function in {
            "Abs": torch.abs, "Add": torch.add, "And": torch.logical_and, "Ceil": torch.ceil,
            "Cos": torch.cos, "Equal": torch.eq, "Erf": torch.erf, "Exp": torch.exp,
            "Floor": torch.floor, "Greater": torch.gt, "GreaterOrEqual": torch.ge,
            "HardSwish": F.hardswish, "Identity": lambda x: x, "IsNaN": torch.isnan,
            "Less": torch.lt, "LessOrEqual": torch.le, "Log": torch.log,
            "Mish": F.mish, "Mul": torch.mul, "Neg": torch.neg, "Not": torch.logical_not,
            "Or": torch.logical_or, "PRelu": lambda x, slope: torch.where(x < 0, x * slope, x),
            "Reciprocal": torch.reciprocal, "Relu": F.relu, "Round": torch.round,
            "Sigmoid": torch.sigmoid, "Sign": torch.sign, "Sin": torch.sin,
            "Softplus": F.softplus, "Softsign": F.softsign, "Sqrt": torch.sqrt,
            "Sub": torch.sub, "Tanh": torch.tanh, "Where": torch.where,
        }.items()
    },
    "ArgMax": _best(torch.argmax),
    "ArgMin": _best(torch.argmin),
    "Cast": _cast,
    "Celu": _celu,
    "Clip": _clip,
    "Div": _divide,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _leaky,
    "LogSoftmax": _softmax(torch.log_softmax),
    "Max": _over_all(torch.maximum),
    "Mean": lambda node: lambda *values: functools.reduce(torch.add, values) / len(values),
    "Min": _over_all(torch.minimum),
    "Pow": _power,
    "ReduceL1": _reduction(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduction(lambda x, axes, keep: (x * x).sum(axes, keepdim=keep).sqrt()),
    "ReduceLogSumExp": _reduction(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
    "ReduceMax": _reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    "ReduceMean": _reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    "ReduceProd": _reduction(_product),
    "ReduceSum": _reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: (x * x).sum(axes, keepdim=keep)),
    "Softmax": _softmax(torch.softmax),
    "Sum": _over_all(torch.add),
}  # fmt: skip
