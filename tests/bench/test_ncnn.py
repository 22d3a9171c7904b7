"""ncnn networks under a clock: by the Python runner here, by the C++ runner with a real libncnn.

A libncnn takes minutes to build where the cache has none, so what needs one runs before a release.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seaformer.bench.run import Bench
from seaformer.bench.target import Target, TargetOptions, open_target
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.precision import PrecisionName
from seaformer.core.quiet import quiet
from seaformer.export import export_model
from seaformer.store.results import ResultStore
from tests.nets import Small
from tests.requirements import module

PLAN = RunPlan(core="0", processes=1, warmup=Warmup(runs=1), stop=Stop(runs=2))
SHAPE = (1, 3, 34, 46)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with quiet():
        module("ncnn", "pip install 'seaformer[ncnn]'")
        module("pnnx", "pip install 'seaformer[ncnn]'")
    return tmp_path_factory.mktemp("ncnn")


def small(folder: Path, precision: PrecisionName = "fp32") -> Artifact:
    torch.manual_seed(0)
    return export_model(Small(), shape=SHAPE, format="ncnn", precision=precision, out=folder)


def row(target: Target, artifact: Artifact, results: Path) -> Measurement:
    (measurement,) = Bench(target, PLAN, ResultStore(results)).run([artifact])
    return measurement


def assert_right(measurement: Measurement) -> None:
    assert measurement.failure is None
    assert (measurement.runtime, measurement.runtime_version) == ("ncnn", "1.0.20261020")
    output = measurement.methods["forward"].output
    assert output is not None
    assert output.passed


def test_the_python_runner_times_a_network_and_gets_the_right_output(
    folder: Path, tmp_path: Path
) -> None:
    measurement = row(HostTarget(python=True), small(folder), tmp_path)
    assert_right(measurement)
    assert measurement.runner == "python"
    assert len(measurement.methods["forward"].samples_ns) == 2


@pytest.mark.zoo
@pytest.mark.parametrize("device", ["host", "emulator"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_cpp_runner_times_it_in_its_precision(
    folder: Path, tmp_path: Path, device: str, precision: PrecisionName
) -> None:
    target = open_target(device, options=TargetOptions(engines=("ncnn",)))
    measurement = row(target, small(folder, precision), tmp_path)
    assert_right(measurement)
    assert measurement.runner == "cpp"
    counts = measurement.methods["forward"].counts
    if device == "emulator":
        assert counts
        assert (counts[0].fma_fp16 > 0) == (precision == "fp16")


@pytest.mark.zoo
def test_the_cpp_runner_reports_what_is_wrong_with_the_files(folder: Path, tmp_path: Path) -> None:
    target = open_target("host", options=TargetOptions(engines=("ncnn",)))
    artifact = small(folder)
    param, weights = artifact.path, artifact.path.with_suffix(".bin")
    changes = {
        "Convolution9": "needs the layer Convolution9, which this build of ncnn",
        "": "which is missing",
    }
    for kind, message in changes.items():
        here = tmp_path / (kind or "missing")
        here.mkdir()
        shutil.copy(param, here)
        if kind:
            shutil.copy(weights, here)
            text = param.read_text().replace("Convolution ", f"{kind} ", 1)
            (here / param.name).write_text(text)
        measurement = row(target, _at(artifact, here), tmp_path / "results")
        assert measurement.failure is not None
        assert message in measurement.failure


def _at(artifact: Artifact, folder: Path) -> Artifact:
    return replace(artifact, path=folder / artifact.path.name, reference=None, external=())
