"""A profile as tables and as a trace: made of figures that can be added in the head."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core import codec
from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.profile import SCHEMA, OperatorTime, Profile
from seaformer.report.profile import (
    chrome_trace,
    executed_line,
    group_lines,
    operator_lines,
    profile_page,
    write_profile,
)
from seaformer.report.terminal import plain
from tests.fakes.measurements import measurement
from tests.traces import assert_is_of, check_trace

GEMM, DWCONV = "Fully Connected (NC, F16) GEMM", "Convolution (NHWC, F32) DWConv"


def operator(name: str, kind: str, module: str, start: int, *, ns: int, dtype: str) -> OperatorTime:
    convolves = kind in (GEMM, DWCONV)
    return OperatorTime(name, kind, module, bool(dtype), ns, start, ns, dtype, convolves)


@pytest.fixture
def found() -> Profile:
    """1 ms: stem 500 us, context 300 us (100 of a copy), head 100 us, 100 us of the engine."""
    base = measurement()
    return Profile(
        schema=SCHEMA,
        id="20260101T000000000-abcd",
        created_at="2026-01-01T00:00:00+00:00",
        source=MEASURED,
        model="seaformer_t.ade20k",
        format="executorch",
        runtime="executorch",
        runtime_version="1.5.1",
        precision="fp16",
        scope="logits",
        input_shape=(1, 3, 64, 96),
        artifact_file="seaformer_t.pte",
        artifact_sha256="0" * 64,
        target="host",
        device=base.device,
        threads=1,
        runs=20,
        inference_ns=1_000_000,
        operators=(
            operator(f"{GEMM} #1", GEMM, "stem.conv", 0, ns=500_000, dtype="float16"),
            operator(f"{DWCONV} #1", DWCONV, "context.a", 520_000, ns=200_000, dtype="float32"),
            operator("Copy #1", "Copy", "context.a", 730_000, ns=100_000, dtype=""),
            operator(f"{GEMM} #2", GEMM, "head.classify", 850_000, ns=100_000, dtype="float16"),
        ),
    )


def test_operators_come_slowest_first_with_shares_that_add_up(found: Profile) -> None:
    assert operator_lines(found, top=3) == [
        (f"{GEMM} #1", "stem.conv", "0.50", "50.00 %", "50.00 %"),
        (f"{DWCONV} #1", "context.a", "0.20", "20.00 %", "70.00 %"),
        ("Copy #1", "~ context.a", "0.10", "10.00 %", "80.00 %"),
    ]


def test_kinds_and_components_add_up_to_the_inference_with_the_engines_own_time(
    found: Profile,
) -> None:
    assert group_lines(found, "kind") == [
        (GEMM, "2", "0.60", "60.00 %", "60.00 %"),
        (DWCONV, "1", "0.20", "20.00 %", "80.00 %"),
        ("Copy", "1", "0.10", "10.00 %", "90.00 %"),
        ("engine, between operators", "", "0.10", "10.00 %", "100.00 %"),
    ]
    assert [line[0] for line in group_lines(found, "component")] == [
        "stem",
        "context",
        "head",
        "engine, between operators",
    ]


def test_the_precision_executed_stands_beside_that_of_the_file(found: Profile) -> None:
    assert found.executed == {"float16": 2, "float32": 1}
    assert executed_line(found) == (
        "Executed: convolutions 2 in float16, 1 in float32; the file is fp16."
    )


def text(profile: Profile) -> str:
    return plain(profile_page(profile), 140)


def test_tables_say_that_they_are_profiled_and_no_latency(found: Profile) -> None:
    shown = text(found)
    assert "1.00 ms profiled, median of 20 runs, 4 operators" in shown
    assert "no latency" in shown
    assert "emulated" not in shown


def test_tables_of_an_emulated_core_say_so_above_every_column_of_times(found: Profile) -> None:
    shown = text(replace(found, source=EMULATED))
    assert "emulated, 1.00 ms profiled" in shown
    assert shown.count("emulated") == 4
    assert "time" not in shown


def test_trace_is_chromes_format_in_microseconds_with_components_above_operators(
    found: Profile,
) -> None:
    trace = json.loads(json.dumps(chrome_trace(found)))
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert {event["ph"] for event in trace["traceEvents"]} == {"X", "M"}
    components = [(e["name"], e["ts"], e["dur"]) for e in events if e["tid"] == 1]
    assert components == [("stem", 0, 500), ("context", 520, 310), ("head", 850, 100)]
    operators = [e for e in events if e["tid"] == 2]
    assert [e["ts"] for e in operators] == [0, 520, 730, 850]
    assert operators[2]["args"] == {
        "module": "context.a",
        "exact": False,
        "dtype": "",
        "median_us": 100,
    }
    assert {"name", "cat", "ph", "ts", "dur", "pid", "tid"} <= set(operators[0])
    assert trace["otherData"]["source"] == "measured, profiled: no latency"


def test_a_trace_whose_slices_overlap_or_hold_no_number_would_not_open(
    found: Profile, tmp_path: Path
) -> None:
    good = write_profile(found, tmp_path)
    assert_is_of(found, check_trace(good))
    trace = json.loads(good.read_text())
    for key, value in (("ts", 400.0), ("dur", -1), ("dur", float("nan")), ("ph", "B")):
        events = [dict(event) for event in trace["traceEvents"]]
        events[-1][key] = value
        bad = tmp_path / "bad.json"
        bad.write_text(json.dumps(trace | {"traceEvents": events}))
        with pytest.raises(AssertionError):
            check_trace(bad)


def test_operators_of_a_component_lie_within_its_stretch(found: Profile) -> None:
    events = [e for e in chrome_trace(found)["traceEvents"] if e["ph"] == "X"]
    stretches = {e["name"]: (e["ts"], e["ts"] + e["dur"]) for e in events if e["tid"] == 1}
    for event in (e for e in events if e["tid"] == 2):
        begin, end = stretches[event["args"]["module"].partition(".")[0]]
        assert begin <= event["ts"] <= event["ts"] + event["dur"] <= end


def test_a_profile_is_stored_whole_and_its_name_says_its_source(
    found: Profile, tmp_path: Path
) -> None:
    trace = write_profile(replace(found, source=EMULATED), tmp_path)
    stem = "20260101T000000000-abcd__emulated__seaformer_t.pte"
    assert trace == tmp_path / "profiles" / f"{stem}.trace.json"
    stored = tmp_path / "profiles" / f"{stem}.profile.json"
    read = codec.decode(Profile, stored.read_bytes(), where=stored.name)
    assert read == replace(found, source=EMULATED)
    assert json.loads(trace.read_text())["traceEvents"]
