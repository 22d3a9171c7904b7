"""ExecuTorch's events, one per line as ``executorch_tracer.h`` writes them: timed runs alone.

XNNPACK's own events have a resolution of one microsecond. It numbers its operators and names none:
the k-th of a kind is the k-th of the graph. That holds for a kind when both count the same; the
others, its own transposes and clamps, go with what ran before them. Of int8 graphs XNNPACK moves
independent branches: depthwise convolutions, whose kernels have a name of their own, cut both
orders into stretches, and in one where the two do not count the same, modules are unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from seaformer.bench.operators._events import Event, Modules, Run, array, checked, cut, whole
from seaformer.core.errors import RunnerFailed
from seaformer.core.operators import DEPTHWISE, GraphOperator

__all__ = ["cut", "join", "parse", "whole"]
_NATIVE = "native_call_"
_CONVOLUTIONS = ("Convolution", "Fully Connected")  # the latter is one of 1x1
_DTYPES = {"F32": "float32", "F16": "float16"}
# What XNNPACK calls an operator: what the graph calls it.
_XNNPACK = {
    "Fully Connected": ("aten.convolution", "aten.linear", "aten.addmm"),
    "Convolution": ("aten.convolution", "aten.linear", "aten.addmm"),
    "Batch Matrix Multiply": ("aten.bmm",),
    "Softmax": ("aten._softmax",),
    "Average Pooling": ("aten.avg_pool2d",),
    "Resize Bilinear": ("aten.upsample_bilinear2d",),
    "Slice": ("aten.slice_copy",),
    "Static Reshape": ("aten.view_copy",),
    "Add": ("aten.add",),
    "Multiply": ("aten.mul",),
}


def parse(text: str, runs: int) -> tuple[Run, ...]:
    """The events of delegates and of kernels outside of them; calls around both are left out."""
    groups: dict[int, list[dict[str, Any]]] = {}
    for event in array(text):
        groups.setdefault(event["run"], []).append(event)
    return checked([_run(groups[number]) for number in sorted(groups)], runs)


def _run(events: Sequence[dict[str, Any]]) -> Run:
    whole = next((event for event in events if event["name"] == "Method::execute"), None)
    if whole is None:
        raise RunnerFailed("The profile has a run without Method::execute.")
    return Run(
        whole["duration_ns"],
        tuple(
            _event(event, whole["start_ns"])
            for event in events
            if event["kind"] == "delegate" or event["name"].startswith(_NATIVE)
        ),
    )


def _event(event: dict[str, Any], begin_ns: int) -> Event:
    kind = event["name"].partition(" #")[0]
    return Event(
        name=event["name"],
        kind=kind,
        start_ns=event["start_ns"] - begin_ns,
        duration_ns=event["duration_ns"],
        dtype=_dtype(event["name"]),
        convolves=kind.startswith(_CONVOLUTIONS),
    )


def _dtype(name: str) -> str:
    """``float16`` of ``Fully Connected (NC, F16) GEMM #1``; an ``X16`` only moves bits."""
    computes = re.search(r"\([A-Z]+, (F16|F32)\)", name)
    return _DTYPES[computes.group(1)] if computes else ""


def join(events: Sequence[Event], graph: Sequence[GraphOperator]) -> Modules:
    """By order within each kind of which there are as many in the graph, stretch by stretch."""
    keys = [_graph_kinds(event.kind) for event in events]
    counted = Counter(operator.kind for operator in graph)
    alike = {key for key in keys if key and keys.count(key) == sum(counted[k] for k in key)}
    ran = [place for place, event in enumerate(events) if DEPTHWISE in event.kind]
    there = [place for place, operator in enumerate(graph) if DEPTHWISE in operator.names]
    if len(ran) != len(there):
        ran = there = []
    modules: dict[int, str | None] = {i: graph[j].module for i, j in zip(ran, there, strict=True)}
    for part, own in zip(_between(ran, len(events)), _between(there, len(graph)), strict=True):
        known = [keys[i] if keys[i] in alike else () for i in part]
        modules |= zip(part, _joined(known, [graph[i] for i in own]), strict=True)
    return [modules[i] for i in range(len(events))]


def _joined(keys: Sequence[tuple[str, ...]], graph: Sequence[GraphOperator]) -> Modules:
    """The modules of one stretch; "" of a kind that the two count differently there."""
    queues = {key: [each.module for each in graph if each.kind in key] for key in keys if key}
    short = {key for key, modules in queues.items() if len(modules) != keys.count(key)}
    return [("" if key in short else queues[key].pop(0)) if key else None for key in keys]


def _between(cuts: Sequence[int], end: int) -> list[range]:
    """The stretches that some places leave of ``range(end)``."""
    return [range(a + 1, b) for a, b in pairwise([-1, *cuts, end])]


def _graph_kinds(kind: str) -> tuple[str, ...]:
    """What the graph calls an event: ``Slice (ND, X32)``, ``native_call_argmax.out``."""
    if kind.startswith(_NATIVE):
        return ("aten." + kind.removeprefix(_NATIVE).partition(".")[0],)
    return _XNNPACK.get(kind.partition(" (")[0], ())
