"""Engines' own profiles, as text, to events of timed runs. Nothing is run or read here.

ONNX Runtime writes a Chrome trace (microseconds; ``cat`` ``Node`` within ``model_run``; every run
of the process, warm-up too). The runner writes ExecuTorch's events one per line (``op_tracer.h``;
nanoseconds; timed runs alone). XNNPACK's own events have a resolution of one microsecond.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seaformer.core.errors import RunnerFailed

_NODE_END = "_kernel_time"
_NATIVE = "native_call_"
# What the engines call the number types they compute in; others are kept as they are.
_DTYPES = {"float": "float32", "F32": "float32", "F16": "float16"}


@dataclass(frozen=True)
class Event:
    """One operator of one run; ``start_ns`` counts from the beginning of the run.

    ``dtype`` is numpy's name of the type it really computed in; empty where the engine is silent.
    """

    name: str
    kind: str
    start_ns: int
    duration_ns: int
    dtype: str = ""


@dataclass(frozen=True)
class Run:
    """One timed inference and its operators in order."""

    duration_ns: int
    events: tuple[Event, ...]


def parse_onnxruntime(text: str, runs: int) -> tuple[Run, ...]:
    """The last ``runs`` inferences of a trace; those before were warm-up."""
    found = [event for event in _array(text) if event.get("ph") == "X"]
    whole = [event for event in found if event.get("name") == "model_run"][-runs:]
    nodes = [event for event in found if event.get("cat") == "Node"]
    return _checked([_onnxruntime_run(event, nodes) for event in whole], runs)


def _onnxruntime_run(whole: dict[str, Any], nodes: Sequence[dict[str, Any]]) -> Run:
    begin, end = whole["ts"], whole["ts"] + whole["dur"]
    inside = (node for node in nodes if begin <= node["ts"] <= end)
    return Run(
        1000 * whole["dur"],
        tuple(
            Event(
                str(node["name"]).removesuffix(_NODE_END),
                str(node.get("args", {}).get("op_name", "")),
                1000 * (node["ts"] - begin),
                1000 * node["dur"],
                _onnxruntime_dtype(node.get("args", {}).get("output_type_shape")),
            )
            for node in sorted(inside, key=lambda node: node["ts"])
        ),
    )


def _onnxruntime_dtype(outputs: object) -> str:
    """The type of the first output: ``[{"float": [1, 16, 32, 48]}]``."""
    if not (isinstance(outputs, list) and outputs and isinstance(outputs[0], dict)):
        return ""
    told = next(iter(outputs[0]), "")
    return _DTYPES.get(told, told)


def parse_executorch(text: str, runs: int) -> tuple[Run, ...]:
    """The events of delegates and of kernels outside of them; calls around both are left out."""
    groups: dict[int, list[dict[str, Any]]] = {}
    for event in _array(text):
        groups.setdefault(event["run"], []).append(event)
    return _checked([_executorch_run(groups[number]) for number in sorted(groups)], runs)


def _executorch_run(events: Sequence[dict[str, Any]]) -> Run:
    whole = next((event for event in events if event["name"] == "Method::execute"), None)
    if whole is None:
        raise RunnerFailed("The profile has a run without Method::execute.")
    return Run(
        whole["duration_ns"],
        tuple(
            Event(
                event["name"],
                event["name"].partition(" #")[0],
                event["start_ns"] - whole["start_ns"],
                event["duration_ns"],
                _xnnpack_dtype(event["name"]),
            )
            for event in events
            if event["kind"] == "delegate" or event["name"].startswith(_NATIVE)
        ),
    )


def _xnnpack_dtype(name: str) -> str:
    """``float16`` of ``Fully Connected (NC, F16) GEMM #1``; an ``X16`` only moves bits."""
    found = re.search(r"\([A-Z]+, (F16|F32)\)", name)
    return _DTYPES[found.group(1)] if found else ""


def typical(runs: Sequence[Run]) -> Run:
    """The run that took the median time (the lower one of two)."""
    return sorted(runs, key=lambda run: run.duration_ns)[(len(runs) - 1) // 2]


def medians_ns(runs: Sequence[Run]) -> tuple[int, ...]:
    """The median duration of each operator over all runs."""
    columns = zip(*(run.events for run in runs), strict=True)
    return tuple(round(statistics.median(e.duration_ns for e in column)) for column in columns)


def between_ns(runs: Sequence[Run]) -> int:
    """The median of what a run takes beyond its operators."""
    rests = (run.duration_ns - sum(event.duration_ns for event in run.events) for run in runs)
    return max(0, round(statistics.median(rests)))


def _array(text: str) -> list[dict[str, Any]]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RunnerFailed(f"The profile the runner wrote is no JSON: {error}.") from error
    if not isinstance(data, list):
        raise RunnerFailed("The profile the runner wrote is no list of events.")
    return data


def _checked(found: Sequence[Run], runs: int) -> tuple[Run, ...]:
    """Every run there, and each with the same operators in the same order."""
    if len(found) != runs:
        raise RunnerFailed(f"The profile has {len(found)} runs, {runs} were timed.")
    names = [tuple(event.name for event in run.events) for run in found]
    if not names[0] or any(other != names[0] for other in names):
        raise RunnerFailed("The profile's runs do not have the same operators in the same order.")
    return tuple(found)
