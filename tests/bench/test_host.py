"""This machine for real: the C++ runner and the Python one, pinned, their answers checked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.run import Bench
from seaformer.bench.runner_io import RunnerRequest
from seaformer.bench.target import open_target
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import load_artifact
from seaformer.core.errors import RunnerFailed
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.store.results import ResultStore
from tests.exports import CommandExport
from tests.requirements import require

CORES = sorted(os.sched_getaffinity(0))
SHORT = RunPlan(processes=2, core=str(CORES[-1]), warmup=Warmup(runs=1), stop=Stop(runs=15))


@pytest.fixture(scope="module")
def cpp() -> HostTarget:
    target = HostTarget()
    require(target.runner == "cpp", "no C++ compiler", "sudo apt-get install g++ make")
    return target


def measure(target: HostTarget, path: Path, folder: Path, plan: RunPlan = SHORT) -> Measurement:
    (measured,) = Bench(target, plan, ResultStore(folder)).run([load_artifact(path)])
    return measured


def flag_names(measured: Measurement) -> set[str]:
    return {flag.name for flag in measured.flags}


@pytest.mark.parametrize("core", sorted({CORES[0], CORES[-1]}))
def test_every_sample_is_taken_on_the_chosen_core(
    cpp: HostTarget, exported: CommandExport, tmp_path: Path, core: int
) -> None:
    measured = measure(cpp, exported.onnx, tmp_path, replace(SHORT, core=str(core)))
    run = measured.methods["forward"]
    assert measured.failure is None
    assert [process.count for process in run.processes] == [15, 15]
    for process in run.processes:
        assert process.sample_cpus == (core,) * 15
        assert process.affinity == (core,)
        assert process.threads == 1
        assert process.warmup_runs == 1
        assert process.peak_rss_bytes is not None
        assert process.peak_rss_bytes > 1_000_000
        assert process.load_ns > 0
        assert process.first_ns > 0
    assert min(run.samples_ns) > 0
    assert "pinning" not in flag_names(measured)


@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_the_runners_answer_is_the_eager_models(
    cpp: HostTarget, exported: CommandExport, tmp_path: Path, format: str
) -> None:
    measured = measure(cpp, getattr(exported, format), tmp_path)
    output = measured.methods["forward"].output
    assert output is not None
    assert output.passed
    assert output.relative_error < 5e-4
    assert output.argmax_agreement == 1.0
    assert flag_names(measured).isdisjoint({"wrong output", "output unchecked", "threads"})
    assert (measured.source, measured.target, measured.runner) == ("measured", "host", "cpp")
    assert measured.runner_build
    assert measured.runtime_version
    assert measured.paper_latency_ms is None  # the paper timed 512x512
    assert ResultStore(tmp_path).load().measurements == (measured,)


@pytest.mark.skipif(len(CORES) < 2, reason="fewer than 2 cores")
def test_two_threads_compute_on_two_cores(
    cpp: HostTarget, exported: CommandExport, tmp_path: Path
) -> None:
    measured = measure(cpp, exported.onnx, tmp_path, replace(SHORT, threads=2, core="prime"))
    (process, _) = measured.methods["forward"].processes
    assert process.threads == 2
    assert len(process.affinity) == 2
    assert flag_names(measured).isdisjoint({"threads", "pinning"})


def test_without_a_compiler_the_python_runner_answers_and_the_row_says_so(
    exported: CommandExport, tmp_path: Path
) -> None:
    measured = measure(HostTarget(python=True), exported.onnx, tmp_path)
    run = measured.methods["forward"]
    assert measured.failure is None
    assert "python runner" in flag_names(measured)
    assert not any(flag.fatal for flag in measured.flags if flag.name == "python runner")
    assert (measured.runner, measured.runner_build) == ("python", "")
    assert {cpu for process in run.processes for cpu in process.sample_cpus} == {CORES[-1]}
    assert run.output is not None
    assert run.output.passed
    assert {process.threads for process in run.processes} == {1}


def test_a_file_that_is_no_model_is_a_failed_row(
    cpp: HostTarget, exported: CommandExport, tmp_path: Path
) -> None:
    request = RunnerRequest("onnxruntime", str(tmp_path / "no.onnx"), stop=Stop(runs=1))
    with pytest.raises(RunnerFailed, match=r"no\.onnx"):
        cpp.run(request)
    (tmp_path / "no.onnx").write_bytes(exported.onnx.read_bytes()[:1000])
    with pytest.raises(RunnerFailed, match=r"no\.onnx"):
        cpp.run(request)


def test_the_machine_describes_itself(cpp: HostTarget) -> None:
    device = cpp.device()
    assert device == HostTarget(python=True).device()
    assert device.target == "host"
    assert sorted(cpu for cluster in device.clusters for cpu in cluster.cpus) == CORES
    assert device.cores == os.cpu_count()
    assert device.id.startswith("host-")
    now = cpp.conditions(CORES[0])
    assert now.load is not None
    assert (now.free_space_bytes or 0) > 0


def test_the_registry_opens_the_same_target(cpp: HostTarget) -> None:
    target = open_target("host")
    assert (target.runner, target.runner_build) == (cpp.runner, cpp.runner_build)
