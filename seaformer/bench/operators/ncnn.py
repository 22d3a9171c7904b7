"""ncnn's layers, as ``engine_ncnn.cpp`` times them one after the other: timed runs alone.

A layer keeps the name that it has in the file. What it computed in is not reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seaformer.bench.operators._events import Event, Modules, Run, array, checked
from seaformer.core.code_blocks import CodePart
from seaformer.core.errors import RunnerFailed
from seaformer.core.operator_code import summed, without
from seaformer.core.operators import GraphOperator
from seaformer.core.plural import counted

_CONVOLUTION = "Convolution"  # the beginning of ConvolutionDepthWise, too


def parse(text: str, runs: int) -> tuple[Run, ...]:
    """The layers of each run, end to end."""
    groups: dict[int, list[dict[str, Any]]] = {}
    for event in array(text):
        groups.setdefault(event["run"], []).append(event)
    if not groups:
        raise RunnerFailed("The profile the runner wrote has no layers.")
    return checked([_run(groups[number]) for number in sorted(groups)], runs)


def _run(layers: Sequence[dict[str, Any]]) -> Run:
    events, start_ns = [], 0
    for layer in layers:
        kind = str(layer["kind"])
        events.append(
            Event(
                name=str(layer["name"]),
                kind=kind,
                start_ns=start_ns,
                duration_ns=layer["duration_ns"],
                convolves=kind.startswith(_CONVOLUTION),
            )
        )
        start_ns += layer["duration_ns"]
    return Run(start_ns, tuple(events))


def cut(events: Sequence[Event], parts: Sequence[CodePart]) -> list[CodePart]:
    """The code of each layer: what computes its blob, without the conversion that follows.

    Four readings a layer: around both, and around the conversion alone.
    """
    if len(parts) < 4 * len(events) + 1:
        raise RunnerFailed(
            f"{counted(len(events), 'layer')} left {counted(len(parts), 'part')} of code."
        )
    return [without(parts[4 * k + 1], parts[4 * k + 3]) for k in range(len(events))]


def whole(events: Sequence[Event], parts: Sequence[CodePart]) -> CodePart:
    """Without both conversions of each blob, and what asks for them; the last ends the run."""
    asking = [part for k in range(len(events)) for part in parts[4 * k + 2 : 4 * k + 5]]
    converted = [parts[4 * k + 3] for k in range(len(events))]
    return without(summed(tuple(parts)), summed((*asking[:-1], *converted)))


def join(events: Sequence[Event], graph: Sequence[GraphOperator]) -> Modules:
    """By name."""
    modules = {name: operator.module for operator in graph for name in operator.names}
    return [modules.get(event.name) for event in events]
