"""The bench loop on a machine that is made up: what it runs, keeps, doubts and never loses."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seaformer.bench.run import Bench, paper_latency_ms
from seaformer.bench.runner_io import Affinity, RunnerReport, RunnerRequest, Threads
from seaformer.bench.target import Target
from seaformer.core.artifact import Artifact
from seaformer.core.errors import DeviceLost, MissingExtra, RunnerFailed, UsageError
from seaformer.core.measurement import Flag, Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.models import model_spec
from seaformer.store.results import ResultStore
from tests.fakes import target as fake
from tests.fakes.target import Change, FakeTarget

THROTTLED = tuple(1_000_000 + 20_000 * i for i in range(30))


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


@pytest.fixture
def three(tmp_path: Path) -> list[Artifact]:
    return [fake.artifact(tmp_path / "made", name) for name in "abc"]


@pytest.fixture
def one(three: list[Artifact]) -> Artifact:
    return three[0]


def measure(
    store: ResultStore, artifacts: list[Artifact], change: Change | None = None, **plan: Any
) -> tuple[list[Measurement], FakeTarget]:
    target = FakeTarget() if change is None else FakeTarget(change)
    return bench(target, store, RunPlan(**plan)).run(artifacts), target


def bench(target: Target, store: ResultStore, plan: RunPlan | None = None) -> Bench:
    return Bench(target, plan or RunPlan(), store)


def flags(measurement: Measurement) -> dict[str, bool]:
    return {flag.name: flag.fatal for flag in measurement.flags}


def detail(measurement: Measurement, name: str) -> str:
    return next(flag.detail for flag in measurement.flags if flag.name == name)


def test_every_artifact_gives_one_stored_measurement_in_the_order_given(
    store: ResultStore, three: list[Artifact]
) -> None:
    measured, target = measure(store, three)
    assert [m.artifact_file for m in measured] == ["a.onnx", "b.onnx", "c.onnx"]
    stored = store.load()
    assert sorted(stored.measurements, key=lambda m: m.artifact_file) == measured
    assert stored.damaged == ()
    assert len(target.requests) == 9
    assert all(m.valid and m.flags == () and m.failure is None for m in measured)
    assert [len(run) for run in measured[0].methods["forward"].by_process()] == [30, 30, 30]


def test_a_measurement_tells_what_ran_where_and_how(store: ResultStore, one: Artifact) -> None:
    plan = RunPlan(core="0", seed=3, stop=Stop(runs=30))
    target = FakeTarget(flags=(Flag("busy machine", False, "load 1.5"),))
    (measured,) = Bench(target, plan, store, command="seaformer bench a.onnx").run([one])
    assert (measured.plan, measured.device, measured.target) == (plan, target.info, "host")
    assert (measured.runner, measured.runner_build) == ("cpp", "abc123")
    assert (measured.runtime, measured.runtime_version) == ("onnxruntime", "9.9")
    assert (measured.artifact_sha256, measured.artifact_size_bytes) == (one.sha256, one.size_bytes)
    assert measured.command == "seaformer bench a.onnx"
    assert measured.before.at == "look 1 at cpu0"
    assert measured.after.at == "look 4 at cpu0"
    assert flags(measured) == {"busy machine": False}
    assert measured.valid
    (process, *_) = measured.methods["forward"].processes
    assert (process.load_ns, process.first_ns, process.warmup_runs) == (5_000_000, 2_000_000, 5)
    output = measured.methods["forward"].output
    assert output is not None
    assert (output.max_abs, output.argmax_agreement, output.passed) == (0.0, 1.0, True)


def test_every_measurement_of_a_bench_has_the_commit_it_was_made_from(
    store: ResultStore,
    three: list[Artifact],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    measured, _ = measure(store, three[:1])
    assert measured[0].commit == ""
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *arguments], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    measured, _ = measure(store, three[1:])
    assert [one.commit for one in measured] == [head.stdout.strip()] * 2


def test_rounds_are_interleaved_and_the_seed_fixes_the_order(
    store: ResultStore, three: list[Artifact]
) -> None:
    orders = []
    for seed in (0, 0, 1, 2):
        _, target = measure(store, three, processes=6, seed=seed)
        rounds = [target.files[i : i + 3] for i in range(0, 18, 3)]
        assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
        assert len({tuple(order) for order in rounds}) > 1
        orders.append(target.files)
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3


def test_a_run_is_asked_for_with_the_plans_rules_and_the_photograph(
    store: ResultStore, one: Artifact
) -> None:
    seen = []

    def look(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        (path,) = request.inputs
        seen.append(np.fromfile(path, "<f4").reshape(fake.SPEC.input_shape))
        assert request.output_dir is not None
        assert [p.name for p in Path(request.output_dir).iterdir()] == ["output_0.bin"]
        return plain

    plan = RunPlan(threads=2, processes=2, seed=5, warmup=Warmup(runs=1), stop=Stop(runs=4))
    target = FakeTarget(look)
    bench(target, store, plan).run([one])
    request, second = target.requests
    assert (request.engine, request.model) == ("onnxruntime", str(one.path))
    assert (request.threads, request.cpus, request.seed) == (2, (0, 1), 5)
    assert (request.warmup, request.stop) == (plan.warmup, plan.stop)
    assert request.output_dir != second.output_dir
    with np.load(one.path.with_suffix(".npz")) as stored:
        np.testing.assert_array_equal(seen[0], stored["input"])
    assert not Path(request.inputs[0]).exists()  # the scratch folder went away


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


def test_a_wrong_output_has_no_latency(store: ResultStore, one: Artifact) -> None:
    def second_is_wrong(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        wrong = fake.answer(request.model) + np.float32(0.25) * (number == 1)
        return replace(plain, outputs=fake.write_output(request, wrong.astype(np.float32)))

    ((measured,), _) = measure(store, [one], second_is_wrong)
    assert flags(measured) == {"wrong output": True}
    assert "max abs 2.5e-01" in detail(measured, "wrong output")
    assert not measured.valid
    output = measured.methods["forward"].output
    assert output is not None
    assert not output.passed


def test_an_output_that_is_not_finite_is_wrong_and_can_be_stored(
    store: ResultStore, one: Artifact
) -> None:
    def nothing(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        nan = np.full_like(fake.answer(request.model), np.nan)
        return replace(plain, outputs=fake.write_output(request, nan))

    ((measured,), _) = measure(store, [one], nothing)
    assert flags(measured) == {"wrong output": True}
    assert [m.valid for m in store.load().measurements] == [False]


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


def test_samples_off_the_pinned_core_make_it_invalid(store: ResultStore, one: Artifact) -> None:
    def wander(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return replace(plain, sample_cpus=(0, *plain.sample_cpus[1:]))

    ((measured,), target) = measure(store, [one], wander)
    assert target.requests[0].cpus == (1,)
    assert flags(measured) == {"pinning": True}
    assert detail(measured, "pinning") == "3 sample(s) ended off core 1"
    assert not measured.valid


def test_an_affinity_that_was_not_granted_makes_it_invalid(
    store: ResultStore, one: Artifact
) -> None:
    def loose(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return replace(plain, affinity=Affinity(request.cpus, (0, 1)))

    ((measured,), _) = measure(store, [one], loose)
    assert detail(measured, "pinning") == "affinity read back as 0,1, 1 was set"
    assert not measured.valid


def test_another_number_of_threads_makes_it_invalid(store: ResultStore, one: Artifact) -> None:
    def pooled(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return replace(plain, threads=Threads(1, 4, 6))

    ((measured,), _) = measure(store, [one], pooled)
    assert detail(measured, "threads") == "4 thread(s) computed, 1 asked for"
    assert not measured.valid


def test_a_debug_runner_makes_it_invalid(store: ResultStore, one: Artifact) -> None:
    def debug(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return replace(plain, runner=replace(plain.runner, build_type="Debug"))

    ((measured,), _) = measure(store, [one], debug)
    assert flags(measured) == {"debug runner": True}
    assert not measured.valid


def test_a_block_that_slowed_down_is_discarded_and_redone(
    store: ResultStore, one: Artifact
) -> None:
    def hot_once(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return fake.with_samples(plain, THROTTLED) if number == 1 else plain

    ((measured,), target) = measure(store, [one], hot_once)
    assert len(target.requests) == 4
    run = measured.methods["forward"]
    assert (len(run.processes), set(run.samples_ns)) == (3, {1_000_000})
    assert flags(measured) == {"redone": False}
    assert detail(measured, "redone").startswith("1 block(s)")
    assert measured.valid


def test_a_core_that_keeps_slowing_down_is_redone_twice_and_flagged(
    store: ResultStore, one: Artifact
) -> None:
    def hot(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return fake.with_samples(plain, THROTTLED)

    ((measured,), target) = measure(store, [one], hot)
    assert len(target.requests) == 3 + 2
    assert len(measured.methods["forward"].samples_ns) == 90
    assert {"redone", "drift"} <= flags(measured).keys()
    assert detail(measured, "drift").startswith("3 process(es)")


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


def test_each_measurement_is_stored_before_the_next_run_starts(
    store: ResultStore, three: list[Artifact]
) -> None:
    seen = []

    def look(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        seen.append(len(store.load().measurements))
        return plain

    measure(store, three, look)
    assert seen == [0, 0, 0, 0, 0, 0, 0, 1, 2]


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


def test_the_same_artifact_twice_gives_two_measurements(store: ResultStore, one: Artifact) -> None:
    def faster(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return fake.with_samples(plain, (1_000_000 + number,) * 30)

    (first, second), target = measure(store, [one, one], faster)
    assert len(target.requests) == 6
    assert first.id != second.id
    assert set(first.methods["forward"].samples_ns).isdisjoint(second.methods["forward"].samples_ns)
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


def test_an_artifact_without_a_reference_is_marked_as_unchecked(
    store: ResultStore, tmp_path: Path
) -> None:
    plain = fake.artifact(tmp_path / "made", reference=None)
    ((measured,), _) = measure(store, [plain])
    assert flags(measured) == {"output not checked": False}
    assert measured.methods["forward"].output is None


def test_the_papers_latency_stands_only_beside_what_the_paper_timed(one: Artifact) -> None:
    own = replace(one, spec=model_spec("seaformer_t"))
    assert own.spec.paper is not None
    assert paper_latency_ms(own) == own.spec.paper.latency_ms is not None
    assert paper_latency_ms(replace(own, precision="fp16")) == own.spec.paper.latency_fp16_ms
    assert paper_latency_ms(replace(own, scope="upsample")) is None
    assert paper_latency_ms(replace(own, scope="argmax")) is None
    assert paper_latency_ms(replace(one, spec=model_spec("seaformer_t", size=(64, 64)))) is None
    assert paper_latency_ms(replace(one, spec=model_spec("seaformer_t", classes=7))) is None


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


def test_a_stored_document_holds_raw_samples_and_what_follows_from_them(
    store: ResultStore, one: Artifact
) -> None:
    ((measured,), _) = measure(store, [one])
    document = json.loads(store.path_of(measured).read_text())
    assert len(document["methods"]["forward"]["samples_ns"]) == 90
    assert document["median_ms"] == 1.0
    assert document["ci95_ms"] == [1.0, 1.0]
    assert document["valid"] is True
