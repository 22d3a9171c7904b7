"""The real aarch64 runner with both engines on a fake phone, pinned to one of its two cores."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.android_bench.connection import Phone
from seaformer.android_bench.finder import Finder
from seaformer.android_bench.store import FileToPush, Store
from seaformer.bench.fleet import BenchOrder, Fleet, Outcome
from seaformer.bench.target import TargetOptions
from seaformer.core.artifact import Artifact
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.export import export_model
from seaformer.report.profile import executed_line
from seaformer.runtime.build.bundle import Bundle
from seaformer.store.results import ResultStore
from tests import arm
from tests.android_bench.benches import Workbench, left_behind
from tests.exports import half, small
from tests.fakes.phone import FakePhone
from tests.fakes.scripted import scripted_artifact
from tests.nets import Small
from tests.requirements import require

PLAN = RunPlan(processes=1, warmup=Warmup(runs=1), stop=Stop(runs=1))
CONVOLUTIONS = 69


@pytest.fixture
def real_bundle(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    require((os.cpu_count() or 1) > 1, "fewer than 2 cores")
    bundle = arm.needed(arm.bundle)
    monkeypatch.setattr(
        "seaformer.bench.targets.phone.build_arm64_bundle", lambda say, libraries=(): bundle
    )
    return bundle


def bench(
    phone: FakePhone,
    results: Path,
    artifacts: list[Artifact],
    *profiles: str,
    options: TargetOptions = TargetOptions(),
) -> Outcome:
    order = BenchOrder(PLAN, ResultStore(results), profiles=profiles, options=options)
    (outcome,) = Fleet([phone.address], order, lambda sentence: None).run(artifacts)
    assert outcome.refused == ()
    assert left_behind(phone) == []
    for row in outcome.measured:
        run = row.methods["forward"]
        assert row.failure is None
        assert run.output is not None
        assert run.output.passed
        assert [process.sample_cpus for process in run.processes] == [(1,)]
        assert [process.affinity for process in run.processes] == [(1,)]
        assert row.device.clusters[-1].part == "Cortex-A77"
    return outcome


@pytest.mark.zoo
def test_an_ncnn_network_goes_to_a_phone_with_its_weights_and_answers_rightly(
    phone: FakePhone, tmp_path: Path
) -> None:
    network = export_model(
        Small(), shape=(1, 3, 34, 46), format="ncnn", precision="fp16", out=tmp_path / "model"
    )
    options = TargetOptions(engines=("ncnn",))
    (row,) = bench(phone, tmp_path / "results", [network], options=options).measured
    assert (row.runtime, row.precision) == ("ncnn", "fp16")


@pytest.mark.slow
def test_both_engines_answer_rightly_on_the_pinned_core_and_all_of_it_stays_there(
    phone: FakePhone, tmp_path: Path, real_bundle: Bundle
) -> None:
    artifacts = [small("onnx"), small("executorch")]
    assert len(bench(phone, tmp_path, artifacts).measured) == 2
    assert sum(size for _, size in phone.pushes) > real_bundle.size_bytes
    (attached,) = Finder().choose(phone.address)
    again = Phone(Finder(), attached)
    parts = [real_bundle.folder / file.name for file in real_bundle.manifest.files]
    Store(again).put(map(FileToPush.of, [*parts, *(artifact.path for artifact in artifacts)]))
    again.close()
    assert again.bytes_pushed == 0


@pytest.mark.slow
def test_a_second_bench_of_both_engines_pushes_nothing(
    phone: FakePhone, tmp_path: Path, real_bundle: Bundle
) -> None:
    artifacts = [small("onnx"), small("executorch")]
    bench(phone, tmp_path, artifacts)
    pushed = list(phone.pushes)
    bench(phone, tmp_path, artifacts)
    assert phone.pushes == pushed


@pytest.mark.parametrize(
    "precision",
    [
        pytest.param("fp32", marks=pytest.mark.slow),
        pytest.param("fp16", marks=pytest.mark.zoo),  # its exports take minutes
    ],
)
def test_both_engines_report_the_precision_they_computed_in_and_it_is_the_files(
    phone: FakePhone, tmp_path: Path, real_bundle: Bundle, precision: str
) -> None:
    make = half if precision == "fp16" else small
    artifacts = [make(format) for format in ("onnx", "executorch")]
    outcome = bench(phone, tmp_path, artifacts, "ops")
    type_name = {"fp32": "float32", "fp16": "float16"}[precision]
    for row, profile in zip(outcome.measured, outcome.profiles, strict=True):
        assert row.precision == precision
        assert not [flag.name for flag in row.flags if "fp16" in flag.name]
        assert profile.executed == {type_name: CONVOLUTIONS}, profile.format
        assert executed_line(profile) == (
            f"Executed: convolutions {CONVOLUTIONS} in {type_name}; the file is {precision}."
        )
        assert len(profile.operators) > CONVOLUTIONS


def test_half_precision_that_a_phone_lacks_is_noted_in_the_rows_that_need_it(
    workbench: Workbench, tmp_path: Path
) -> None:
    single = scripted_artifact(tmp_path / "a", "single")
    halved = replace(scripted_artifact(tmp_path / "a", "half"), precision="fp16")
    with FakePhone("old") as phone:
        trial = workbench.run(phone, single, halved, force=True)
    names = {row.model: {flag.name for flag in row.flags} for row in trial.rows}
    assert "no fp16 arithmetic" in names["half"]
    assert "no fp16 arithmetic" not in names["single"]
    assert "its cores lack asimdhp" in trial.flags()["no fp16 arithmetic"]
