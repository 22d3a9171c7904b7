"""What ui.perfetto.dev needs of a trace in Chrome's JSON format, without a browser.

Times are microseconds. Slices of one thread must come in order and not overlap: the viewer drops
what is not nested.
"""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

from seaformer.core.profile import Profile


def check_trace(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The slices of each named thread of a trace that would open; an assertion otherwise."""
    trace = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    assert trace["displayTimeUnit"] in {"ms", "ns"}
    names: dict[tuple[int, int], str] = {}
    slices: dict[str, list[dict[str, Any]]] = {}
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str)
        assert event["name"]
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        thread = (event["pid"], event["tid"])
        if event["ph"] == "M":
            assert event["name"] in {"process_name", "thread_name"}
            assert isinstance(event["args"]["name"], str)
            if event["name"] == "thread_name":
                slices[names.setdefault(thread, event["args"]["name"])] = []
        else:
            assert event["ph"] == "X"
            assert isinstance(event["cat"], str)
            assert all(_is_time(event[key]) for key in ("ts", "dur"))
            slices[names[thread]].append(event)
    for found in slices.values():
        assert_in_order(found)
    return slices


def assert_in_order(slices: list[dict[str, Any]]) -> None:
    """Each begins when the one before has ended (to a nanosecond: JSON has floats)."""
    for before, after in itertools.pairwise(slices):
        assert after["ts"] >= before["ts"] + before["dur"] - 1e-3, (before, after)


def assert_is_of(profile: Profile, slices: dict[str, list[dict[str, Any]]]) -> None:
    """As many operators as were profiled, and nanoseconds turned into microseconds."""
    shown = slices["operators"]
    assert [s["name"] for s in shown] == [operator.name for operator in profile.operators]
    for one, operator in zip(shown, profile.operators, strict=True):
        assert math.isclose(1000 * one["ts"], operator.start_ns, abs_tol=1)
        assert math.isclose(1000 * one["dur"], operator.duration_ns, abs_tol=1)
    assert {s["name"] for s in slices["components"]} == {
        operator.component for operator in profile.operators if operator.component
    }


def _is_time(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0  # type: ignore[arg-type, operator]


def _no_number(text: str) -> float:
    raise AssertionError(f"{text} is not JSON")
