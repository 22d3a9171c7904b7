"""Half precision between the integers of one XNNPACK delegate.

``in_half`` turns a fake-quantised graph in float32 into one whose floating-point operators compute
in half: a quantize takes half, a dequantize gives it, and parameters that no integer operator reads
are cast. Image and answer stay float32: both pass a quantize, which XNNPACK computes from either.

``keeps_type`` mends executorch 1.5.1, which moves a dequantize behind a change of layout and
forgets there what type it gives: XNNPACK then wrote float32 into memory for half of that. Drop it
when ``ChannelsLastTaggedReshapePass.insert_copy_q_dq`` hands on the keyword arguments.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

import torch
from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import (
    ChannelsLastTaggedReshapePass,
)
from torch.fx import Graph, GraphModule, Node

_METHOD = "insert_copy_q_dq"
_PER_TENSOR = "quantize_per_tensor"
_ATEN = torch.ops.aten


def in_half(graph: GraphModule) -> GraphModule:
    """A copy of a fake-quantised graph that computes in half what it computes in float32."""
    made = copy.deepcopy(graph)
    for node in list(made.graph.nodes):
        if node.op == "get_attr":
            _cast_parameter(made, node)
        elif _gives_float(node):
            node.kwargs = {**node.kwargs, "out_dtype": torch.float16}
        elif node.op == "placeholder":
            _cast(made.graph, node, [user for user in node.users if not _rounds(user)])
        elif node.op == "output":
            _answer(made.graph, node)
    made.graph.lint()
    made.recompile()
    return made


@contextmanager
def keeps_type() -> Iterator[None]:
    """A dequantize that is moved behind a change of layout gives the type that it gave."""
    plain = getattr(ChannelsLastTaggedReshapePass, _METHOD)

    def typed(self: Any, module: GraphModule, before: Node, *others: Any) -> None:
        known = set(module.graph.nodes)
        plain(self, module, before, *others)
        for node in module.graph.nodes:
            if node not in known and f"de{_PER_TENSOR}" in str(node.target):
                node.kwargs = dict(before.kwargs)

    setattr(ChannelsLastTaggedReshapePass, _METHOD, typed)
    try:
        yield
    finally:
        setattr(ChannelsLastTaggedReshapePass, _METHOD, plain)


def _gives_float(node: Node) -> bool:
    return node.op == "call_function" and "dequantize_per_" in str(node.target)


def _rounds(node: Node) -> bool:
    return node.op == "call_function" and ".quantize_per_" in str(node.target)


def _cast_parameter(module: GraphModule, node: Node) -> None:
    """Not codes, scales and zero points."""
    if any(_gives_float(user) or _rounds(user) for user in node.users):
        return
    *path, name = str(node.target).split(".")
    owner = reduce(getattr, path, module)
    value = getattr(owner, name)
    if isinstance(value, torch.nn.Parameter):
        value = torch.nn.Parameter(value.detach().half(), requires_grad=False)
        setattr(owner, name, value)
    elif isinstance(value, torch.Tensor) and value.is_floating_point():
        setattr(owner, name, value.half())


def _cast(graph: Graph, node: Node, readers: list[Node]) -> None:
    """Readers get a value in half."""
    if not readers:
        return
    with graph.inserting_after(node):
        cast = graph.call_function(_ATEN.to.dtype, (node, torch.float16))
    for reader in readers:
        reader.replace_input_with(node, cast)


def _answer(graph: Graph, output: Node) -> None:
    """Every answer in float32; a dequantize that is read by nothing else gives that itself."""
    for value in output.all_input_nodes:
        if _gives_float(value) and len(value.users) == 1:
            value.kwargs = {k: v for k, v in value.kwargs.items() if k != "out_dtype"}
        else:
            with graph.inserting_before(output):
                cast = graph.call_function(_ATEN.to.dtype, (value, torch.float32))
            output.replace_input_with(value, cast)
