"""Outputs of modules in a captured graph and in its converted form, which names operators alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from seaformer.core.quantization import ModuleNoise
from seaformer.export.quantize._noise import module_noise
from seaformer.export.quantize._observers import Array


class _Recorder(Interpreter):
    """Runs a graph and keeps the values of some operators, by name."""

    def __init__(self, graph: GraphModule, names: Iterable[str]) -> None:
        super().__init__(graph)
        self.names = frozenset(names)
        self.values: dict[str, Tensor] = {}

    def run_node(self, n: Node) -> Any:
        """As it is, and noted."""
        value = super().run_node(n)
        if n.name in self.names:
            self.values[n.name] = value
        return value


def torch_noise(
    graph: GraphModule,
    converted: GraphModule,
    images: Iterable[Array],
    module_of: Callable[[Node], str],
) -> tuple[ModuleNoise, ...]:
    """Every module's, of a captured graph and the one with quantize and dequantize operators."""
    there = {node.name: node for node in converted.graph.nodes if node.op == "call_function"}
    ends = {
        module_of(node): node.name
        for node in graph.graph.nodes
        if node.name in there and module_of(node) and _is_float(node)
    }
    places = {module: _rounded(there[name]).name for module, name in ends.items()}
    pair = ((converted, places), (graph, ends))
    return module_noise((_outputs(*pair[0], image), _outputs(*pair[1], image)) for image in images)


def _is_float(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.is_floating_point()


def _rounded(node: Node) -> Node:
    """What readers of an operator get: behind quantize and dequantize, where those follow."""
    for codes in node.users:
        if "quantize_per_tensor" in str(codes.target):
            return next(iter(codes.users), node)
    return node


def _outputs(graph: GraphModule, places: dict[str, str], image: Array) -> dict[str, Array]:
    recorder = _Recorder(graph, places.values())
    with torch.no_grad():
        recorder.run(torch.from_numpy(image))
    return {module: recorder.values[name].numpy() for module, name in places.items()}
