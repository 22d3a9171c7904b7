"""Files of one command share what they have in common, and their manifests have what they took."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from seaformer.core.artifact import load_artifact
from seaformer.core.request import ExportRequest
from seaformer.export import _job, export_request
from seaformer.export._shared import Shared
from seaformer.export._steps import Steps
from seaformer.export._subject import Subject, zoo_subject
from tests import exports

pytest.importorskip("onnxruntime")

SIZE = (64, 64)
PRECISIONS = ("fp32", "fp16")


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were built, in order."""
    models: list[str] = []

    def counted(request: ExportRequest) -> Subject:
        models.append(request.model)
        return zoo_subject(request)

    monkeypatch.setattr(_job, "zoo_subject", counted)
    return models


@pytest.mark.slow
def test_files_of_one_model_are_made_of_one_network_and_one_trace(
    tmp_path: Path, built: list[str]
) -> None:
    shared, steps = Shared(), list[str]()
    requests = [ExportRequest("seaformer_t", "onnx", precision, SIZE) for precision in PRECISIONS]
    made = [export_request(each, tmp_path / "1", steps.append, shared) for each in requests]
    assert built == ["seaformer_t"]
    assert steps.count("trace to ONNX") == 1
    alone = [export_request(each, tmp_path / "2") for each in requests]
    assert [each.sha256 for each in made] == [each.sha256 for each in alone]


@pytest.mark.slow
def test_another_model_or_other_rules_are_not_taken_for_the_one_before(
    tmp_path: Path, built: list[str]
) -> None:
    shared = Shared()
    requests = [
        ExportRequest("seaformer_t", "onnx", size=SIZE),
        ExportRequest("seaformer_t", "onnx", size=SIZE, no_rewrite=("sea-attention",)),
        ExportRequest("seaformer_t", "onnx", size=SIZE, scope="argmax"),
        ExportRequest("seaformer_t", "onnx", size=SIZE, seed=1),
    ]
    made = [export_request(each, tmp_path / "1", None, shared) for each in requests]
    assert built == ["seaformer_t"] * 2
    alone = [export_request(each, tmp_path / "2") for each in requests[1:]]
    assert [each.sha256 for each in made[1:]] == [each.sha256 for each in alone]
    assert len({each.sha256 for each in made}) == len(made)


def test_a_manifest_has_the_time_and_the_memory_of_every_step(
    exported: exports.CommandExport,
) -> None:
    artifact = load_artifact(exported.onnx)
    lines = [line for line in exported.stderr.splitlines() if " onnx fp32: " in line]
    assert [each.step for each in artifact.steps] == [line.rpartition(": ")[2] for line in lines]
    assert len(lines) > 5
    assert sum(each.seconds for each in artifact.steps) > 0
    assert all(each.peak_bytes > 50e6 for each in artifact.steps)  # torch alone has more


def test_steps_that_differ_in_a_detail_are_one_cost() -> None:
    shown: list[str] = []
    steps = Steps(shown.append)
    for number in range(3):
        steps(f"search for modules in float, {number} of 3: stem")
    steps("serialise")
    assert [each.step for each in steps.costs()] == ["search for modules in float", "serialise"]
    assert len(shown) == 4


def test_a_lowering_copies_no_histories_and_leaves_torch_as_it_was() -> None:
    pytest.importorskip("executorch")
    from torch.fx.traceback import NodeSource

    from seaformer.export._executorch.provenance import shared_provenance

    source = NodeSource(torch.fx.Graph().placeholder("image"))
    with shared_provenance():
        assert copy.deepcopy([source])[0] is source
    assert copy.deepcopy([source])[0] is not source
