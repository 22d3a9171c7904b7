"""Half precision of a LiteRT model: weights of 16 bits, and leave to compute in them.

Each constant of float32 becomes one of float16 behind a DEQUANTIZE, which XNNPACK folds away; the
model's metadata allow it to compute in float16. A core without that computes in float32.

LiteRT 2.3.0: XNNPACK does not prepare a product in float16 whose first matrix is transposed within
it, so that the transpose becomes an operator. Drop when the pin passes a release that does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from seaformer.runtime._litert import file

_TAKES_HALF = 3  # the first version of DEQUANTIZE that takes float16
_FEWEST = 16  # numbers of a constant that is worth an operator


def in_half_precision(path: Path) -> bytes:
    """The bytes of the model at ``path`` in half precision; its input and output stay as they are.

    Raises ``CorruptArtifact``.
    """
    content = file.read_model(path).content
    code = _add_code(content, schema.BuiltinOperator.DEQUANTIZE, _TAKES_HALF)
    moved: set[int] = set()  # buffers whose values are in another one now
    for graph in content.subgraphs:
        made = [
            _stored_in_half(content, graph, number, code, moved)
            for number in range(len(graph.tensors))
        ]
        operators = [each for old in graph.operators for each in _untransposed(content, graph, old)]
        graph.operators = [*(each for each in made if each), *operators]
    for number in moved:
        content.buffers[number].data = None
    _allow(content)
    builder = flatbuffers.Builder(1024)
    builder.Finish(content.Pack(builder), file.MAGIC)
    return bytes(builder.Output())


def _add_code(content: Any, kind: int, version: int) -> int:
    """The number of an operator's code, which is added."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = version
    content.operatorCodes.append(code)
    return len(content.operatorCodes) - 1


def _stored_in_half(content: Any, graph: Any, number: int, code: int, moved: set[int]) -> Any:
    """Move a constant of float32 into a new tensor of float16; the operator that expands it."""
    tensor = graph.tensors[number]
    data = content.buffers[tensor.buffer].data
    floats = schema.TensorType.FLOAT32
    if tensor.type != floats or data is None or len(data) < 4 * _FEWEST:
        return None
    values = np.frombuffer(bytes(data), "<f4").astype("<f2")
    stored = schema.TensorT()
    stored.type, stored.shape = schema.TensorType.FLOAT16, tensor.shape
    stored.name = file.text(tensor.name) + "_half"
    stored.buffer = _add_buffer(content, values.tobytes())
    moved.add(tensor.buffer)
    tensor.buffer = 0  # the empty one: its values are computed
    graph.tensors.append(stored)
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs, operator.outputs = [len(graph.tensors) - 1], [number]
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator


def _untransposed(content: Any, graph: Any, operator: Any) -> list[Any]:
    """The operator, behind a transpose of its first matrix where it has one within."""
    if file.operator_name(content, operator) != "BATCH_MATMUL" or not operator.builtinOptions.adjX:
        return [operator]
    first = graph.tensors[operator.inputs[0]]
    axes = list(range(len(first.shape)))
    axes[-2:] = axes[:-3:-1]
    turned, order = schema.TensorT(), schema.TensorT()
    turned.name, order.name = file.text(first.name) + "_turned", file.text(first.name) + "_order"
    turned.type, turned.shape = first.type, [int(first.shape[axis]) for axis in axes]
    order.type, order.shape = schema.TensorType.INT32, [len(axes)]
    order.buffer = _add_buffer(content, np.array(axes, "<i4").tobytes())
    graph.tensors += [turned, order]
    transpose = schema.OperatorT()
    transpose.opcodeIndex = _add_code(content, schema.BuiltinOperator.TRANSPOSE, 1)
    transpose.inputs = [int(operator.inputs[0]), len(graph.tensors) - 1]
    transpose.outputs = [len(graph.tensors) - 2]
    operator.inputs = [len(graph.tensors) - 2, *map(int, operator.inputs[1:])]
    operator.builtinOptions.adjX = False
    return [transpose, operator]


def _allow(content: Any) -> None:
    entry = schema.MetadataT()
    entry.name = file.REDUCED
    entry.buffer = _add_buffer(content, file.HALF_ALLOWED.encode())
    content.metadata = [*(content.metadata or []), entry]


def _add_buffer(content: Any, data: bytes) -> int:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    content.buffers.append(buffer)
    return len(content.buffers) - 1
