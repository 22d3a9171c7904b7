"""What no machine changes, compared exactly: counts, files, memory, outcomes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seaformer.compare.rows import Side, compare, gate
from seaformer.compare.verdict import (
    BETTER,
    REGRESSION,
    SAME,
    WARNING,
    Limits,
)
from seaformer.core.artifact import OutsideOperator
from seaformer.core.errors import UnknownName
from seaformer.core.facts import ParityFacts
from seaformer.core.measurement import (
    Measurement,
    OutputCheck,
)
from tests.compare.comparisons import (
    DELEGATION,
    FACTS,
    PHONE,
    counted,
    fact,
    on_phone,
    sides,
    with_facts,
)
from tests.fakes.measurements import failed, method


def test_a_thousandth_more_instructions_passes_and_more_does_not() -> None:
    assert fact(sides(counted(1, 100_000), counted(2, 100_100)), "instructions").verdict == SAME
    worse = sides(counted(1, 100_000), counted(2, 100_101))
    assert fact(worse, "instructions").verdict == REGRESSION
    assert fact(sides(counted(1, 100_000), counted(2, 99_000)), "instructions").verdict == BETTER


@pytest.mark.parametrize(
    ("changes", "worse"),
    [
        ({"delegation": replace(DELEGATION, subgraphs=2)}, "delegate subgraphs"),
        ({"delegation": None}, "delegate subgraphs"),
        ({"operators": {"aten.convolution": 201, "aten.add": 86}}, "operators"),
        ({"parity": replace(FACTS.parity, argmax_agreement=0.99)}, "argmax agreement"),
        ({"parity": replace(FACTS.parity, relative_error=1e-3)}, "relative error"),
        ({"parity": replace(FACTS.parity, verified_by="structure")}, "parity"),
    ],
)
def test_a_fact_of_the_file_that_gets_worse_is_a_regression(
    changes: dict[str, Any], worse: str
) -> None:
    found = with_facts(**changes)
    assert [f.fact for _, f in found.regressions] == [worse]


def test_an_operator_that_falls_out_is_named() -> None:
    outside = (OutsideOperator("aten.mean", 24, True, "one axis"),)
    found = with_facts(delegation=replace(DELEGATION, subgraphs=25, outside=outside))
    assert {f.fact for _, f in found.regressions} == {"delegate subgraphs", "operators outside"}
    assert fact(found, "operators outside").why == "24 more, aten.mean"


def test_a_copy_that_falls_out_computes_nothing_and_passes() -> None:
    outside = (OutsideOperator("aten.clone", 3, False, ""),)
    assert with_facts(delegation=replace(DELEGATION, outside=outside)).regressions == ()


def test_a_thousandth_of_the_positions_passes_though_binary_fractions_make_it_more() -> None:
    def parity(agreement: float) -> ParityFacts:
        return replace(FACTS.parity, argmax_agreement=agreement)

    for base, new, worse in ((0.999, 0.998, False), (0.999, 0.9979, True)):
        before, after = (replace(FACTS, parity=parity(value)) for value in (base, new))
        found = sides(on_phone(1, facts=before), on_phone(2, facts=after))
        assert [one.fact for _, one in found.regressions] == ["argmax agreement"] * worse


@pytest.mark.parametrize("error", [1.9e-5, 9e-5])
def test_an_error_that_stays_tiny_may_double(error: float) -> None:
    assert with_facts(parity=replace(FACTS.parity, relative_error=error)).regressions == ()


def test_a_larger_file_and_more_memory_are_regressions() -> None:
    big = on_phone(2, artifact_size_bytes=7_000_000)
    assert [f.fact for _, f in sides(on_phone(1), big).regressions] == ["artifact size"]
    found = sides(on_phone(1), with_peaks(80, 80, 80, artifact_sha256="ef" * 32))
    assert [f.fact for _, f in found.regressions] == ["peak memory"]


def with_peaks(*peaks_mb: float, **changes: Any) -> Measurement:
    """A measurement whose processes took that much; those of ``on_phone`` take 64 MB each."""
    run = method(seed=2)
    pairs = zip(run.processes, peaks_mb, strict=True)
    took = tuple(replace(p, peak_rss_bytes=round(mb * 1e6)) for p, mb in pairs)
    return on_phone(2, methods={"forward": replace(run, processes=took)}, **changes)


def test_one_hungry_process_is_no_regression_as_long_as_another_is_not() -> None:
    """As it came out for one file, twice on one machine: 113.4 to 113.7 MB, then 117.6 to 123.0."""
    found = sides(on_phone(1), with_peaks(66.2, 69.3, 68.8, artifact_sha256="ef" * 32))
    assert fact(found, "peak memory").ratio == pytest.approx(69.3 / 64)
    assert fact(found, "peak memory").verdict == SAME


def test_memory_of_the_same_file_engine_and_runner_only_warns() -> None:
    found = fact(sides(on_phone(1), with_peaks(80, 80, 80)), "peak memory")
    assert (found.verdict, found.why) == (WARNING, "the same file, engine and runner: it varies")
    other = with_peaks(80, 80, 80, runtime_version="9.9")
    assert fact(sides(on_phone(1), other), "peak memory").verdict == REGRESSION


def test_a_run_that_fails_now_does_not_hide_behind_an_older_one() -> None:
    new = Side("new", (on_phone(2), replace(failed(3), device=PHONE, target="phone", facts=FACTS)))
    found = compare(Side("old", (on_phone(1),)), new)
    (row, first) = found.regressions[0]
    assert first.fact == "outcome"
    assert "killed by signal 9" in first.why
    assert row.new_id == failed(3).id


def test_a_wrong_output_is_a_regression_whatever_its_time() -> None:
    wrong = replace(method(10.0), output=OutputCheck(3.0, 0.5, 0.4, False))
    found = sides(on_phone(1), on_phone(2, methods={"forward": wrong}))
    assert fact(found, "outcome").why == "wrong output: max abs 3.0e+00"


def test_what_is_allowed_warns_and_an_unknown_fact_is_refused() -> None:
    found = sides(on_phone(1), on_phone(2, 30.0), allow=["latency"])
    assert fact(found, "latency").verdict == WARNING
    gate(found)
    with pytest.raises(UnknownName, match="latencies"):
        sides(on_phone(1), on_phone(2), allow=["latencies"])


@pytest.mark.parametrize("nothing", [float("nan"), float("inf"), None])
def test_a_figure_that_is_none_any_more_is_a_regression(nothing: float | None) -> None:
    found = with_facts(parity=replace(FACTS.parity, relative_error=nothing))
    assert fact(found, "relative error").verdict == REGRESSION


def test_limits_are_those_that_are_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    limits = Limits()
    for limit in (limits.latency, limits.instructions, limits.size, limits.peak):
        assert f"{100 * (limit - 1):g} %" in text
