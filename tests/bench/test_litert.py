"""LiteRT models that nobody here exported: read, judged by LiteRT's reference kernels, timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seaformer.bench.foreign import FileOptions, open_file
from seaformer.bench.run import Bench
from seaformer.bench.target import Target
from seaformer.bench.targets.host import HostTarget
from seaformer.core import files
from seaformer.core.errors import CorruptArtifact
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.runtime import describe_file
from seaformer.runtime.python_runner.engines.litert import open_engine
from seaformer.runtime.python_runner.flags import RunnerProblem
from seaformer.store.results import ResultStore
from tests import tflite
from tests.bench import emulated
from tests.requirements import module

AS_IT_IS = FileOptions()
PLAN = RunPlan(core="0", processes=1, warmup=Warmup(runs=1), stop=Stop(runs=2))


@pytest.fixture(autouse=True)
def package() -> None:
    module("ai_edge_litert", tflite.INSTALL)


def row(target: Target, path: Path, options: FileOptions = AS_IT_IS) -> Measurement:
    store = ResultStore(path.parent / "results")
    (measurement,) = Bench(target, PLAN, store).run([open_file(path, options)])
    return measurement


def assert_right(measurement: Measurement, runner: str) -> None:
    assert measurement.failure is None
    assert (measurement.runtime, measurement.runtime_version) == ("litert", "2.3.0")
    assert measurement.runner == runner
    output = measurement.methods["forward"].output
    assert output is not None
    assert output.passed
    assert output.relative_error < 1e-5


@pytest.mark.parametrize("signatures", [(), ("serving_default", "again")])
@pytest.mark.parametrize("runner", ["cpp", "python"])
def test_both_runners_time_a_file_and_its_output_is_that_of_other_kernels(
    tmp_path: Path, runner: str, signatures: tuple[str, ...]
) -> None:
    path = tflite.convolution(tmp_path / "conv.tflite", signatures=signatures)
    measurement = row(HostTarget(python=runner == "python"), path)
    assert_right(measurement, runner)
    assert measurement.input_shape == (1, 3, *tflite.SIZES[1:3])


def test_a_file_reports_its_methods_tensors_and_operators(tmp_path: Path) -> None:
    path = tflite.convolution(tmp_path / "conv.tflite", signatures=("serving_default", "again"))
    model = describe_file(path)
    assert model.methods == ("forward", "again")
    assert [str(each) for each in model.inputs] == ["x float32 1x16x24x3"]
    assert [str(each) for each in model.outputs] == ["y float32 1x16x24x4"]
    assert model.operators == {"CONV_2D": 1}
    assert model.weights == {"float32": 4 * 3 * 9 + 4}
    assert (model.precision, model.producer) == ("fp32", "by hand")
    plain = describe_file(tflite.convolution(tmp_path / "plain.tflite"))
    assert [each.name for each in (*plain.inputs, *plain.outputs)] == ["image", "map"]


@pytest.mark.parametrize("runner", ["cpp", "python"])
def test_a_size_that_is_free_is_chosen_by_its_input(tmp_path: Path, runner: str) -> None:
    path = tflite.convolution(tmp_path / "free.tflite", height=-1)
    options = FileOptions(shapes=(("image", (1, 8, 24, 3)),))
    measurement = row(HostTarget(python=runner == "python"), path, options)
    assert_right(measurement, runner)
    assert measurement.input_shape == (1, 3, 8, 24)


def test_a_damaged_file_and_an_unknown_operator_are_named(tmp_path: Path) -> None:
    whole = tflite.convolution(tmp_path / "conv.tflite").read_bytes()
    short = tmp_path / "short.tflite"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptArtifact, match="cut short or damaged"):
        open_file(short)
    short.write_bytes(b"\0" * 100)
    with pytest.raises(CorruptArtifact, match="is not a LiteRT model"):
        open_file(short)

    custom = 32
    path = tflite.convolution(tmp_path / "magic.tflite", operator=custom)
    assert describe_file(path).operators == {"Magic": 1}
    with pytest.raises(CorruptArtifact, match="unresolved custom op: Magic"):
        open_file(path)


def test_a_file_with_any_number_damaged_is_described_or_refused(tmp_path: Path) -> None:
    path = tflite.convolution(tmp_path / "conv.tflite", signatures=("serving_default", "again"))
    whole, refused = path.read_bytes(), 0
    for at in range(8, len(whole) - 4, 4):
        for number in (1, 7, 2**31 - 1):
            path.write_bytes(whole[:at] + number.to_bytes(4, "little") + whole[at + 4 :])
            try:
                describe_file(path)
            except CorruptArtifact:
                refused += 1
    assert refused > 100


def test_the_python_runner_refuses_what_it_would_time_another_graph_for(tmp_path: Path) -> None:
    path = tflite.convolution(tmp_path / "two.tflite", signatures=("first", "second"), graphs=2)
    engine = open_engine(path, 1, None)
    assert engine.methods == ("forward", "second")
    assert engine.load("forward")
    with pytest.raises(RunnerProblem) as raised:
        engine.load("second")
    assert "'second' of" in raised.value.message
    assert "use the C++ runner" in raised.value.message


def test_the_python_runner_refuses_a_size_that_the_graph_cannot_have(tmp_path: Path) -> None:
    engine = open_engine(tflite.product(tmp_path / "product.tflite"), 1, None)
    engine.load("forward")
    arrays = [np.zeros((1, 6, 4), np.float32), np.zeros((1, 7, 5), np.float32)]
    with pytest.raises(RunnerProblem) as raised:
        engine.set_inputs(arrays)
    assert "cannot prepare" in raised.value.message
    assert "(1, 7, 5)" in raised.value.message


@pytest.mark.parametrize("runner", ["cpp", "python"])
def test_a_runner_refuses_a_file_that_was_changed_after_it_was_read(
    tmp_path: Path, runner: str
) -> None:
    path = tflite.convolution(tmp_path / "conv.tflite")
    artifact = open_file(path)
    tflite.convolution(path, operator=32)
    changed = replace(artifact, sha256=files.sha256_file(path))
    target = HostTarget(python=runner == "python")
    (failed,) = Bench(target, PLAN, ResultStore(tmp_path / "results")).run([changed])
    assert failed.failure is not None
    assert "conv.tflite" in failed.failure


@pytest.mark.slow
def test_an_emulated_core_runs_it_and_counts_the_same_twice(tmp_path: Path) -> None:
    path = tflite.convolution(tmp_path / "conv.tflite")
    artifact = open_file(path)
    rows = [emulated.bench([artifact], tmp_path / name)[0] for name in ("a", "b")]
    for measurement in rows:
        assert_right(measurement, "cpp")
    first, second = (each.methods["forward"].counts for each in rows)
    assert first
    assert first[0].vector_fma > 0
    assert np.isclose(first[0].instructions, second[0].instructions, rtol=1e-3)
