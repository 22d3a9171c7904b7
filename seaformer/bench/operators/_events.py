"""``Run`` and ``Event``: a profiled inference and its operators, whatever engine it ran on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seaformer.core.code_blocks import CodePart
from seaformer.core.errors import RunnerFailed
from seaformer.core.operator_code import summed
from seaformer.core.plural import counted

Modules = list[str | None]
TICK_NS = 1_000_000  # between two readings of a clock that counts them, as in runner/ticks.h


@dataclass(frozen=True)
class Event:
    """One operator of one run; ``start_ns`` counts from the beginning of the run.

    ``dtype`` is numpy's name of the type it really computed in; empty where the engine is silent.
    ``convolves``: it is a convolution, by whatever name the engine has for one.
    """

    name: str
    kind: str
    start_ns: int
    duration_ns: int
    dtype: str = ""
    convolves: bool = False


@dataclass(frozen=True)
class Run:
    """One timed inference and its operators in order."""

    duration_ns: int
    events: tuple[Event, ...]


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


def cut(events: Sequence[Event], parts: Sequence[CodePart], before: int = 0) -> list[CodePart]:
    """The code of each event: its times are readings of a clock, a part ends with each.

    ``before`` readings an engine takes before the one that its run begins with. Raises
    ``RunnerFailed`` where an event has none.
    """
    codes = []
    for event in events:
        # What ended with the run's begin is before it.
        first = round(event.start_ns / TICK_NS) + 1 + before
        after = first + round(event.duration_ns / TICK_NS)
        if not 0 < first < after <= len(parts):
            raise RunnerFailed(
                f"The operator {event.name} has no code: readings {first} to {after} of "
                f"{len(parts)}."
            )
        codes.append(summed(tuple(parts[first:after])))
    return codes


def whole(events: Sequence[Event], parts: Sequence[CodePart]) -> CodePart:
    """Everything: a profiler writes down a few numbers where an operator ends."""
    return summed(tuple(parts))


def placed(modules: Modules) -> Iterator[tuple[str, bool]]:
    """Each operator's module and whether it is its own; one without goes with the one before."""
    before = ""
    for module in modules:
        before = before if module is None else module
        yield before, module is not None


def array(text: str) -> list[dict[str, Any]]:
    """The objects of a profile that is a JSON array."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise RunnerFailed(f"The profile the runner wrote is not JSON: {error}.") from error
    if not isinstance(data, list):
        raise RunnerFailed("The profile the runner wrote is not a list of events.")
    return data


def checked(parsed: Sequence[Run], runs: int) -> tuple[Run, ...]:
    """Every run there, and each with the same operators in the same order."""
    if len(parsed) != runs:
        raise RunnerFailed(f"The profile has {counted(len(parsed), 'run')}, {runs} were timed.")
    names = [tuple(event.name for event in run.events) for run in parsed]
    if not names[0] or any(other != names[0] for other in names):
        raise RunnerFailed("The profile's runs do not have the same operators in the same order.")
    return tuple(parsed)
