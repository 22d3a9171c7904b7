"""How much of a graph a backend took, what it left, where that is and why.

The reasons are XNNPACK's as of executorch 1.5.1: ``backends/xnnpack/partition/config`` and
``docs/source/backends/xnnpack/op-support.csv`` of that release.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch.fx import GraphModule

from seaformer.core.artifact import Delegation, OutsideOperator

_COPIES = {
    "dim_order_ops._to_dim_order_copy": "changes dtype or memory order at the delegate's edge",
    "dim_order_ops._clone_dim_order": "copies a tensor at the delegate's edge",
    "aten._to_copy": "changes dtype at the delegate's edge",
    "aten.clone": "copies a tensor",
    "aten.view_copy": "a new shape for the same values",
    "getitem": "picks one of the delegate's outputs",
    "alloc": "reserves memory",
}

_REASONS = {
    "aten.mean": "XNNPACK averages a 4-D tensor over its last two axes only, keeping them",
    "aten.expand_copy": "XNNPACK has no broadcast on its own; it broadcasts inside add and mul",
    "aten.index": "gathering by an index tensor is not an XNNPACK operator",
    "aten.arange": "a range is computed at run time; fold it into a constant",
    "aten.softmax": "XNNPACK takes softmax over the last axis only",
    "aten._softmax": "XNNPACK takes softmax over the last axis only",
    "aten.native_layer_norm": "XNNPACK has no layer normalisation",
    "aten._adaptive_avg_pool2d": "XNNPACK pools adaptively to 1x1 only; use a fixed window",
    "aten.upsample_nearest2d": "XNNPACK resizes bilinearly only",
    "aten.native_group_norm": "XNNPACK has no group normalisation",
    "aten.sum": "XNNPACK has no sum; a product with ones is one",
    "aten.split_with_sizes_copy": "XNNPACK cuts by slices only",
    "aten.index_put": "scattering by an index tensor is not an XNNPACK operator",
    "aten.im2col": "XNNPACK has no unfold; patches that tile the map are a transposition",
    "aten.argmax": "XNNPACK has no argmax that the partitioner uses",
    "aten.gelu": "XNNPACK takes GELU in FP32 only",
    "aten.linear": "a linear layer whose weight is not a constant",
    "aten.bmm": "XNNPACK multiplies 3-D batches only",
}


def xnnpack_report(graph: GraphModule) -> Delegation:
    """Count delegated subgraphs and name what is outside of them."""
    subgraphs, inside = 0, 0
    outside: Counter[str] = Counter()
    places: dict[str, str] = {}
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        name = operator_name(node.target)
        if name == "executorch_call_delegate":
            subgraphs += 1
            inside += _operators_inside(graph, node)
        elif name != "getitem":
            outside[name] += 1
            places.setdefault(name, _place(node))
    return Delegation(
        backend="XnnpackBackend",
        subgraphs=subgraphs,
        delegated_ops=inside,
        outside=tuple(_outside(name, outside[name], places[name]) for name in sorted(outside)),
    )


def operator_name(target: Any) -> str:
    """``aten.mean`` for an edge or ATen overload; a plain function's own name otherwise."""
    schema = getattr(target, "_schema", None)
    if schema is not None:
        return str(schema.name).replace("::", ".")
    name = getattr(target, "__name__", str(target))
    return str(name)


def _operators_inside(graph: GraphModule, call: Any) -> int:
    lowered = getattr(graph, call.args[0].target)
    nodes = lowered.original_module.graph_module.graph.nodes
    return sum(node.op == "call_function" for node in nodes)


def _place(node: Any) -> str:
    """The module a node came from, as ``encoder.stages.0.norm``; "" where that is not known."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack.values()))[0]) if stack else ""


def _outside(name: str, count: int, place: str) -> OutsideOperator:
    if name in _COPIES:
        return OutsideOperator(name, count, False, _COPIES[name])
    reason = _REASONS.get(name, "the XNNPACK partitioner of executorch 1.5.1 did not take it")
    where = f" (first in {place})" if place else ""
    return OutsideOperator(name, count, True, reason + where)
