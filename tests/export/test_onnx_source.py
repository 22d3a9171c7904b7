"""An ``.onnx`` file is exported again: its graph to ONNX, as a network to other formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from seaformer.core.errors import (
    CorruptArtifact,
    ExportError,
    SeaFormerError,
    UnknownName,
    UsageError,
)
from seaformer.core.errors import UnsupportedOperator as Unsupported
from seaformer.core.request import ExportRequest
from seaformer.export import export_model, export_request
from seaformer.runtime import load_session
from seaformer.runtime.onnxruntime import OnnxRuntimeSession
from tests import foreign, nets

FREE_SHAPE = (1, 3, 32, 48)


def answers(path: Path, image: Any) -> Any:
    """The first output of the file as it is."""
    return OnnxRuntimeSession(path).run_as_is([image])[0]


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(5).standard_normal(FREE_SHAPE).astype(np.float32)


def test_a_graph_of_an_old_opset_becomes_a_proved_file_in_half(tmp_path: Path, image: Any) -> None:
    path = foreign.save(foreign.convolution(opset=7, ir=3), tmp_path / "old.v1.onnx")
    artifact = export_model(path, format="onnx", precision="fp16", out=tmp_path / "out")
    assert artifact.file == "old.v1__32x48__fp16.onnx"
    assert (artifact.origin, artifact.opset) == (str(path), 7)
    assert artifact.exporter == "somebody (the graph of the file)"
    assert [case.input for case in artifact.parity.cases] == ["china.jpg", "flower.jpg", "noise"]
    assert any("the largest value is" in note and "Conv" in note for note in artifact.notes)
    expected = answers(path, image)
    assert 0 < np.abs(answers(artifact.path, image) - expected).max() < 0.01
    graph = onnx.load(str(artifact.path)).graph
    assert {tensor.data_type for tensor in graph.initializer} == {onnx.TensorProto.FLOAT16}


@pytest.mark.slow
def test_a_graph_becomes_an_executorch_program(tmp_path: Path, image: Any) -> None:
    path = foreign.save(foreign.convolution(foreign.FREE), tmp_path / "free.onnx")
    request = ExportRequest("free", "executorch", module=str(path), shape=FREE_SHAPE)
    artifact = export_request(request, tmp_path / "out")
    assert artifact.spec.task == "segmentation"
    assert artifact.delegation is not None
    assert (artifact.delegation.subgraphs, artifact.delegation.outside_compute) == (1, 0)
    seen = load_session(artifact).run([image])[0]
    np.testing.assert_allclose(seen, answers(path, image), atol=1e-4)


def large() -> Any:
    """The convolution, its first weight 100,000 times as large, its last as much smaller."""
    model = foreign.convolution()
    for tensor, factor in zip(model.graph.initializer, (1e5, 1e-5), strict=True):
        array = onnx.numpy_helper.to_array(tensor) * np.float32(factor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return model


def cut_short(folder: Path) -> Path:
    path = foreign.save(foreign.convolution(), folder / "net.onnx")
    path.write_bytes(path.read_bytes()[:200])
    return path


def saved(make: Callable[[], Any]) -> Callable[[Path], Path]:
    return lambda folder: foreign.save(make(), folder / "net.onnx")


@pytest.mark.parametrize("opset", [11, 20])
@pytest.mark.slow
def test_the_oldest_and_the_newest_opset_are_proved(opset: int, tmp_path: Path) -> None:
    path = foreign.save(foreign.convolution(opset=min(opset, 13)), tmp_path / "net.onnx")
    torch.manual_seed(0)
    for source in (path, nets.Small()):
        artifact = export_model(source, shape=FREE_SHAPE, format="onnx", opset=opset, out=tmp_path)
        assert artifact.file.endswith(f"__32x48__fp32__opset{opset}.onnx")
        graph = onnx.load(str(artifact.path))
        assert artifact.opset == graph.opset_import[0].version == opset
        assert all(case.passed for case in artifact.parity.cases)


FP16, PTE = {"precision": "fp16"}, {"format": "executorch"}
REFUSED: dict[str, tuple[Callable[[Path], Path], dict[str, Any], type[SeaFormerError], str]] = {
    "no file": (lambda folder: folder / "no.onnx", {}, UnknownName, "no.onnx does not exist"),
    "cut short": (cut_short, {}, CorruptArtifact, "net.onnx is not an ONNX model, or it was cut"),
    "several inputs": (saved(foreign.text_classifier), {}, UsageError, "one input, an image"),
    "free sizes": (
        saved(lambda: foreign.convolution(foreign.FREE)), {}, UsageError, "leaves sizes of its"
    ),
    "another shape": (
        saved(foreign.convolution), {"shape": (1, 3, 64, 64)}, SeaFormerError, "not 1x3x64x64"
    ),
    "half": (saved(lambda: foreign.convolution(half=True)), {}, UsageError, r"\(got fp16\)"),
    "half, to be single": (
        saved(lambda: foreign.convolution(half=True)), PTE, UsageError, "computes in fp16"
    ),
    "integers": (saved(foreign.quantised), {}, UsageError, r"a file in fp32 .*\(got int8\)"),
    "scope": (saved(foreign.convolution), {"scope": "argmax"}, UsageError, "--scope argmax is not"),
    "not finite": (saved(foreign.logarithm), {}, ExportError, "infinity or NaN on china.jpg"),
    "large inside": (saved(large), FP16, ExportError, r"/stem/Conv \(Conv\) has values from -\d+"),
    "no counterpart": (
        saved(lambda: foreign.of_one_node("Det")), PTE, Unsupported, "ONNX operator Det has no"
    ),
    "no way back": (
        saved(foreign.convolution), {"opset": 11}, ExportError, "11: No Adapter From .*Relu"
    ),
    "old opset": (saved(foreign.convolution), {"opset": 10}, UsageError, r"11 to 20 .*\(got 10\)"),
    "no opsets": (saved(foreign.convolution), PTE | {"opset": 17}, UsageError, "it has no opsets"),
    "components": (saved(foreign.convolution), {"components": True}, UsageError, "--components is"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_stands_in_the_way_of_a_file_is_named(case: str, tmp_path: Path) -> None:
    make, fields, kind, message = REFUSED[case]
    known = {"format": "onnx", "module": str(make(tmp_path))}
    request = ExportRequest("net", **(known | fields))
    with pytest.raises(kind, match=message) as caught:
        export_request(request, tmp_path / "out")
    assert "\n" not in caught.value.message
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.slow
def test_an_output_whose_free_size_is_minus_one_is_exported(tmp_path: Path) -> None:
    model = foreign.convolution(foreign.FREE)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    path = foreign.save(model, tmp_path / "paddle.onnx")
    artifact = export_model(path, shape=(1, 3, 32, 48), format="onnx", out=tmp_path / "out")
    assert artifact.methods[0].outputs[0].shape == artifact.spec.output_shape
