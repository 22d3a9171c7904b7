"""The bench loop on a machine that is made up: what it runs, in which order, and keeps."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seaformer.bench.run import Bench, paper_latency_ms
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core.artifact import Artifact
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import Flag, Measurement
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.models import model_spec
from seaformer.store.results import ResultStore
from tests.bench.fake_bench import bench, flags, measure
from tests.fakes import target as fake
from tests.fakes.target import FakeTarget


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


def test_each_measurement_is_stored_before_the_next_run_starts(
    store: ResultStore, three: list[Artifact]
) -> None:
    seen = []

    def look(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        seen.append(len(store.load().measurements))
        return plain

    measure(store, three, look)
    assert seen == [0, 0, 0, 0, 0, 0, 0, 1, 2]


def test_the_same_artifact_twice_gives_two_measurements(store: ResultStore, one: Artifact) -> None:
    def faster(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return fake.with_samples(plain, (1_000_000 + number,) * 30)

    (first, second), target = measure(store, [one, one], faster)
    assert len(target.requests) == 6
    assert first.id != second.id
    assert set(first.methods["forward"].samples_ns).isdisjoint(second.methods["forward"].samples_ns)
    assert len(store.load().measurements) == 2


def test_the_papers_latency_stands_only_beside_what_the_paper_timed(one: Artifact) -> None:
    own = replace(one, spec=model_spec("seaformer_t"))
    assert own.spec.paper is not None
    assert paper_latency_ms(own) == own.spec.paper.latency_ms is not None
    assert paper_latency_ms(replace(own, precision="fp16")) == own.spec.paper.latency_fp16_ms
    assert paper_latency_ms(replace(own, scope="upsample")) is None
    assert paper_latency_ms(replace(own, scope="argmax")) is None
    assert paper_latency_ms(replace(one, spec=model_spec("seaformer_t", size=(64, 64)))) is None
    assert paper_latency_ms(replace(one, spec=model_spec("seaformer_t", classes=7))) is None


def test_a_stored_document_holds_raw_samples_and_what_follows_from_them(
    store: ResultStore, one: Artifact
) -> None:
    ((measured,), _) = measure(store, [one])
    document = json.loads(store.path_of(measured).read_text())
    assert len(document["methods"]["forward"]["samples_ns"]) == 90
    assert document["median_ms"] == 1.0
    assert document["ci95_ms"] == [1.0, 1.0]
    assert document["valid"] is True


def test_what_cannot_be_stored_is_kept_and_the_others_are_measured(
    store: ResultStore, three: list[Artifact]
) -> None:
    class FullStore(ResultStore):
        def append(self, measurement: Measurement) -> Path:
            raise SeaFormerError("The disk is full.")

    full = bench(FakeTarget(), FullStore(store.root), RunPlan(processes=2))
    with pytest.raises(SeaFormerError, match="The disk is full"):
        full.run(three)
    assert len(full.finished) == 3
    assert full.not_stored == full.finished
    assert all(len(one.methods["forward"].processes) == 2 for one in full.not_stored)
