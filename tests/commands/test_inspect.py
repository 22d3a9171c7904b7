"""``seaformer inspect``: files of any origin, with and without a manifest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests import foreign
from tests.commands.program import seaformer
from tests.exports import CommandExport


def test_a_file_from_elsewhere_is_described_even_if_no_engine_here_reads_it(tmp_path: Path) -> None:
    model = foreign.convolution(foreign.FREE, opset=13, ir=14)
    model.metadata_props.add(key="classes", value="cat\x1b[31m,dog")
    path = foreign.save(model, tmp_path / "new.onnx")
    shown = seaformer("inspect", path, cwd=tmp_path)
    assert shown.code == 0, shown.err
    lines = [line.strip() for line in shown.out.splitlines()]
    assert lines[0] == "new.onnx"
    for expected in (
        "precision: fp32",
        "producer: somebody",
        "IR version: 14",
        "opset: ai.onnx 13",
        "input: image float32 batchx3xheightxwidth",
        "output: map float32 batchx4xheightxwidth",
        "weights: float32 x504",
        "operators: 3: Conv x2, Relu x1",
    ):
        assert expected in lines
    assert "\x1b" not in shown.out
    assert any(line.startswith("metadata classes: cat") for line in lines)
    assert not any(line.startswith("pre-processing") for line in lines)


@pytest.mark.slow
def test_a_manifest_adds_the_model_its_proof_and_the_pre_processing(
    exported: CommandExport, tmp_path: Path
) -> None:
    shown = seaformer("inspect", exported.executorch, "--json", cwd=tmp_path)
    assert shown.code == 0, shown.err
    document = json.loads(shown.out)
    assert document["inputs"][0]["shape"] == [1, 3, 64, 96]
    assert document["operators"]["XnnpackBackend"] == 1
    assert document["manifest"]["spec"]["name"] == "seaformer_t.ade20k"
    assert "minus 123.675 116.28 103.53" in document["preprocessing"]
    bare = Path(shutil.copy(exported.executorch, tmp_path / "bare.pte"))
    document = json.loads(seaformer("inspect", bare, "--json", cwd=tmp_path).out)
    assert (document["manifest"], document["preprocessing"]) == (None, "")


def test_what_is_not_a_model_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "page.onnx"
    path.write_text("<!DOCTYPE html><html>not found</html>")
    refused = seaformer("inspect", path, cwd=tmp_path)
    assert (refused.code, refused.out) == (3, "")
    assert "is not an ONNX model" in refused.complaint
