"""What goes wrong in a bench is a row, and no measurement made before it is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.bench.run import Bench
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core.artifact import Artifact
from seaformer.core.errors import DeviceLost, MissingExtra, RunnerFailed, UsageError
from seaformer.core.plan import RunPlan
from seaformer.store.results import ResultStore
from tests.bench.fake_bench import bench, detail, flags, measure
from tests.fakes import target as fake
from tests.fakes.target import Change, FakeTarget


@pytest.mark.parametrize("error", [RunnerFailed("It broke."), DeviceLost("The cable is out.")])
def test_a_run_that_fails_is_a_row_and_the_batch_goes_on(
    store: ResultStore, three: list[Artifact], error: Exception
) -> None:
    def b_fails(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if request.model.endswith("b.onnx"):
            raise error
        return plain

    measured, target = measure(store, three, b_fails)
    assert [m.failure for m in measured] == [None, str(error), None]
    assert [m.valid for m in measured] == [True, False, True]
    assert measured[1].methods == {}
    assert target.files.count("b") == 1  # it is not tried again
    assert len(store.load().measurements) == 3
    assert store.path_of(measured[1]).name.endswith("__failed.json")


def test_a_run_that_fails_late_keeps_the_processes_before_it(
    store: ResultStore, one: Artifact
) -> None:
    def third_fails(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if number == 2:
            raise RunnerFailed("Killed by SIGKILL.")
        return plain

    ((measured,), _) = measure(store, [one], third_fails)
    assert measured.failure == "Killed by SIGKILL."
    assert len(measured.methods["forward"].processes) == 2
    assert len(measured.methods["forward"].samples_ns) == 60
    assert store.load().measurements == (measured,)


def test_what_is_no_failure_of_one_run_ends_the_batch(
    store: ResultStore, three: list[Artifact]
) -> None:
    def no_engine(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        raise MissingExtra("There is no engine.")

    with pytest.raises(MissingExtra):
        measure(store, three, no_engine)


def test_a_format_no_runner_takes_is_a_row(
    store: ResultStore, tmp_path: Path, one: Artifact
) -> None:
    coreml = fake.artifact(tmp_path / "made", "apple", format="coreml")
    measured, target = measure(store, [coreml, one])
    assert "No runner takes coreml" in (measured[0].failure or "")
    assert measured[1].valid
    assert "apple" not in target.files


def test_an_output_of_another_shape_or_never_written_is_a_failed_row(
    store: ResultStore, three: list[Artifact]
) -> None:
    def strange(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        (output,) = plain.outputs
        if request.model.endswith("a.onnx"):
            assert output.file is not None
            Path(output.file).unlink()
        if request.model.endswith("b.onnx"):
            cut = fake.answer(request.model)[:, :, :1]
            return replace(plain, outputs=fake.write_output(request, cut))
        if request.model.endswith("c.onnx"):
            return replace(plain, outputs=(replace(output, shape=(1, 4, 2, 3)),))
        return plain

    measured, _ = measure(store, three, strange)
    failures = [m.failure or "" for m in measured]
    assert "cannot be read" in failures[0]
    assert "shape (1, 4, 1, 2), expected (1, 4, 2, 2)" in failures[1]
    assert "wrote 16 values for an output of shape (1, 4, 2, 3)" in failures[2]


def interrupt(at: int) -> Change:
    def ctrl_c(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if number == at:
            raise KeyboardInterrupt
        return plain

    return ctrl_c


@pytest.mark.parametrize("at", range(6))
def test_ctrl_c_keeps_what_was_measured(store: ResultStore, three: list[Artifact], at: int) -> None:
    target = FakeTarget(interrupt(at))
    running = bench(target, store, RunPlan(processes=3))
    with pytest.raises(KeyboardInterrupt):
        running.run(three[:2])
    done = target.files[:at]
    loaded = store.load()
    assert loaded.damaged == ()
    stored = loaded.measurements
    assert {m.id for m in running.finished} == {m.id for m in stored}
    counts = {m.artifact_file[0]: len(m.methods["forward"].processes) for m in stored}
    assert counts == {name: done.count(name) for name in set(done)}
    for measurement in stored:
        ran = counts[measurement.artifact_file[0]]
        if ran == 3:
            assert measurement.valid
        else:
            assert flags(measurement) == {"interrupted": True}
            assert detail(measurement, "interrupted") == f"{ran} of 3 processes ran"


def test_a_full_disk_loses_no_measurement_stored_before_it(
    store: ResultStore, three: list[Artifact]
) -> None:
    def in_the_way(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if number == 8:
            (folder,) = (store.root / "runs").iterdir()
            kept.extend(folder.iterdir())
            folder.rename(folder.with_name("moved"))
            folder.write_text("a file in the way")
        return plain

    kept: list[Path] = []
    with pytest.raises(UsageError, match="cannot be written"):
        measure(store, three, in_the_way)
    assert len(kept) == 2
    assert len(store.load().measurements) == 2


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.unlink(), "a.npz is missing beside a.onnx"),
        (lambda path: path.write_bytes(b"other"), "is not the reference its manifest names"),
    ],
    ids=["missing", "changed"],
)
def test_a_reference_that_is_not_there_is_a_row_that_was_not_run(
    store: ResultStore, three: list[Artifact], damage: object, sentence: str
) -> None:
    assert callable(damage)
    damage(three[0].path.with_suffix(".npz"))
    measured, target = measure(store, three)
    assert sentence in (measured[0].failure or "")
    assert "a" not in target.files
    assert measured[1].valid
    assert measured[2].valid


def test_a_results_folder_that_cannot_be_written_is_told_before_anything_runs(
    tmp_path: Path, one: Artifact
) -> None:
    (tmp_path / "file").write_text("in the way")
    target = FakeTarget()
    with pytest.raises(UsageError, match="cannot be written"):
        bench(target, ResultStore(tmp_path / "file" / "results")).run([one])
    assert target.requests == []


@pytest.mark.parametrize(
    "plan", [RunPlan(threads=3), RunPlan(core="7"), RunPlan(processes=0), RunPlan(core="fast")]
)
def test_a_plan_the_machine_cannot_carry_out_is_refused(store: ResultStore, plan: RunPlan) -> None:
    with pytest.raises(UsageError):
        bench(FakeTarget(), store, plan)


def test_progress_counts_to_the_end_also_past_a_failed_row(
    store: ResultStore, three: list[Artifact]
) -> None:
    told: list[tuple[str, int, int]] = []

    def b_fails(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        if request.model.endswith("b.onnx"):
            raise RunnerFailed("It broke.")
        return plain

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    Bench(FakeTarget(b_fails), RunPlan(), store, progress=progress).run(three)
    assert [done for _, done, _ in told] == list(range(10))
    assert told[-1] == ("done", 9, 9)
