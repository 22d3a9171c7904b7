"""``seaformer export`` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seaformer.core import files
from seaformer.core.artifact import manifest_path
from seaformer.export.rewrites import list_graph_rules, list_rules
from tests import exports
from tests.commands.program import seaformer
from tests.exports import CommandExport


def test_an_export_prints_its_manifests_as_json(exported: CommandExport) -> None:
    documents = {d["format"]: d for d in json.loads(exported.stdout)}
    assert set(documents) == {"onnx", "executorch"}
    for document in documents.values():
        path = Path(document["path"])
        assert path.is_absolute()
        assert document["sha256"] == files.sha256_file(path)
        assert document["precision"] == "fp32"
        assert document["parity"]["max_abs"] < 1e-3
        assert document["parity"]["argmax_agreement"] >= 0.999
        told = json.loads(manifest_path(path).read_text())
        assert told == {key: value for key, value in document.items() if key != "path"}
    delegation = documents["executorch"]["delegation"]
    assert delegation["subgraphs"] == 1
    assert isinstance(delegation["outside"], list)
    assert not any(operator["computes"] for operator in delegation["outside"])
    assert documents["onnx"]["delegation"] is None
    assert "verify against the PyTorch model" in exported.stderr


def test_the_help_tells_that_a_variant_may_be_of_seaformer_plus(tmp_path: Path) -> None:
    told = seaformer("export", "--help", cwd=tmp_path, COLUMNS="200")
    assert "t++" in told.out
    assert "t++kd" in told.out


def test_rewrites_are_listed_with_what_they_apply_to_and_why(tmp_path: Path) -> None:
    done = seaformer("export", "--list-rewrites", cwd=tmp_path)
    assert done.code == 0
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert {rule.name for rule in list_rules()} <= set(lines)
    assert {rule.name for rule in list_graph_rules()} <= set(lines)
    assert "xnnpack, float16" in lines["gelu-tanh"]
    assert "every format" in lines["sea-attention"]


def test_axes_are_left_free_by_name_in_any_order() -> None:
    artifact = exports.free()
    assert artifact.path.name.endswith("__dynamic-batch+height+width.onnx")
    assert [axis.name for axis in artifact.free_axes] == ["batch", "height", "width"]
    shown = seaformer("inspect", artifact.path, cwd=artifact.path.parent)
    assert "free: batch, height (multiples of 16) and width (multiples of 16)" in shown.out


def test_an_unknown_rewrite_is_refused_with_the_nearest(tmp_path: Path) -> None:
    rules = ("--no-rewrite", "silu,fusion-gate", "--no-rewrite", "sea-atention")
    done = seaformer("export", "--variant", "t", *rules, cwd=tmp_path)
    assert done.code == 2
    assert "Did you mean sea-attention?" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_rewrite_that_is_left_out_is_named_below_the_file(tmp_path: Path) -> None:
    options = ("--format", "onnx", "--size", "64x64", "--no-rewrite", "fusion-gate,sea-attention")
    done = seaformer("export", "--variant", "t", *options, cwd=tmp_path)
    assert done.code == 0
    assert "__no-fusion-gate+sea-attention.onnx" in done.out
    assert "not rewritten: fusion-gate, sea-attention" in done.out
    assert "rewrites: fold-batch-norm x" in done.out


@pytest.mark.slow
def test_a_file_that_fails_does_not_lose_the_others_of_a_command(tmp_path: Path) -> None:
    options = ("--size", "64x64", "--format", "executorch,onnx", "--opset", "18", "--json")
    done = seaformer("export", "--variant", "t", *options, cwd=tmp_path)
    assert done.code == 2
    assert [document["format"] for document in done.documents] == ["onnx"]
    assert "Failed: seaformer_t.ade20k executorch fp32: --opset is not supported" in done.err
    assert "Error: 1 of 2 exports failed: seaformer_t.ade20k executorch fp32." in done.err
