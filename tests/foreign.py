"""Small ONNX files that nobody here exported: of any opset, with free sizes, several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FREE = ("batch", 3, "height", "width")
FIXED = (1, 3, 32, 48)


def save(model: Any, path: Path) -> Path:
    onnx.save(model, str(path))
    return path


def convolution(
    shape: Sequence[int | str] = FIXED, *, opset: int = 17, ir: int = 8, half: bool = False
) -> Any:
    """conv, relu, conv of an image in colour: 4 channels out, of its size."""
    rng = np.random.default_rng(0)
    dtype, element = (np.float16, TensorProto.FLOAT16) if half else (np.float32, TensorProto.FLOAT)
    weights = [
        numpy_helper.from_array((rng.standard_normal(size) / 5).astype(dtype), name)
        for name, size in (("stem.w", (8, 3, 3, 3)), ("head.w", (4, 8, 3, 3)))
    ]
    nodes = [
        helper.make_node("Conv", ["image", "stem.w"], ["a"], name="/stem/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="/stem/Relu"),
        helper.make_node("Conv", ["b", "head.w"], ["map"], name="/head/Conv", pads=[1] * 4),
    ]
    ends = [
        helper.make_tensor_value_info("image", element, list(shape)),
        helper.make_tensor_value_info("map", element, [shape[0], 4, *shape[2:]]),
    ]
    return model_of(nodes, ends[:1], ends[1:], weights, opset=opset, ir=ir)


def text_classifier() -> Any:
    """Three inputs: ids below 3 (a table of 3 rows), a mask, and a scale without dimensions."""
    table = numpy_helper.from_array(np.eye(3, 4, dtype=np.float32), "table")
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Cast", ["mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["kept", "rows"], ["sum"]),
        helper.make_node("Mul", ["sum", "scale"], ["scores"]),
    ]
    taken = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["words"]),
        helper.make_tensor_value_info("mask", TensorProto.BOOL, [1, "words"]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, []),
    ]
    given = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 4])]
    return model_of(nodes, taken, given, [table])


def quantised() -> Any:
    """A convolution of int8 weights between operators that quantise."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.integers(-127, 127, (4, 3, 3, 3)).astype(np.int8), "w"),
        numpy_helper.from_array(np.float32(0.01), "scale"),
        numpy_helper.from_array(np.int8(0), "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["a"]),
        helper.make_node("DequantizeLinear", ["a", "scale", "zero"], ["b"]),
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["c"]),
        helper.make_node("Conv", ["b", "c"], ["map"]),
    ]
    taken = [helper.make_tensor_value_info("image", TensorProto.FLOAT, FIXED)]
    given = [helper.make_tensor_value_info("map", TensorProto.FLOAT, None)]
    return model_of(nodes, taken, given, weights)


def logarithm() -> Any:
    """NaN for the dark half of a normalised photograph."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, FIXED) for name in "xy"]
    return model_of([helper.make_node("Log", ["x"], ["y"])], ends[:1], ends[1:])


def of_one_node(kind: str) -> Any:
    """An operator of one image."""
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 32, 32))]
    ends.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    return model_of([helper.make_node(kind, ["x"], ["y"])], ends[:1], ends[1:])


def model_of(
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: Sequence[Any] = (),
    *,
    opset: int = 17,
    ir: int = 8,
) -> Any:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, producer_name="somebody", ir_version=ir, opset_imports=opsets)


def with_external_weights(folder: Path, scale: float = 1.0) -> Path:
    """The convolution, its weights in ``weights/all.bin`` below the file's folder."""
    model = convolution()
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor) * np.float32(scale)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    (folder / "weights").mkdir(parents=True)
    onnx.save(
        model,
        str(folder / "external.onnx"),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="weights/all.bin",
        size_threshold=0,
    )
    return folder / "external.onnx"
