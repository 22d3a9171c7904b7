"""Half precision: both formats, judged by tolerances of their own, with the traps closed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from seaformer.agreement import images
from seaformer.agreement.parity import compare
from seaformer.core.artifact import Artifact, ScopeName
from seaformer.core.errors import ParityError
from seaformer.core.precision import find_precision
from seaformer.export import _pipeline, export_model
from seaformer.export.conversions.onnx_fp16 import convert
from seaformer.export.rewrites._apply import Rewrite, rewrite
from seaformer.export.rewrites._rule import Rule
from seaformer.models import create_model
from seaformer.runtime import load_session
from tests.exports import SIZE, half, small


@pytest.fixture(scope="module")
def half_onnx() -> Artifact:
    return half("onnx")


@pytest.fixture(scope="module")
def half_executorch() -> Artifact:
    return half("executorch")


def eager(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with torch.no_grad():
        answer: npt.NDArray[np.float32] = create_model("seaformer_t")(torch.from_numpy(x)).numpy()
    return answer


def test_onnx_file_computes_in_half_and_is_fed_and_read_in_single(half_onnx: Artifact) -> None:
    forward = half_onnx.methods[0]
    assert [t.dtype for t in (*forward.inputs, *forward.outputs)] == ["float32", "float32"]
    graph = onnx.load(str(half_onnx.path)).graph
    kinds = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1}
    assert kinds == {TensorProto.FLOAT16}
    assert half_onnx.opset is not None
    assert half_onnx.opset >= 17
    assert half_onnx.operators["Cast"] == 2
    assert any("input and output float32; 2 Cast nodes" in note for note in half_onnx.notes)
    assert half_onnx.size_bytes < 0.55 * small("onnx", components=True).size_bytes


@pytest.mark.slow
def test_executorch_program_computes_in_half_and_says_so(half_executorch: Artifact) -> None:
    forward = half_executorch.methods[0]
    assert [t.dtype for t in (*forward.inputs, *forward.outputs)] == ["float16", "float16"]
    assert half_executorch.notes[0] == "fp16: weights, arithmetic, input and output float16"
    assert half_executorch.delegation is not None
    assert half_executorch.delegation.subgraphs == 1
    assert half_executorch.delegation.outside_compute == 0


@pytest.mark.parametrize("format", ["onnx", pytest.param("executorch", marks=pytest.mark.slow)])
def test_answer_is_the_eager_one_within_half_precision_but_not_within_single(format: str) -> None:
    artifact = half(format)
    x = images.noise(*SIZE, seed=7)
    expected = eager(x)
    method = artifact.methods[0]
    seen = load_session(artifact).run([x.astype(method.inputs[0].dtype)])[0]
    close = compare("noise", seen, expected, find_precision("fp16").tolerance)
    assert close.passed
    assert close.argmax_agreement is not None
    assert close.argmax_agreement >= 0.95
    assert not compare("noise", seen, expected, find_precision("fp32").tolerance).passed
    assert artifact.parity.tolerance == (
        "relative error <= 0.5, PSNR >= 52 dB, argmax agreement >= 90 %"
    )


@pytest.mark.slow
def test_a_half_precision_file_with_one_wrong_bias_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: nn.Module, image: torch.Tensor, rules: Sequence[Rule]) -> Rewrite:
        result = rewrite(model, image, rules)
        with torch.no_grad():
            result.network.get_parameter("head.classify.bias")[3] += 1.0
        return result

    monkeypatch.setattr(_pipeline, "rewrite", wrong)
    with pytest.raises(ParityError, match="PSNR >= 52 dB"):
        export_model("seaformer_t", format="onnx", precision="fp16", size=SIZE, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["upsample", "argmax"])
def test_every_scope_of_onnx_comes_in_half_precision(tmp_path: Path, scope: ScopeName) -> None:
    artifact = export_model(
        "seaformer_t", format="onnx", precision="fp16", size=(64, 64), scope=scope, out=tmp_path
    )
    output = artifact.methods[0].outputs[0]
    assert output.dtype == ("int64" if scope == "argmax" else "float32")
    assert output.shape[-2:] == (64, 64)


def two_resizes(path: Path) -> None:
    """Two nodes that share one empty ``roi`` and ``scales``."""
    empty = numpy_helper.from_array(np.zeros(0, np.float32), "empty")
    sizes = [
        numpy_helper.from_array(np.array([1, 2, n, n], np.int64), f"sizes_{n}") for n in (8, 16)
    ]
    weight = numpy_helper.from_array(np.full((2, 2, 1, 1), 0.5, np.float32), "weight")
    nodes = [
        helper.make_node("Conv", ["image", "weight"], ["mixed"], "mix"),
        helper.make_node("Resize", ["mixed", "empty", "empty", "sizes_8"], ["eight"], "first"),
        helper.make_node("Resize", ["eight", "empty", "empty", "sizes_16"], ["output"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 2, 4, 4])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 2, 16, 16])],
        [empty, *sizes, weight],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), str(path))


def test_two_resizes_that_share_an_empty_constant_load_and_agree_with_single(
    tmp_path: Path,
) -> None:
    path = tmp_path / "two.onnx"
    two_resizes(path)
    x = images.noise(4, 4)[:, :2]
    expected = ort.InferenceSession(str(path)).run(None, {"image": x})[0]
    note = convert(path)
    graph = onnx.load(str(path)).graph
    resizes = [node for node in graph.node if node.op_type == "Resize"]
    assert [list(node.input[1:3]) for node in resizes] == [["", ""], ["", ""]]
    assert len({node.name for node in graph.node}) == len(graph.node)
    seen = ort.InferenceSession(str(path)).run(None, {"image": x})[0]
    assert seen.dtype == np.float32
    assert np.abs(seen - expected).max() < 5e-3
    assert note.endswith("2 Cast nodes")


def two_doublings(path: Path) -> None:
    """Two nodes that share one constant ``scales``, and have no ``sizes``."""
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32))
    weight = numpy_helper.from_array(np.full((2, 2, 1, 1), 0.5, np.float32), "weight")
    nodes = [
        helper.make_node("Constant", [], ["twice"], "twice", value=scales),
        helper.make_node("Conv", ["image", "weight"], ["mixed"], "mix"),
        helper.make_node("Resize", ["mixed", "", "twice"], ["eight"], "first"),
        helper.make_node("Resize", ["eight", "", "twice"], ["output"], "last"),
    ]
    ends = [("image", [1, 2, 4, 4]), ("output", [1, 2, 16, 16])]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends]
    graph = helper.make_graph(nodes, "two", infos[:1], infos[1:], [weight])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), str(path))


def test_two_resizes_that_share_their_scales_are_a_valid_graph_that_agrees_with_single(
    tmp_path: Path,
) -> None:
    path = tmp_path / "two.onnx"
    two_doublings(path)
    x = images.noise(4, 4)[:, :2]
    expected = ort.InferenceSession(str(path)).run(None, {"image": x})[0]
    convert(path)
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    seen = ort.InferenceSession(str(path)).run(None, {"image": x})[0]
    assert np.abs(seen - expected).max() < 5e-3


def test_every_node_of_a_converted_file_stands_behind_what_it_reads(half_onnx: Artifact) -> None:
    graph = onnx.load(str(half_onnx.path)).graph
    known = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    for node in graph.node:
        assert set(node.input) <= known, node.name
        known |= set(node.output)


def test_a_classifiers_winner_may_be_a_near_tie_but_not_a_stranger() -> None:
    expected = np.linspace(0.0, 1.0, 1000, dtype=np.float32)[None]  # 1 K
    nearly, far = expected.copy(), expected.copy()
    nearly[0, -2] += 0.002  # the second best wins by a hair
    far[0, -20] += 0.03
    for precision, seen, passed in (
        ("fp16", nearly, True),
        ("fp32", nearly, False),
        ("fp16", far, False),
    ):
        case = compare("x", seen, expected, find_precision(precision).tolerance)
        assert (case.argmax_agreement, case.passed) == (0.0, passed)
