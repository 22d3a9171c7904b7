"""Precision, components and operators from the command line, on a real file and real engines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from seaformer.core.artifact import Artifact
from seaformer.report import build
from seaformer.store.results import ResultStore
from tests.exports import half, small
from tests.traces import check_trace

QUICK = ("--warmup", "1", "--runs", "3", "--repeats", "1", "--core", "0")


def seaformer(*arguments: str | Path, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "seaformer", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return half("onnx")


@pytest.mark.slow
def test_export_takes_precisions_and_formats_together_and_names_the_components(
    tmp_path: Path,
) -> None:
    wanted = ("--precision", "fp16,fp32", "--format", "onnx", "--size", "64x64", "--components")
    done = seaformer("export", "--variant", "t", *wanted, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == [
        "seaformer_t.ade20k__64x64__fp16__components.onnx",
        "seaformer_t.ade20k__64x64__fp32__components.onnx",
    ]
    assert "weights and arithmetic float16, input and output float32" in done.stdout
    assert "stem, context, spatial, head: cut out of this graph, a file each" in done.stdout
    assert "-[✓] spatial:china.jpg:" in done.stdout


def test_bench_prints_shares_beside_figure_10_and_warns_of_fp16_on_a_pc(
    artifact: Artifact, tmp_path: Path
) -> None:
    done = seaformer("bench", artifact.path, "--components", *QUICK, "--results", tmp_path)
    assert done.returncode in (0, 5), done.stderr  # 5: a noisy machine made it invalid
    assert "figure 10" in done.stdout
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.split()}
    assert [lines[name][-2:] for name in ("stem", "context", "spatial", "head", "sum")] == [
        ["49", "%"],
        ["34", "%"],
        ["8", "%"],
        ["8", "%"],
        ["99", "%"],
    ]
    assert lines["remainder"][-1] == "-"
    assert "no fp16 kernels" in done.stdout
    (stored,) = tmp_path.rglob("runs/*/*.json")
    methods = json.loads(stored.read_text())["methods"]
    assert set(methods) == {"forward", "stem", "context", "spatial", "head"}
    assert all(method["output"]["passed"] for method in methods.values())


def test_components_of_a_file_that_has_none_are_a_failed_row_with_a_sentence(
    tmp_path: Path,
) -> None:
    plain = small("onnx")
    done = seaformer("bench", plain.path, "--components", *QUICK, "--results", tmp_path)
    assert done.returncode == 4
    told = " ".join(done.stdout.split())
    assert f"{plain.file} has no components: export it with --components." in told
    assert "Traceback" not in done.stderr


def test_profile_ops_adds_tables_and_a_trace_and_leaves_the_measurement_alone(
    artifact: Artifact, tmp_path: Path
) -> None:
    done = seaformer("bench", artifact.path, "--profile", "ops", *QUICK, "--results", tmp_path)
    assert done.returncode in (0, 5), done.stderr
    assert "Operators of seaformer_t.ade20k" in done.stdout
    assert "Executed: convolutions 69 in float32; the file is fp16." in done.stdout
    assert "stem.quarter.1" in done.stdout
    (trace,) = (tmp_path / "profiles").glob("*__measured__*.trace.json")
    assert f"Trace: {trace}" in done.stderr
    assert list(check_trace(trace)) == ["components", "operators"]
    runs = ResultStore(tmp_path).load()
    assert (len(runs.measurements), runs.damaged) == (1, ())
    assert len(build(runs).table.rows) == 1
    (stored,) = tmp_path.rglob("runs/*/*.json")
    assert len(json.loads(stored.read_text())["methods"]["forward"]["samples_ns"]) == 3


def test_profile_beside_json_prints_json_alone(artifact: Artifact, tmp_path: Path) -> None:
    done = seaformer(
        "bench", artifact.path, "--profile", "ops", "--json", *QUICK, "--results", tmp_path
    )
    (document,) = json.loads(done.stdout)
    assert document["precision"] == "fp16"
    assert len(list((tmp_path / "profiles").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--profile", "op"), "Unknown profile 'op'"),
        (("--precision", "fp61"), "Unknown precision 'fp61'"),
        (("--components", "--scope", "argmax"), "--components and --scope argmax do not go"),
    ],
)
def test_options_that_cannot_be_are_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    done = seaformer("bench", "--variant", "t", *arguments, "--results", tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
