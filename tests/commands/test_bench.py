"""``seaformer bench`` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seaformer.runtime.build.runner import find_host_runner
from tests.commands.program import MEASURED, QUICK, seaformer, stored
from tests.exports import CommandExport


def test_a_bench_prints_its_measurements_as_json_and_stores_the_same(
    exported: CommandExport, tmp_path: Path
) -> None:
    told = seaformer("bench", exported.onnx, exported.executorch, *QUICK, "--json", cwd=tmp_path)
    assert told.code in MEASURED, told.err
    documents = told.documents
    assert [d["format"] for d in documents] == ["onnx", "executorch"]
    for document in documents:
        assert document["model"] == "seaformer_t.ade20k"
        assert (document["target"], document["precision"]) == ("host", "fp32")
        assert len(document["methods"]["forward"]["samples_ns"]) == 20
        low, high = document["ci95_ms"]
        assert low <= document["median_ms"] <= high
        assert isinstance(document["valid"], bool)
        assert document["methods"]["forward"]["output"]["passed"] is True
        assert document["command"].startswith("seaformer bench ")
    on_disk = [json.loads(path.read_text()) for path in stored(tmp_path / "results")]
    assert sorted(on_disk, key=lambda d: d["id"]) == sorted(documents, key=lambda d: d["id"])
    assert told.code == (0 if all(d["valid"] for d in documents) else 5)


def test_a_bench_prints_a_table_and_the_next_command(
    exported: CommandExport, tmp_path: Path
) -> None:
    told = seaformer("bench", exported.onnx, *QUICK, "--results", "here", cwd=tmp_path)
    assert told.code in MEASURED
    assert "median" in told.out
    assert "paper" in told.out
    assert "Next: seaformer report --results here" in told.err
    assert len(stored(tmp_path / "here")) == 1
    assert not (tmp_path / "results").exists()
    told = seaformer("report", "--results", "here", cwd=tmp_path)
    assert told.code == 0
    assert (tmp_path / "here" / "report.md").exists()


def test_a_tail_is_a_row_beside_its_network(exported: CommandExport, tmp_path: Path) -> None:
    told = seaformer("bench", exported.onnx, "--tail", "argmax", *QUICK, "--json", cwd=tmp_path)
    assert told.code in MEASURED, told.err
    (document,) = told.documents
    assert list(document["methods"]) == ["forward", "tail:argmax"]
    tail = document["methods"]["tail:argmax"]
    assert len(tail["samples_ns"]) == 20
    assert (tail["output"]["passed"], tail["output"]["argmax_agreement"]) == (True, 1.0)
    told = seaformer("results", "show", document["id"], cwd=tmp_path)
    assert "seaformer_t.ade20k:tail:argmax" in told.out


@pytest.mark.slow
def test_a_model_without_a_file_is_exported_once_into_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    if (runner := find_host_runner()) is not None:
        cache.mkdir()
        (cache / "runner").symlink_to(runner.binary.parents[1])
    arguments = ("bench", "--variant", "t", "--format", "onnx", "--size", "64x64", *QUICK, "--json")
    first = seaformer(*arguments, cwd=tmp_path, SEAFORMER_CACHE=str(cache))
    assert first.code in MEASURED, first.err
    assert len(first.documents) == 1
    assert "trace to ONNX" in first.err
    second = seaformer(*arguments, cwd=tmp_path, SEAFORMER_CACHE=str(cache))
    assert second.code in MEASURED, second.err
    assert "trace to ONNX" not in second.err
    assert second.documents[0]["artifact_sha256"] == first.documents[0]["artifact_sha256"]


def test_files_beside_an_artifact_are_passed_over_and_a_model_is_benched_once(
    exported: CommandExport, tmp_path: Path
) -> None:
    paths = sorted(exported.onnx.parent.iterdir())
    named = [path for path in paths if path.name.startswith(exported.onnx.name)]
    assert len(named) == 4  # the model, its manifest, its reference and its operators
    done = seaformer("bench", *named, *named, *QUICK, "--json", cwd=tmp_path)
    assert done.code in MEASURED, done.err
    assert [document["artifact_file"] for document in done.documents] == [exported.onnx.name]


def test_a_file_beside_an_artifact_alone_is_answered_with_the_artifact(
    exported: CommandExport, tmp_path: Path
) -> None:
    reference = exported.onnx.with_name(f"{exported.onnx.name}.reference.npz")
    done = seaformer("bench", reference, cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert f"it belongs to {exported.onnx}" in done.complaint
