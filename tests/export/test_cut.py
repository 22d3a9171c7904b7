"""Cutting an ONNX graph where one component ends: small graphs written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from seaformer.core.errors import ExportError
from seaformer.export._onnx.cut import component_of, cut, part_file

SHAPE = [1, 4]


def write(path: Path, nodes: Sequence[NodeProto], *, between: Sequence[str] = ()) -> Path:
    """``image`` to ``output``, with one shared weight; ``between`` are values with a shape."""
    two = numpy_helper.from_array(np.full(4, 2.0, np.float32), "two")
    graph = helper.make_graph(
        nodes,
        "whole",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, SHAPE)],
        [two],
        value_info=[helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in between],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), str(path))
    return path


def node(kind: str, takes: str, gives: str, name: str) -> NodeProto:
    return helper.make_node(kind, takes.split(), gives.split(), name)


def run(path: Path, *arrays: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    session = ort.InferenceSession(str(path))
    names = [value.name for value in session.get_inputs()]
    answers: list[npt.NDArray[np.float32]] = session.run(
        None, dict(zip(names, arrays, strict=True))
    )
    return answers


TWO = (
    node("Mul", "image two", "a", "/stem/Mul"),
    node("Relu", "a", "b", "/stem/block/block.0/Relu"),
    node("Add", "b two", "output", "/head/Add"),
)


def test_parts_one_after_the_other_compute_what_the_whole_computes(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", TWO, between=["a", "b"])
    stem, head = cut(path, ("stem", "head"))
    x = np.array([[-1, 0, 1, 2]], np.float32)
    assert [part.name for part in (stem, head)] == ["stem.onnx", "head.onnx"]
    assert np.array_equal(run(head, *run(stem, x))[0], run(path, x)[0])


def test_a_weight_that_two_parts_read_is_in_both(tmp_path: Path) -> None:
    path = write(tmp_path / "model.onnx", TWO, between=["a", "b"])
    for part in cut(path, ("stem", "head")):
        assert [tensor.name for tensor in onnx.load(str(part)).graph.initializer] == ["two"]


def test_a_constant_node_is_copied_to_every_part_that_reads_it(tmp_path: Path) -> None:
    value = numpy_helper.from_array(np.full(4, 3.0, np.float32), "three")
    constant = helper.make_node("Constant", [], ["three"], "/stem/Constant", value=value)
    nodes = (
        constant,
        node("Add", "image three", "a", "/stem/Add"),
        node("Mul", "a three", "output", "/head/Mul"),
    )
    path = write(tmp_path / "model.onnx", nodes, between=["a", "three"])
    stem, head = cut(path, ("stem", "head"))
    x = np.ones((1, 4), np.float32)
    assert np.array_equal(run(head, *run(stem, x))[0], run(path, x)[0])
    assert [n.op_type for n in onnx.load(str(head)).graph.node] == ["Constant", "Mul"]


def test_casts_at_both_ends_go_with_the_part_they_serve(tmp_path: Path) -> None:
    nodes = (
        helper.make_node("Cast", ["image"], ["a"], "graph_input_cast0", to=TensorProto.FLOAT),
        node("Relu", "a", "b", "/stem/Relu"),
        node("Relu", "b", "c", "/head/Relu"),
        helper.make_node("Cast", ["c"], ["output"], "graph_output_cast0", to=TensorProto.FLOAT),
    )
    path = write(tmp_path / "model.onnx", nodes, between=["a", "b", "c"])
    stem, head = cut(path, ("stem", "head"))
    assert [n.op_type for n in onnx.load(str(stem)).graph.node] == ["Cast", "Relu"]
    assert [n.op_type for n in onnx.load(str(head)).graph.node] == ["Relu", "Cast"]


def test_what_a_later_part_takes_from_two_earlier_ones_comes_in_their_order(tmp_path: Path) -> None:
    nodes = (
        node("Relu", "image", "a", "/stem/Relu"),
        node("Mul", "a two", "b", "/context/Mul"),
        node("Add", "b a", "output", "/spatial/Add"),
    )
    path = write(tmp_path / "model.onnx", nodes, between=["a", "b"])
    spatial = cut(path, ("stem", "context", "spatial"))[2]
    assert [value.name for value in onnx.load(str(spatial)).graph.input] == ["a", "b"]


def test_a_node_in_no_component_is_named(tmp_path: Path) -> None:
    nodes = (*TWO[:2], node("Add", "b two", "output", "/tail/Add"))
    alone = (node("Add", "image two", "output", "Add_7"),)
    with pytest.raises(ExportError, match=r"'Add_7' \(Add\) is in no component"):
        cut(write(tmp_path / "model.onnx", alone, between=[]), ("stem", "head"))
    with pytest.raises(ExportError, match=r"'/tail/Add' \(Add\) is in no component"):
        cut(write(tmp_path / "model.onnx", nodes, between=["a", "b"]), ("stem", "head"))


def test_a_cut_needs_the_shape_of_what_crosses_it(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="The shape of 'b'"):
        cut(write(tmp_path / "model.onnx", TWO), ("stem", "head"))


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("/stem/conv/Conv", "stem"),
        ("/stem/Relu", "stem"),
        ("/Resize", ""),
        ("graph_input_cast0", ""),
        ("", ""),
        ("stem/conv/Conv", ""),
    ],
)
def test_component_is_the_first_part_of_a_nodes_path(name: str, component: str) -> None:
    assert component_of(name) == component


def test_parts_do_not_match_a_pattern_for_whole_models() -> None:
    assert part_file("model__fp32.onnx", "stem") == "model__fp32.onnx.parts/stem.onnx"
