"""ExecuTorch programs: real lowering, real runtime, one delegate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seaformer.agreement import images
from seaformer.core.artifact import Artifact
from seaformer.export import export_model
from seaformer.models import create_model
from seaformer.runtime import load_session


def test_program_computes_what_the_model_computes_on_an_input_of_ones_own(
    executorch_artifact: Artifact,
) -> None:
    x = images.noise(64, 96, seed=7)
    with torch.no_grad():
        expected = create_model("seaformer_t")(torch.from_numpy(x)).numpy()
    seen = load_session(executorch_artifact).run([x])[0]
    assert np.abs(seen - expected).max() / expected.std() < 5e-4


def test_program_is_one_delegate_with_nothing_outside(executorch_artifact: Artifact) -> None:
    found = executorch_artifact.delegation
    assert found is not None
    assert (found.subgraphs, found.outside) == (1, ())


@pytest.mark.zoo
def test_another_variant_is_one_delegate_with_nothing_outside(tmp_path: Path) -> None:
    """S and L with their components: ``test_components``."""
    artifact = export_model("seaformer_b", format="executorch", size=(64, 64), out=tmp_path)
    assert artifact.delegation is not None
    assert artifact.delegation.subgraphs == 1
    assert artifact.delegation.outside == ()


@pytest.mark.zoo
def test_classifier_is_one_delegate_with_nothing_that_computes_outside(
    tmp_path: Path,
) -> None:
    artifact = export_model("seaformer_t.imagenet", format="executorch", out=tmp_path)
    assert artifact.delegation is not None
    assert artifact.delegation.subgraphs == 1
    assert artifact.delegation.outside_compute == 0


@pytest.mark.slow
def test_without_the_rewrite_the_report_names_what_fell_out_and_why(
    plain_artifact: Artifact,
) -> None:
    report = plain_artifact.delegation
    assert report is not None
    outside = {op.op: op for op in report.outside}
    assert report.subgraphs > 5
    assert outside["aten.mean"].count == 24  # q, k, v of two axes of four layers
    assert outside["aten.mean"].computes
    assert "last two axes" in outside["aten.mean"].reason
    assert "(first in context.stages.1.layers.0.attention" in outside["aten.mean"].reason


@pytest.mark.slow
def test_argmax_stays_outside_and_is_reported(tmp_path: Path) -> None:
    artifact = export_model(
        "seaformer_t", format="executorch", size=(64, 64), scope="argmax", out=tmp_path
    )
    assert artifact.delegation is not None
    assert [op.op for op in artifact.delegation.outside if op.computes] == ["aten.argmax"]
    assert artifact.methods[0].outputs[0].shape == (1, 64, 64)
