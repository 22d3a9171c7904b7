"""Core ML on Linux: the structure is checked, and the manifest says that it was only that."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from seaformer.agreement import images
from seaformer.core.errors import DeviceError, ParityError
from seaformer.core.precision import BASE, PrecisionName
from seaformer.core.quiet import quiet
from seaformer.export import FORMATS, _verify, export_model
from seaformer.models import create_model
from seaformer.runtime import describe_file, load_session
from tests.export.rewritten import rewritten


@pytest.fixture(autouse=True)
def _quietly_imported() -> None:
    with quiet():  # the packages warn about themselves
        FORMATS.load("coreml")


linux_only = pytest.mark.skipif(sys.platform == "darwin", reason="macOS verifies by prediction")


@linux_only
@pytest.mark.parametrize("precision", ["fp32", pytest.param("fp16", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_ml_program_is_verified_by_structure_and_says_so(
    tmp_path: Path, precision: PrecisionName
) -> None:
    artifact = export_model(
        "seaformer_t", format="coreml", precision=precision, size=(64, 64), out=tmp_path
    )
    assert artifact.parity.verified_by == "structure"
    assert "macOS only" in artifact.parity.runtime
    assert artifact.parity.max_abs is None
    assert artifact.operators["conv"] == 69
    assert any("weight tensors equal" in check for check in artifact.parity.checks)
    with quiet():
        described = describe_file(artifact.path)
    assert described.operators["conv"] == 69
    dtype = {"fp32": "float32", "fp16": "float16"}[precision]
    assert str(described.inputs[0]) == f"image {dtype} 1x3x64x64"
    assert artifact.methods[0].inputs[0].dtype == dtype
    assert described.weights
    assert described.precision == precision
    assert json.loads(described.metadata["mean"]) == [123.675, 116.28, 103.53]
    assert json.loads(described.metadata["classes"])[:2] == ["wall", "building"]
    assert json.loads(described.metadata["palette"])[0] == "787878"


@linux_only
@pytest.mark.slow
def test_prediction_away_from_macos_is_one_clear_error(tmp_path: Path) -> None:
    artifact = export_model("seaformer_t", format="coreml", size=(64, 64), out=tmp_path)
    with quiet(), pytest.raises(DeviceError, match="cannot be run on this system"):
        load_session(artifact).run([images.noise(64, 64)])


@linux_only
@pytest.mark.slow
def test_a_program_with_other_weights_is_refused(tmp_path: Path) -> None:
    with quiet():
        artifact = export_model("seaformer_t", format="coreml", size=(64, 64), out=tmp_path)
        other = create_model("seaformer_t", seed=1)
        cases = _verify.cases(other, 64, 64)
        network = rewritten(other, torch.from_numpy(cases[0].image))
        with pytest.raises(ParityError, match="weight tensors equal"):
            FORMATS.load("coreml").verify(artifact.path, cases, BASE, network)
