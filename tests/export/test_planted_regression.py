"""The gate against a real regression: a model exported without the rewrites, measured for real.

Timings decide nothing here. What fails the gate is what a machine does not change.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from seaformer.bench.run import Bench
from seaformer.bench.target import Target
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import Artifact
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.store.results import ResultStore

PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def compare(*arguments: object) -> Done:
    argv = [sys.executable, "-m", "seaformer", "compare", *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def measured(target: Target, folder: Path, artifact: Artifact) -> Path:
    Bench(target, PLAN, ResultStore(folder)).run([artifact])
    return folder


@pytest.mark.slow
def test_the_gate_fails_on_a_model_exported_without_its_rewrites(
    executorch_artifact: Artifact, plain_artifact: Artifact, tmp_path: Path
) -> None:
    target = HostTarget()
    good = measured(target, tmp_path / "good", executorch_artifact)
    bad = measured(target, tmp_path / "bad", plain_artifact)
    told = compare(good, bad, "--format", "md")
    assert told.code == 6, told.err
    worse = [line for line in told.out.splitlines() if line.startswith("| ✗ |")]
    assert any("| delegate subgraphs | 1 | " in line for line in worse)
    outside = next(line for line in worse if "| operators outside | 0 | " in line)
    assert "aten.mean" in outside
    assert told.err.startswith(f"Error: {bad} is worse than {good}: ")
    assert "Traceback" not in told.err

    assert compare(good, bad, "--no-gate").code == 0
    back = compare(bad, good, "--max-ratio", 100)
    assert back.code in (0, 6), back.err
    assert "delegate subgraphs regression" not in back.out


def test_the_gate_passes_on_the_same_model_measured_twice(
    executorch_artifact: Artifact, tmp_path: Path
) -> None:
    target = HostTarget()
    first = measured(target, tmp_path / "first", executorch_artifact)
    second = measured(target, tmp_path / "second", executorch_artifact)
    # Both are this machine's at that moment; what follows from the file is gated.
    told = compare(first, second, "--allow", "latency,peak memory")
    assert told.code == 0, told.out + told.err
    assert "1 row on both sides" in told.out
    assert "the same file" in told.out


@pytest.mark.slow
def test_the_gate_fails_on_the_instructions_of_an_emulated_core(
    executorch_artifact: Artifact, plain_artifact: Artifact, tmp_path: Path
) -> None:
    from seaformer.bench.targets.emulator import open_target

    target = open_target()
    good = measured(target, tmp_path / "good", executorch_artifact)
    bad = measured(target, tmp_path / "bad", plain_artifact)
    told = compare(good, bad, "--format", "github")
    assert told.code == 6, told.err
    assert "::error title=instructions regression::instructions" in told.out
    again = measured(target, tmp_path / "again", executorch_artifact)
    told = compare(good, again)
    assert told.code == 0, told.out + told.err
