"""Files that leave sizes free: proved at three sizes, or refused with the axes that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seaformer.core import codec
from seaformer.core.artifact import load_artifact, manifest_path
from seaformer.core.errors import (
    CorruptArtifact,
    ExportError,
    ShapeError,
    UnknownName,
    UsageError,
)
from seaformer.core.files import read_bytes, write_text
from seaformer.core.free import AXES, FreeAxis
from seaformer.core.request import ExportRequest
from seaformer.evaluation.network import NetworkOptions, open_network
from seaformer.export import export_model, export_request
from seaformer.export._free import further_sizes
from seaformer.export.rewrites.free_sizes import FreePool
from seaformer.report.model_file import model_file_page
from seaformer.runtime import describe_file, load_session
from tests import nets
from tests.exports import free

REQUEST = ExportRequest("seaformer_t", "onnx", size=(64, 64), dynamic=AXES)


@pytest.mark.slow
def test_the_steps_are_those_that_the_network_computes() -> None:
    artifact = free()
    assert artifact.file == "sixteenths__64x96__fp32__uint8__dynamic-batch+height+width.onnx"
    steps = (FreeAxis("batch"), FreeAxis("height", 16), FreeAxis("width", 16))
    assert artifact.free_axes == steps
    assert artifact.rewrites["free-adaptive-pool"] == 1
    cases = [case.input for case in artifact.parity.cases]
    assert cases[:3] == ["china.jpg", "flower.jpg", "noise"]
    assert cases[3:] == [
        "china.jpg + flower.jpg + noise at 3x3x80x144",
        "china.jpg + flower.jpg at 2x3x128x288",
        "noise + china.jpg at 2x3x128x288",
    ]
    assert all(case.passed for case in artifact.parity.cases)
    described = describe_file(artifact.path)
    assert described.inputs[0].shape == ("batch", 3, "height", "width")
    assert described.outputs[0].shape == ("batch", 5, "output_height", "output_width")
    lines = [str(block.text).strip() for block in model_file_page(described, artifact)]  # type: ignore[union-attr]
    free_line = "free: batch, height (multiples of 16) and width (multiples of 16); exported at "
    assert free_line + "1x3x64x96" in lines


def test_a_session_takes_any_size_of_the_free_axes_and_no_other_channels() -> None:
    session, net = load_session(free()), nets.Sixteenths().eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 48, 112), dtype=np.uint8)
    mean = torch.tensor([123.675, 116.28, 103.53]).reshape(1, 3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).reshape(1, 3, 1, 1)
    with torch.no_grad():
        expected = net((torch.from_numpy(pixels).float() - mean) / std).numpy()
    np.testing.assert_allclose(session.run([pixels])[0], expected, atol=1e-5)
    with pytest.raises(ShapeError):
        session.run([pixels[:, :1]])


def test_an_evaluation_runs_it_at_the_size_that_is_stated() -> None:
    network = open_network(free().path, NetworkOptions(size=(32, 64)))
    assert network.size == (32, 64)
    (output,) = network.run(network.tensor(np.zeros((10, 10, 3), np.uint8)))
    assert output.shape == (1, 5, 2, 4)
    with pytest.raises(UsageError, match=r"width must be a multiple of 16 for .* \(got 65\)"):
        open_network(free().path, NetworkOptions(size=(32, 65)))


def test_an_axis_that_cannot_be_free_is_named_with_those_that_can(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="flat cannot leave height and width free") as caught:
        export_model(
            nets.Flat(), shape=(1, 3, 64, 64), format="onnx", dynamic=AXES[::-1], out=tmp_path
        )
    assert "--dynamic batch" in caught.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        ({"format": "executorch"}, UsageError, "for executorch: XNNPACK takes no resize"),
        ({"format": "ncnn"}, UsageError, "for ncnn: ncnn has no batch"),
        ({"format": "coreml"}, UsageError, "for coreml: .* requires macOS"),
        ({"components": True}, UsageError, "--components and --dynamic do not go together"),
        ({"model": "seaformer_t.coco", "scope": "boxes"}, UsageError, "anchors of boxes"),
        ({"model": "net", "module": "net.onnx"}, UsageError, "for an ONNX file"),
        ({"dynamic": ("depth",)}, UnknownName, "Unknown axis 'depth'"),
    ],
)
def test_what_cannot_leave_sizes_free_is_refused_before_any_work(
    request_: dict[str, object], kind: type[Exception], words: str, tmp_path: Path
) -> None:
    fields = {"model": "seaformer_t", "format": "onnx", "dynamic": AXES} | request_
    with pytest.raises(kind, match=words):
        export_request(ExportRequest(**fields), tmp_path)  # type: ignore[arg-type]


def test_a_pool_of_a_free_size_is_torchs_own() -> None:
    for height, width in ((5, 7), (6, 6), (3, 11)):
        x = torch.randn(2, 4, height, width, dtype=torch.float64)
        expected = torch.nn.functional.adaptive_avg_pool2d(x, (3, 2))
        torch.testing.assert_close(FreePool(3, 2)(x), expected)


def test_a_small_image_is_proved_larger_and_a_large_one_in_another_aspect() -> None:
    assert further_sizes((1, 3, 64, 64), AXES, 1) == ((3, 3, 65, 67), (2, 3, 128, 192))
    assert further_sizes((1, 3, 512, 512), AXES, 32) == ((3, 3, 544, 608), (2, 3, 256, 1024))
    assert further_sizes((1, 3, 64, 64), ("batch",), 1) == ((3, 3, 64, 64), (2, 3, 64, 64))


def test_a_manifest_with_another_axis_or_step_is_refused(tmp_path: Path) -> None:
    path = tmp_path / free().file
    path.write_bytes(read_bytes(free().path))
    text = read_bytes(manifest_path(free().path)).decode()
    for old, new, words in (('"height"', '"depth"', "free_axes"), ("16", "0", "at least 1")):
        assert codec.to_json(free())["free_axes"]
        write_text(manifest_path(path), text.replace(f": {old}", f": {new}"))
        with pytest.raises(CorruptArtifact, match=words):
            load_artifact(path)


@pytest.mark.slow
def test_pixels_of_any_size_become_a_class_map_in_half(tmp_path: Path) -> None:
    artifact = export_model(
        "topformer_t",
        format="onnx",
        precision="fp16",
        size=(64, 64),
        scope="argmax",
        input="uint8-nhwc",
        dynamic=("height", "width"),
        out=tmp_path,
    )
    assert artifact.free_axes == (FreeAxis("height"), FreeAxis("width"))
    assert "not rewritten by pyramid-pool" in artifact.notes[-1]
    (classes,) = load_session(artifact).run([np.zeros((1, 70, 50, 3), np.uint8)])
    assert classes.shape == (1, 70, 50)


@pytest.mark.slow
def test_windows_that_the_trace_fixes_are_found_at_a_larger_size(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot leave height and width free") as caught:
        export_model(
            "seaformer_t_attention_local",
            format="onnx",
            size=(64, 64),
            dynamic=("height", "width"),
            out=tmp_path,
        )
    assert caught.value.hint == "Export a file for each size."
