"""The Python runner: the same flags, the same JSON, the same values as the C++ one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from seaformer.core.plan import Stop, Warmup
from seaformer.runtime.python_runner.rules import StopJudge, WarmupJudge, half_width_rel
from tests.runtime.conftest import CppRunner, Models, PythonRunner, output

MS = 1_000_000


@pytest.mark.parametrize("engine", ["executorch", "onnxruntime"])
@pytest.mark.slow
def test_both_runners_compute_the_same_from_the_same_seed(
    cpp: CppRunner, python: PythonRunner, models: Models, engine: str, tmp_path: Path
) -> None:
    model = models.pte if engine == "executorch" else models.onnx
    core = max(os.sched_getaffinity(0))
    flags = ("--seed", 7, "--cpus", core, "--threads", 1)
    ours = python(engine, model, *flags, "--output-dir", tmp_path / "python").report
    theirs = cpp(engine, model, *flags, "--output-dir", tmp_path / "cpp").report
    np.testing.assert_allclose(output(ours), output(theirs), atol=1e-6)
    assert ours.runner.host == "python"
    assert not ours.runner.debug
    assert ours.affinity == theirs.affinity
    assert set(ours.sample_cpus) == {core}
    assert ours.threads.effective == 1
    assert ours.methods == theirs.methods
    assert [i.shape for i in ours.inputs] == [i.shape for i in theirs.inputs]
    assert (ours.warmup.runs, len(ours.samples_ns)) == (1, 3)


@pytest.mark.slow
def test_half_program_takes_a_float32_file(
    python: PythonRunner, models: Models, tmp_path: Path
) -> None:
    flags = ("--input", models.image, "--output-dir", tmp_path)
    report = python("executorch", models.half_pte, *flags).report
    assert report.outputs[0].dtype == "float16"
    np.testing.assert_allclose(output(report), models.expected, atol=2e-2)


def test_onnxruntime_profile_lands_in_the_file_asked_for(
    python: PythonRunner, models: Models, tmp_path: Path
) -> None:
    file = tmp_path / "ops.json"
    report = python("onnxruntime", models.onnx, "--profile-ops", file).report
    assert report.profiled
    assert list(tmp_path.iterdir()) == [file]


def test_errors_have_the_kinds_and_codes_of_the_cpp_runner(
    python: PythonRunner, models: Models, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.pte"
    cut.write_bytes(models.pte.read_bytes()[:1000])
    cases: list[tuple[tuple[str, Path, *tuple[str | Path | int, ...]], int, str, str]] = [
        (("executorch", models.pte, "--threads", 0), 2, "usage", "--threads"),
        (("executorch", models.pte, "--cpus", 4095), 2, "usage", "--cpus 4095 was refused"),
        (("executorch", models.pte, "--speed", 1), 2, "usage", "--speed"),
        (("executorch", cut), 3, "model", "is truncated: expected"),
        (("executorch", models.onnx), 3, "model", "is not an ExecuTorch program"),
        (("onnxruntime", models.pte), 3, "model", "Use --engine executorch"),
        (("onnxruntime", tmp_path / "absent"), 3, "model", "No such file"),
        (("onnxruntime", models.onnx, "--method", "x"), 3, "model", "it has forward."),
        (("onnxruntime", models.onnx, "--input", cut), 3, "model", "expects 12288 bytes"),
        (("onnxruntime", models.onnx, "--output-dir", cut), 5, "io", str(cut)),
    ]
    for call, code, kind, message in cases:
        error = python(*call).error
        assert error[:2] == (code, kind), error
        assert message in error[2]


def test_steady_durations_converge_and_falling_ones_take_longer() -> None:
    steady, falling, duration = WarmupJudge(Warmup()), WarmupJudge(Warmup()), 400.0
    while not steady.reason:
        steady.add(100 * MS)
    while not falling.reason:
        falling.add(int(duration * MS))
        duration = 100 + (duration - 100) * 0.8
    assert (steady.runs, steady.reason) == (10, "converged")
    assert falling.runs > 15
    assert WarmupJudge(Warmup(runs=0)).reason == "fixed"


def test_stop_rules_end_where_those_of_the_cpp_runner_do() -> None:
    equal, noisy, one = StopJudge(Stop()), StopJudge(Stop()), StopJudge(Stop(runs=1))
    while not equal.reason:
        equal.add(10 * MS)
    while not noisy.reason:
        noisy.add((10 if len(noisy.samples_ns) % 2 == 0 else 20) * MS)
    one.add(5)
    assert (len(equal.samples_ns), equal.reason) == (301, "interval")
    assert (len(noisy.samples_ns), noisy.reason) == (500, "max_runs")
    assert one.reason == "fixed"


def test_interval_of_the_median_is_the_bootstraps() -> None:
    rng = np.random.default_rng(0)
    samples = rng.lognormal(17, 0.1, 101).astype(np.int64)
    medians = np.median(rng.choice(samples, (20_000, 101)), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    expected = (high - low) / 2 / np.median(samples)
    assert half_width_rel([int(value) for value in samples]) == pytest.approx(expected, rel=0.05)
    assert half_width_rel([1, 2, 3, 4, 5]) is None
