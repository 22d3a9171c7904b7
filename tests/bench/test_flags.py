"""What samples say about their own worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seaformer.bench.flags import drift, drifted, executed_flags, method_flags
from seaformer.core.counts import Counts
from seaformer.core.measurement import MEASURED, MethodRun, OutputCheck
from seaformer.core.plan import RunPlan
from tests.fakes.measurements import process

GOOD = OutputCheck(1e-6, 1e-6, 1.0, passed=True)


def run(*blocks: tuple[int, ...], output: OutputCheck | None = GOOD, **changes: Any) -> MethodRun:
    processes = tuple(process(len(block), **changes) for block in blocks)
    return MethodRun(tuple(sample for block in blocks for sample in block), processes, output)


def found(measured: MethodRun, cpus: tuple[int, ...] = (1,), threads: int = 1) -> dict[str, bool]:
    flags = method_flags("forward", measured, RunPlan(threads), cpus, MEASURED)
    return {flag.name: flag.fatal for flag in flags}


def test_steady_samples_on_their_core_have_no_flag() -> None:
    assert found(run((1000,) * 40, (1001,) * 40, (1000,) * 40)) == {}


def test_drift_is_the_last_third_against_the_first() -> None:
    assert drift((100,) * 10 + (500,) * 10 + (110,) * 10) == pytest.approx(0.10)
    assert drift((110,) * 10 + (100,) * 20) < 0
    assert not drifted((110,) * 10 + (100,) * 20)  # getting faster is no throttling


@pytest.mark.parametrize(("last", "slow"), [(1049, False), (1051, True)])
def test_a_block_drifted_when_it_ended_five_percent_slower(last: int, slow: bool) -> None:
    assert drifted((1000,) * 20 + (last,) * 10) is slow


def test_too_few_samples_tell_nothing_about_drift() -> None:
    assert drift((1,) * 5 + (9,) * 6) == 0.0


def test_a_process_that_slowed_down_is_flagged_without_being_invalid() -> None:
    flags = found(run((1000,) * 40, (1000,) * 26 + (1060,) * 14, (1000,) * 40))
    assert flags == {"drift": False}


@pytest.mark.parametrize(
    ("medians", "flags"),
    [
        ((1000, 1000, 1005), {}),
        ((1000, 1010, 1030), {"wide interval": False}),
        ((1000, 1040, 1090), {"wide interval": False, "processes differ": False}),
        ((1000, 1300, 1700), {"unstable": True, "processes differ": False}),
    ],
)
def test_a_wide_interval_is_told_and_a_very_wide_one_is_fatal(
    medians: tuple[int, ...], flags: dict[str, bool]
) -> None:
    assert found(run(*((median,) * 40 for median in medians))) == flags


def test_a_run_without_samples_is_invalid() -> None:
    assert found(MethodRun((), (), GOOD)) == {"no samples": True}


def test_pinning_holds_only_on_the_cores_that_were_chosen() -> None:
    block = (1000,) * 40
    assert found(run(block, sample_cpus=(1,) * 39 + (0,))) == {"pinning": True}
    assert found(run(block, affinity=(0, 1))) == {"pinning": True}
    both = run(block, sample_cpus=(0, 1) * 20, affinity=(1, 0), threads=2)
    assert found(both, cpus=(0, 1), threads=2) == {}


@pytest.mark.parametrize("threads", [0, 2])
def test_another_number_of_threads_is_fatal(threads: int) -> None:
    assert found(run((1000,) * 40, threads=threads)) == {"threads": True}


def test_an_unchecked_output_is_told_and_a_wrong_one_is_fatal() -> None:
    assert found(run((1000,) * 40, output=None)) == {"output unchecked": False}
    wrong = OutputCheck(float("inf"), float("inf"), 0.5, passed=False)
    assert found(run((1000,) * 40, output=wrong)) == {"wrong output": True}


def test_a_component_may_be_unsteady_but_not_wrong() -> None:
    unsteady = run((1000,) * 40, (1300,) * 40, (1700,) * 40)
    flags = method_flags("head", unsteady, RunPlan(1), (1,), MEASURED)
    assert {flag.name: flag.fatal for flag in flags} == {
        "unstable": False,
        "processes differ": False,
    }
    assert all(flag.detail.startswith("head: ") for flag in flags)
    wrong = run((1000,) * 40, output=OutputCheck(1.0, 9.0, None, False, 26.04))
    (flag,) = method_flags("head", wrong, RunPlan(1), (1,), MEASURED)
    assert (flag.name, flag.fatal) == ("wrong output", True)
    assert flag.detail == "head: max abs 1.0e+00, PSNR 26.0 dB"


def test_an_int8_file_that_multiplies_mostly_in_half_says_what_share() -> None:
    counts = Counts(100, 50, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0)
    (flag,) = executed_flags("int8", [replace(run((1000,)), counts=(counts,))])
    assert (flag.name, flag.fatal) == ("executed in fp16", False)
    assert flag.detail == "the file is int8, 64.0 % of its vector FMAs were fp16"
    mostly = replace(counts, fma_fp16=20)
    assert executed_flags("int8", [replace(run((1000,)), counts=(mostly,))]) == []
