"""Latencies of two sides: which differences are a regression, which are advice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seaformer.compare.document import document, github, headline
from seaformer.compare.rows import Side, compare, gate
from seaformer.compare.verdict import (
    BETTER,
    REGRESSION,
    SAME,
    UNKNOWN,
    WARNING,
    checked_limits,
)
from seaformer.core.errors import MeasurementRefused, Regression, UsageError
from seaformer.core.measurement import (
    Conditions,
    Flag,
    Measurement,
    MethodRun,
)
from tests.compare.comparisons import (
    counted,
    fact,
    on_phone,
    sides,
)
from tests.fakes.measurements import HOST, emulated, failed, measurement, method

EARLIER = Conditions(at="2026-07-29T08:00:00+00:00"), Conditions(at="2026-07-29T08:01:00+00:00")


def test_a_slower_phone_row_is_a_regression_and_the_gate_says_which() -> None:
    found = sides(on_phone(1), on_phone(2, 21.0))
    latency = fact(found, "latency")
    assert latency.verdict == REGRESSION
    assert latency.ratio == pytest.approx(1.05, abs=0.01)
    assert latency.low is not None
    assert latency.high is not None
    assert latency.ratio is not None
    assert 1.0 < latency.low < latency.ratio < latency.high
    with pytest.raises(Regression, match=r"new is worse than old: latency of seaformer_t\.ade20k"):
        gate(found)


def _of_file(number: int, variant: str, median_ms: float = 20.0) -> Measurement:
    name = f"seaformer_t.ade20k__512x512__fp32{variant}.pte"
    return replace(on_phone(number, median_ms), artifact_file=name)


def test_two_files_of_one_precision_are_compared_each_with_its_own() -> None:
    base = Side("old", (_of_file(1, ""), _of_file(2, "__no-axial", 30.0)))
    new = Side("new", (_of_file(3, "", 21.0), _of_file(4, "__no-axial", 30.0)))
    found = compare(base, new)
    outcomes = {row.key.variant: bool(row.of(REGRESSION)) for row in found.rows}
    assert outcomes == {"": True, "no-axial": False}
    assert "(no-axial)" in found.rows[1].key.name


def test_a_file_with_a_rule_left_out_is_compared_with_the_one_file_of_the_other_side() -> None:
    (row,) = compare(Side("old", (_of_file(1, ""),)), Side("new", (_of_file(2, "__no-x"),))).rows
    assert not row.key.variant


@pytest.mark.parametrize(
    ("median_ms", "verdict"), [(20.0, SAME), (20.4, SAME), (19.8, SAME), (19.0, BETTER)]
)
def test_what_is_within_three_percent_or_faster_passes(median_ms: float, verdict: str) -> None:
    found = sides(on_phone(1), on_phone(2, median_ms))
    assert fact(found, "latency").verdict == verdict
    gate(found)


def test_a_difference_the_interval_does_not_prove_is_none() -> None:
    wild = method(21.0, processes=2, count=20, seed=1)
    half = len(wild.samples_ns) // 2
    slow = tuple(ns + 3_000_000 for ns in wild.samples_ns[half:])
    fast = tuple(ns - 3_000_000 for ns in wild.samples_ns[:half])
    new = on_phone(2, methods={"forward": replace(wild, samples_ns=fast + slow)})
    latency = fact(sides(on_phone(1), new), "latency")
    assert latency.ratio is not None
    assert latency.ratio > 1.03
    assert latency.low is not None
    assert latency.low < 1.0
    assert latency.verdict == SAME


def test_the_limit_can_be_moved_and_not_below_one() -> None:
    slower = sides(on_phone(1), on_phone(2, 21.0), limits=checked_limits(1.10))
    assert fact(slower, "latency").verdict == SAME
    for ratio in (0.9, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--max-ratio"):
            checked_limits(ratio)


def test_an_emulators_milliseconds_are_never_compared() -> None:
    found = sides(counted(1, 1000), counted(2, 1000))
    assert "latency" not in {f.fact for row in found.rows for f in row.findings}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"device": replace(HOST, id="host-other")}, "not the same device"),
        ({"device": replace(HOST, memory_bytes=1)}, "not the same device"),
        ({"runner": "python"}, "not the same runner"),
        ({}, "at two different times"),
    ],
)
def test_a_slower_computer_is_only_advice_unless_all_else_is_the_same(
    changes: dict[str, Any], why: str
) -> None:
    before, after = EARLIER
    base = measurement(1, before=before, after=after)
    found = sides(base, measurement(2, methods={"forward": method(30.0)}, **changes))
    latency = fact(found, "latency")
    assert latency.verdict == WARNING
    assert why in latency.why
    gate(found)


def test_the_same_computer_interleaved_is_gated() -> None:
    found = sides(measurement(1), measurement(2, methods={"forward": method(30.0)}))
    assert fact(found, "latency").verdict == REGRESSION


def test_an_invalid_measurement_is_not_judged_by_its_time() -> None:
    new = on_phone(2, 30.0, flags=(Flag("unstable", True, "wide"),))
    latency = fact(sides(on_phone(1), new), "latency")
    assert latency.verdict == UNKNOWN
    assert "new is not valid: unstable" in latency.why


def test_a_gate_that_judged_nothing_is_not_a_pass() -> None:
    invalid = (Flag("unstable", True, "wide"),)
    rows = [on_phone(number, flags=invalid, model=f"net{number}") for number in (1, 2)]
    found = compare(Side("old", tuple(rows)), Side("new", tuple(rows)))
    assert headline(found) == (
        "2 rows on both sides: no regression, 2 latencies not judged: not a pass."
    )
    assert document(found)["passed"] is False
    assert "::error title=latency not judged::latency was not judged: base is" in github(found)
    with pytest.raises(
        MeasurementRefused, match=r"not judged: base is not valid.*and 1 more"
    ) as no:
        gate(found)
    assert no.value.exit_code == 5
    assert "--allow latency" in no.value.hint


def test_one_row_that_is_judged_does_not_hide_one_that_is_not() -> None:
    bad = on_phone(2, flags=(Flag("unstable", True, "wide"),), precision="fp16")
    found = compare(Side("old", (on_phone(1), bad)), Side("new", (on_phone(3), bad)))
    assert "no regression, 1 latency not judged: not a pass" in headline(found)
    with pytest.raises(MeasurementRefused, match=r"latency of .* fp16"):
        gate(found)


def test_what_was_not_judged_may_be_allowed_and_never_hides_a_regression() -> None:
    bad = on_phone(2, flags=(Flag("unstable", True, "wide"),))
    gate(sides(on_phone(1), bad, allow=["latency"]))
    worse = replace(bad, artifact_size_bytes=2 * bad.artifact_size_bytes)
    found = sides(on_phone(1), worse)
    assert headline(found).endswith("1 regression, 1 latency not judged.")
    with pytest.raises(Regression):
        gate(found)


def test_two_failures_are_not_judged_and_an_emulated_count_is_enough() -> None:
    assert [fact for _, fact in sides(failed(1), failed(2)).not_judged] == ["outcome"]
    assert sides(counted(1, 1000), counted(2, 1000)).not_judged == ()


def test_a_row_without_any_figure_is_not_judged_and_may_be_allowed() -> None:
    uncounted = {"forward": replace(method(), counts=())}
    empty = {"forward": MethodRun((), ())}
    for base, new, what, why in (
        (emulated(1, methods=uncounted), emulated(2, methods=uncounted), "instructions",
         "base and new: no counted instructions"),
        (emulated(1), emulated(2, methods=uncounted), "instructions",
         "new: no counted instructions"),
        (on_phone(1), on_phone(2, methods=empty), "latency", "new: no samples"),
    ):  # fmt: skip
        found = sides(base, new)
        assert f"1 {what} not judged" in headline(found)
        with pytest.raises(MeasurementRefused, match=f"^{what} of .* was not judged: {why}") as no:
            gate(found)
        assert f"--allow {what}" in no.value.hint
        gate(sides(base, new, allow=[what]))


def test_a_part_of_a_network_is_only_advice() -> None:
    def parts(number: int, stem_ms: float) -> Measurement:
        both = {"forward": method(seed=1), "stem": method(stem_ms, seed=2)}
        return on_phone(number, methods=both)

    found = sides(parts(1, 5.0), parts(2, 6.0))
    assert [row.key.method for row in found.rows] == ["forward", "stem"]
    (latency,) = found.rows[1].of(WARNING)
    assert "a part alone" in latency.why
    gate(found)
