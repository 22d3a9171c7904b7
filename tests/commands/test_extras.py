"""What needs no torch stays without it; extras that are not installed are named."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from seaformer.store.results import ResultStore
from tests.commands.program import MEASURED, QUICK, done
from tests.conftest import Environment
from tests.exports import CommandExport
from tests.fakes.measurements import measurement

PHOTOGRAPH = resources.files("seaformer.agreement") / "photographs" / "china.jpg"


def imported(*arguments: object, cwd: Path) -> set[str]:
    """The top-level packages a command imports."""
    argv = [sys.executable, "-X", "importtime", "-m", "seaformer", *map(str, arguments)]
    environment = os.environ | {"SEAFORMER_RESULTS": str(cwd / "results")}
    finished = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, cwd=cwd, env=environment
    )
    assert finished.returncode in MEASURED, finished.stderr
    lines = [line for line in finished.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("models",), ("bench", "--help"), ("results", "list")]
)
def test_what_only_tells_imports_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    seen = imported(*arguments, cwd=tmp_path)
    assert "typer" in seen
    assert seen.isdisjoint({"torch", "numpy", "pandas", "PIL", "onnx", "onnxruntime", "executorch"})


def test_a_bench_of_a_file_and_a_report_import_no_engine(
    exported: CommandExport, tmp_path: Path
) -> None:
    engines = {"torch", "onnx", "onnxruntime", "executorch", "coremltools"}
    assert imported("bench", exported.onnx, *QUICK, cwd=tmp_path).isdisjoint(engines)
    assert imported("report", cwd=tmp_path).isdisjoint(engines)


# No engine is installed, none was fetched before, and pip has nowhere to look.
NO_ENGINE = {"SEAFORMER_CACHE": "cache", "PIP_NO_INDEX": "1"}


def test_a_file_that_does_not_exist_is_refused_without_what_reads_files(
    base_install: Environment, tmp_path: Path
) -> None:
    for arguments in (["no.onnx"], ["--module", "no.pt2"]):
        refused = base_install.run("export", *arguments, cwd=tmp_path)
        assert refused.returncode == 2
        assert refused.stderr == f"Error: {arguments[-1]} does not exist.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("export --variant t", ("torch is not installed", "pip install 'seaformer[export]'")),
        ("export --variant t,s --jobs 2", ("torch is not installed", "[export]'")),
        ("export --variant t --format onnx", ("pip install 'seaformer[export]'",)),
        ("bench --variant t --size 64x64", ("pip install 'seaformer[export]'",)),
        ("runner build", ("pip install 'seaformer[export]'",)),
        (f"predict {PHOTOGRAPH} --model seaformer_t", ("torch is not installed", "[export]'")),
    ],
)
def test_an_extra_that_is_not_installed_is_named_with_its_line(
    base_install: Environment, tmp_path: Path, arguments: str, words: tuple[str, ...]
) -> None:
    told = done(base_install.run(*arguments.split(), cwd=tmp_path, **NO_ENGINE))
    assert (told.code, told.out) == (2, "")
    assert all(word in told.complaint for word in words), told.err
    assert list(tmp_path.rglob("*.json")) == []


def test_a_bench_without_any_engine_to_be_had_stores_no_row(
    base_install: Environment, exported: CommandExport, tmp_path: Path
) -> None:
    told = done(base_install.run("bench", str(exported.onnx), *QUICK, cwd=tmp_path, **NO_ENGINE))
    assert (told.code, told.out) == (2, "")
    assert "pip install 'seaformer[export]'" in told.complaint
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize("arguments", ["--help", "--version", "models seaformer_t.*", "report"])
def test_the_base_install_lists_and_reports(
    base_install: Environment, tmp_path: Path, arguments: str
) -> None:
    ResultStore(tmp_path / "results").append(measurement(1))
    shown = done(base_install.run(*arguments.split(), cwd=tmp_path))
    assert shown.code == 0, shown.err
    assert shown.out


def test_doctor_on_the_base_install_names_what_an_export_needs(
    base_install: Environment, tmp_path: Path
) -> None:
    cache = {"SEAFORMER_CACHE": str(tmp_path / "cache")}
    shown = done(base_install.run("doctor", cwd=tmp_path, **cache))
    assert "-[x] torch" in shown.out
    assert "Next: pip install 'seaformer[export]'" in shown.err
    assert "bench --variant" not in shown.out + shown.err  # it would need torch
