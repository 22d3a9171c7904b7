"""What makes a measurement invalid, or doubtful: its output, its core, its threads, its heat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from seaformer.bench.runner_io import Affinity, RunnerReport, RunnerRequest, Threads
from seaformer.core.artifact import Artifact
from seaformer.store.results import ResultStore
from tests.bench.fake_bench import detail, flags, measure
from tests.fakes import target as fake

THROTTLED = tuple(1_000_000 + 20_000 * i for i in range(30))


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


def test_samples_off_the_pinned_core_make_it_invalid(store: ResultStore, one: Artifact) -> None:
    def wander(number: int, request: RunnerRequest, plain: RunnerReport) -> RunnerReport:
        return replace(plain, sample_cpus=(0, *plain.sample_cpus[1:]))

    ((measured,), target) = measure(store, [one], wander)
    assert target.requests[0].cpus == (1,)
    assert flags(measured) == {"pinning": True}
    assert detail(measured, "pinning") == "3 samples ended off core 1"
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
    assert detail(measured, "threads") == "4 threads computed, 1 asked for"
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
    assert detail(measured, "redone").startswith("1 block that")
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


def test_an_artifact_without_a_reference_is_marked_as_unchecked(
    store: ResultStore, tmp_path: Path
) -> None:
    plain = fake.artifact(tmp_path / "made", reference=None)
    ((measured,), _) = measure(store, [plain])
    assert flags(measured) == {"output unchecked": False}
    assert measured.methods["forward"].output is None
