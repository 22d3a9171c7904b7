"""What an ``.onnx`` file reports of itself: the ``onnx`` package reads it, nothing is run.

So a file that the engine refuses, of a newer IR or opset, can still be described.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from seaformer.core import files
from seaformer.core.checksums import joint_sha256
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import ModelFile, TensorDescription, precision_of
from seaformer.core.operators import GraphOperator


def describe(path: Path, format: str, engine: str) -> ModelFile:
    """Read the file without its external weights, which must exist beside it."""
    model = _load(path)
    external = _external(model, path)
    operators = Counter(_kind(node) for node in _nodes(model.graph))
    weights, inputs = _weights(model), _inputs(model)
    opsets = {each.domain or "ai.onnx": int(each.version) for each in model.opset_import}
    return ModelFile(
        file=path.name,
        format=format,
        engine=engine,
        precision=precision_of(operators, weights, {each.dtype for each in inputs}),
        sha256=joint_sha256(path, external),
        size_bytes=sum((path.parent / name).stat().st_size for name in (path.name, *external)),
        inputs=inputs,
        outputs=tuple(_tensor(value, {}) for value in model.graph.output),
        methods=("forward",),
        operators=dict(operators.most_common()),
        weights=weights,
        opset=opsets.get("ai.onnx"),
        opsets=opsets,
        ir=int(model.ir_version),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        metadata={each.key: each.value for each in model.metadata_props},
        external=external,
        graph=tuple(_operator(node) for node in _nodes(model.graph)),
    )


def _load(path: Path) -> Any:
    try:
        with files.os_errors(str(path)):
            model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise CorruptArtifact(
            f"{path} is not an ONNX model, or it was cut short.",
            hint="Download or export it again.",
        ) from error
    if not model.graph.node and not model.graph.output:
        raise CorruptArtifact(f"{path} is not an ONNX model: it has no graph.")
    return model


def _nodes(graph: Any) -> Iterator[Any]:
    """Every node, those of branches and loops after the node that holds them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _kind(node: Any) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"


def _operator(node: Any) -> GraphOperator:
    """Exporters name a node by the path of its module: ``/stem/conv/Conv``."""
    parts = [part for part in node.name.split("/") if part][:-1] if "/" in node.name else []
    return GraphOperator(_kind(node), ".".join(parts), (node.name, *node.output))


def _initializers(model: Any) -> Iterator[Any]:
    yield from model.graph.initializer
    for node in _nodes(model.graph):
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t"):
                yield attribute.t


def _weights(model: Any) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for tensor in _initializers(model):
        counts[_dtype(tensor.data_type)] += math.prod(tensor.dims)
    return dict(counts.most_common())


def _external(model: Any, path: Path) -> tuple[str, ...]:
    """The files that hold weights. Raises ``CorruptArtifact`` where one is missing or elsewhere."""
    names = {
        entry.value
        for tensor in _initializers(model)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for name in sorted(names):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CorruptArtifact(f"{path} names weights outside its folder: {name}.")
        if not (path.parent / name).is_file():
            raise CorruptArtifact(
                f"{path} has its weights in {name}, which is missing beside it.",
                hint="Keep the two files together.",
            )
    return tuple(sorted(names))


def _inputs(model: Any) -> tuple[TensorDescription, ...]:
    """The graph's inputs but for weights, which files of IR 3 list among them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in weights]
    limits = _limits(model.graph)
    return tuple(_tensor(value, limits) for value in values)


def _tensor(value: Any, limits: Mapping[str, int]) -> TensorDescription:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        raise CorruptArtifact(f"{value.name!r} is not a tensor: only tensors are supported.")
    shape = tuple(
        int(size.dim_value)
        if size.HasField("dim_value") and size.dim_value >= 0
        else size.dim_param or "?"
        for size in kind.shape.dim
    )
    shape = shape if kind.HasField("shape") else ("...",)
    return TensorDescription(
        value.name, _dtype(kind.elem_type), shape, limit=limits.get(value.name)
    )


def _limits(graph: Any) -> dict[str, int]:
    """Rows of the smallest table that an input picks from, by the input's name."""
    rows = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    origin: dict[str, str] = {}
    limits: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "Cast":
            origin[node.output[0]] = origin.get(node.input[0], node.input[0])
        elif node.op_type == "Gather" and node.input[0] in rows:
            axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
            name = origin.get(node.input[1], node.input[1])
            size = int(rows[node.input[0]][axis])
            limits[name] = min(limits.get(name, size), size)
    return limits


def _dtype(element: int) -> str:
    """numpy's name, or ONNX's own where numpy has none."""
    names = {"FLOAT": "float32", "DOUBLE": "float64"}
    name: str = onnx.TensorProto.DataType.Name(element)
    return names.get(name, name.lower())
