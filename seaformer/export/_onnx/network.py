"""An ONNX graph as an ``nn.Module`` for one size: a module for each node, under the node's name.

What depends on no data is computed here, once, by onnx's reference evaluator; what an image flows
through becomes a function of PyTorch (``operators``). onnx2torch 1.5 was tried instead: it imports
torchvision, which cannot be installed beside the pinned torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from seaformer.core.errors import ModelError, UnsupportedOperator
from seaformer.export._onnx.node import Function, OnnxNode, torch_tensor
from seaformer.export._onnx.operators import OPERATORS

_MEASURES = ("Shape", "Size")  # of an image too they depend on its size only
_DOMAINS = ("", "ai.onnx")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]+")


class Operator(nn.Module):
    """One node: ``function`` of its tensors."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors: Tensor) -> Any:
        return self.function(*tensors)


@dataclass(frozen=True)
class Step:
    """A node in the order they run; ``module`` is its path, the rest names of tensors."""

    module: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class OnnxNetwork(nn.Module):
    """The graph of an ONNX file. Input: the image of the size that it was built for."""

    def __init__(self, image: str, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.image = image
        self.OUTPUTS = outputs
        self.steps: list[Step] = []
        self.weights: dict[str, str] = {}  # a tensor of the graph to the path of its weight

    def forward(self, image: Tensor) -> Any:
        tensors = {self.image: image}
        for name, path in self.weights.items():
            tensors[name] = _get(self, path)
        for step in self.steps:
            given = self.get_submodule(step.module)(*(tensors[name] for name in step.inputs))
            several = given if isinstance(given, (tuple, list)) else (given,)
            tensors.update(zip(step.outputs, several, strict=False))
        outputs = tuple(tensors[name] for name in self.OUTPUTS)
        return outputs[0] if len(outputs) == 1 else outputs


def build_network(model: onnx.ModelProto, image: Tensor) -> OnnxNetwork:
    """The network of a file for images of that shape.

    Raises ``UnsupportedOperator`` with the operator that has no counterpart, ``ModelError`` where
    one fails on the image.
    """
    return _Builder(onnx.inliner.inline_local_functions(model), image).network


class _Builder:
    """Goes through the nodes once, with the example's value of every tensor."""

    def __init__(self, model: onnx.ModelProto, image: Tensor) -> None:
        graph = model.graph
        stored = {tensor.name for tensor in graph.initializer}
        taken = [value.name for value in graph.input if value.name not in stored]
        self.opset = max(e.version for e in model.opset_import if e.domain in _DOMAINS)
        self.network = OnnxNetwork(taken[0], tuple(value.name for value in graph.output))
        self.values: dict[str, Tensor] = {taken[0]: image}
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        for number, node in enumerate(graph.node):
            self._add(node, f"{node.op_type}_{number}")
        self._keep(name for name in self.network.OUTPUTS if name not in self.values)
        self.network.eval()

    def _add(self, node: onnx.NodeProto, fallback: str) -> None:
        if node.domain not in _DOMAINS:
            raise _unsupported(f"{node.domain}.{node.op_type}", node)
        if node.op_type in _MEASURES and node.input[0] in self.values:
            shape = np.zeros(()) + np.zeros(tuple(self.values[node.input[0]].shape))
            self._evaluate(node, {node.input[0]: shape})
        elif all(name in self.constants for name in node.input if name):
            self._evaluate(node, {name: self.constants[name] for name in node.input if name})
        elif node.op_type not in OPERATORS:
            raise _unsupported(node.op_type, node)
        else:
            self._translate(node, fallback)

    def _evaluate(self, node: onnx.NodeProto, given: dict[str, Any]) -> None:
        try:
            values = ReferenceEvaluator(self._alone(node, given)).run(None, given)
        except Exception as error:  # the evaluator raises whatever its numpy code does
            raise _failed(node, error) from error
        names = [name for name in node.output if name]
        self.constants.update(zip(names, map(np.asarray, values), strict=True))

    def _alone(self, node: onnx.NodeProto, given: dict[str, Any]) -> onnx.ModelProto:
        """A model of one node, of the file's opset."""
        make = onnx.helper.make_tensor_value_info
        kinds = {n: onnx.helper.np_dtype_to_tensor_dtype(value.dtype) for n, value in given.items()}
        inputs = [make(name, kinds[name], list(value.shape)) for name, value in given.items()]
        outputs = [make(name, onnx.TensorProto.UNDEFINED, None) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "constant", inputs, outputs)
        return onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", self.opset)]
        )

    def _translate(self, node: onnx.NodeProto, fallback: str) -> None:
        names, values = list(node.input), self._values(node)
        described = OnnxNode(
            kind=node.op_type,
            name=node.name or fallback,
            opset=self.opset,
            outputs=sum(map(bool, node.output)),
            attributes={
                each.name: onnx.helper.get_attribute_value(each) for each in node.attribute
            },
            values=values,
            constant=[name in self.constants for name in names],
        )
        function = OPERATORS[node.op_type](described)
        inputs = [n for i, n in enumerate(names) if n and i not in described.read]
        if node.op_type == "Cast":
            inputs.append(self.network.image)
        self._keep(name for name in inputs if name in self.constants)
        given = [self.values[n] if n in self.values else self._weight(n) for n in inputs]
        try:
            with torch.no_grad():
                results = function(*given)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise _failed(node, error) from error
        several = results if isinstance(results, (tuple, list)) else (results,)
        outputs = tuple(name for name in node.output if name)
        self.values.update(zip(outputs, several, strict=False))
        path = self._attach(described.name, Operator(function))
        self.network.steps.append(Step(path, tuple(inputs), outputs))

    def _values(self, node: onnx.NodeProto) -> list[Tensor | None]:
        known = [self.values.get(n) if n not in self.constants else None for n in node.input]
        return [
            torch_tensor(self.constants[name]) if name in self.constants else value
            for name, value in zip(node.input, known, strict=True)
        ]

    def _weight(self, name: str) -> Tensor:
        return _get(self.network, self.network.weights[name])

    def _keep(self, names: Iterable[str]) -> None:
        """Constants that functions take as tensors are weights of the network."""
        for name in names:
            if name not in self.network.weights:
                value = torch_tensor(self.constants[name])
                floating = value.is_floating_point()
                kept = nn.Parameter(value, requires_grad=False) if floating else value
                self.network.weights[name] = self._attach(name, kept)

    def _attach(self, name: str, value: nn.Module | Tensor) -> str:
        """Put it below the network at the path that its name has; the answer is that path."""
        parts = [_NOT_A_NAME.sub("_", part) for part in re.split(r"[/.]+|::", name) if part]
        *outer, last = parts or ["node"]
        parent: nn.Module = self.network
        path = []
        for part in outer:
            held = part if part in parent._modules else _free(parent, part)
            if held not in parent._modules:
                parent.add_module(held, nn.Module())
            parent = parent.get_submodule(held)
            path.append(held)
        last = _free(parent, last)
        if isinstance(value, nn.Module):
            parent.add_module(last, value)
        elif isinstance(value, nn.Parameter):
            parent.register_parameter(last, value)
        else:
            parent.register_buffer(last, value)
        return ".".join((*path, last))


def _free(parent: nn.Module, name: str) -> str:
    while hasattr(parent, name):
        name = f"{name}_"
    return name


def _get(network: nn.Module, path: str) -> Tensor:
    parent, _, name = path.rpartition(".")
    tensor: Tensor = getattr(network.get_submodule(parent), name)
    return tensor


def _unsupported(operator: str, node: onnx.NodeProto) -> UnsupportedOperator:
    return UnsupportedOperator(
        f"The ONNX operator {operator} has no counterpart in PyTorch here (node {node.name!r}).",
        hint="Export it to --format onnx, or bench the file as it is: seaformer bench FILE.",
    )


def _failed(node: onnx.NodeProto, error: Exception) -> ModelError:
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    return ModelError(f"Node {node.name!r} ({node.op_type}) fails for this shape: {reason}")
