"""Small LiteRT files that nobody here exported, made of the schema's own objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZES = (1, 16, 24, 3)
INSTALL = "pip install ai-edge-litert"


def convolution(
    path: Path,
    *,
    height: int = SIZES[1],
    signatures: tuple[str, ...] = (),
    operator: int = -1,
    graphs: int = 1,
) -> Path:
    """conv and relu of an image (1, H, W, 3) to 4 channels; ``height`` may be free (-1).

    ``operator``: another one in place of the convolution, by its number in the schema.
    ``graphs``: how many times the graph is in the file; the last signature is of the last one.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    rng = np.random.default_rng(0)
    graph, model = schema.SubGraphT(), schema.ModelT()
    model.version, model.description = 3, "by hand"
    model.buffers = [schema.BufferT()]
    weights = (rng.standard_normal((4, 3, 3, 3)) / 5).astype(np.float32)
    graph.tensors = [
        _tensor(schema, "image", (1, max(height, 1), *SIZES[2:])),
        _constant(schema, model, "weights", weights),
        _constant(schema, model, "bias", rng.standard_normal(4).astype(np.float32)),
        _tensor(schema, "map", (1, max(height, 1), SIZES[2], 4)),
    ]
    if height < 0:
        for number, channels in ((0, 3), (3, 4)):
            graph.tensors[number].shapeSignature = [1, height, SIZES[2], channels]
    graph.inputs, graph.outputs, graph.name = [0], [3], "main"
    graph.operators = [_conv(schema, model, operator)]
    model.subgraphs = [graph] * graphs
    model.signatureDefs = [_signature(schema, key) for key in signatures]
    if signatures:
        model.signatureDefs[-1].subgraphIndex = graphs - 1
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def product(path: Path) -> Path:
    """aT @ b of (1, 6, 4) and (1, 6, 5): a product whose first matrix is transposed within it."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    graph, model, code = schema.SubGraphT(), schema.ModelT(), schema.OperatorCodeT()
    model.version, model.buffers, model.subgraphs = 3, [schema.BufferT()], [graph]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.BATCH_MATMUL
    code.version, model.operatorCodes = 1, [code]
    graph.tensors = [
        _tensor(schema, name, shape)
        for name, shape in (("a", (1, 6, 4)), ("b", (1, 6, 5)), ("c", (1, 4, 5)))
    ]
    operator, options = schema.OperatorT(), schema.BatchMatMulOptionsT()
    options.adjX = True
    operator.inputs, operator.outputs = [0, 1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.BatchMatMulOptions
    operator.builtinOptions = options
    graph.inputs, graph.outputs, graph.operators = [0, 1], [2], [operator]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _tensor(schema: Any, name: str, shape: tuple[int, ...], buffer: int = 0) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
    tensor.type = schema.TensorType.FLOAT32
    return tensor


def _constant(schema: Any, model: Any, name: str, values: npt.NDArray[Any]) -> Any:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    return _tensor(schema, name, values.shape, len(model.buffers) - 1)


def _conv(schema: Any, model: Any, number: int) -> Any:
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = schema.BuiltinOperator.CONV_2D if number < 0 else number
    code.deprecatedBuiltinCode, code.version = code.builtinCode, 1
    if number == schema.BuiltinOperator.CUSTOM:
        code.customCode = "Magic"
    model.operatorCodes = [code]
    operator.inputs, operator.outputs = [0, 1, 2], [3]
    if number < 0:
        options = schema.Conv2DOptionsT()
        options.padding, options.strideH, options.strideW = schema.Padding.SAME, 1, 1
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU
        operator.builtinOptionsType = schema.BuiltinOptions.Conv2DOptions
        operator.builtinOptions = options
    return operator


def _signature(schema: Any, key: str) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key, 0
    signature.inputs, signature.outputs = [schema.TensorMapT()], [schema.TensorMapT()]
    for entry, name, number in ((signature.inputs[0], "x", 0), (signature.outputs[0], "y", 3)):
        entry.name, entry.tensorIndex = name, number
    return signature
