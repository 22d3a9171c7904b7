"""A profile as tables, by operator, by kind and by component, and as a trace to look at.

The trace is Chrome's JSON format; it opens in https://ui.perfetto.dev or chrome://tracing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from seaformer.core import codec, files
from seaformer.core.files import safe_name
from seaformer.core.measurement import EMULATED
from seaformer.core.profile import OperatorTime, Profile
from seaformer.report import words
from seaformer.report.terminal import Block, Column, Line, Table

TOP = 15
_NOTE = (
    "Taken under the engine's profiler, which slows it: no latency. ~ marks an operator of the "
    "engine's own, put with the one before it. XNNPACK reports whole microseconds."
)
Share = tuple[str, ...]


def profile_page(profile: Profile, top: int = TOP) -> list[Block]:
    """The ``top`` operators, all kinds and all components, each with its cumulative share."""
    kind = "emulated, " if profile.source == EMULATED else ""
    title = (
        f"Operators of {profile.model}, {profile.runtime} {profile.runtime_version}, "
        f"{profile.precision}: {kind}{words.ms(profile.inference_ns / 1e6)} ms profiled, median "
        f"of {words.counted(profile.runs, 'run')}, "
        f"{words.counted(len(profile.operators), 'operator')}"
    )
    return [
        Line(title, "italic", hang=2),
        Line(executed_line(profile), hang=2),
        _table(profile, ("operator", "module"), operator_lines(profile, top)),
        Line(""),
        _table(profile, ("kind", "operators"), group_lines(profile, "kind")),
        Line(""),
        _table(profile, ("component", "operators"), group_lines(profile, "component")),
        Line(_NOTE, "dim"),
    ]


def executed_line(profile: Profile) -> str:
    """The precision really executed, which an engine may choose other than the file's."""
    types = profile.executed.items()
    counts = [f"{count} in {dtype or 'an unknown type'}" for dtype, count in types]
    return f"Executed: convolutions {', '.join(counts) or 'none'}; the file is {profile.precision}."


def write_profile(profile: Profile, root: Path) -> Path:
    """Store a profile and its trace under ``root/profiles``; the answer is the trace's path.

    Its name has whether it was measured or emulated.
    """
    name = f"{profile.id}__{profile.source}__{safe_name(profile.artifact_file)}"
    base = root / "profiles" / name
    trace = base.with_name(base.name + ".trace.json")
    files.write_json(base.with_name(base.name + ".profile.json"), codec.to_json(profile))
    files.write_json(trace, chrome_trace(profile))
    return trace


def operator_lines(profile: Profile, top: int = TOP) -> list[Share]:
    """(operator, module, ms, share, cumulative share), slowest first."""
    ordered = sorted(profile.operators, key=lambda operator: -operator.median_ns)
    named = [(o.name, words.module(o), o.median_ns) for o in ordered[:top]]
    return _with_shares(named, profile.inference_ns)


def group_lines(profile: Profile, field: str) -> list[Share]:
    """(kind or component, how many, ms, share, cumulative share) and what no operator covers."""
    groups: dict[str, list[int]] = {}
    for operator in profile.operators:
        key = getattr(operator, field) or words.NOTHING
        groups.setdefault(key, []).append(operator.median_ns)
    sums = [(name, str(len(times)), sum(times)) for name, times in groups.items()]
    sums.sort(key=lambda group: -group[2])
    rest = profile.inference_ns - profile.operators_ns
    return _with_shares([*sums, ("engine, between operators", "", rest)], profile.inference_ns)


def chrome_trace(profile: Profile) -> dict[str, Any]:
    """The run that took the median time: components above, operators below; microseconds."""
    events: list[dict[str, Any]] = [
        _named("process_name", 0, f"{profile.artifact_file} on {profile.device.model}"),
        _named("thread_name", 1, "components"),
        _named("thread_name", 2, "operators"),
    ]
    events += [
        _event(name, "component", 1, start, end - start)
        for name, start, end in _stretches(profile.operators)
    ]
    for operator in profile.operators:
        event = _event(operator.name, operator.kind, 2, operator.start_ns, operator.duration_ns)
        event["args"] = {
            "module": operator.module,
            "exact": operator.exact,
            "dtype": operator.dtype,
            "median_us": operator.median_ns / 1e3,
        }
        events.append(event)
    about = {
        "model": profile.model,
        "runtime": f"{profile.runtime} {profile.runtime_version}",
        "precision": profile.precision,
        "source": f"{profile.source}, profiled: no latency",
    }
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": about}


def _stretches(operators: Sequence[OperatorTime]) -> Iterable[tuple[str, int, int]]:
    """Runs of operators of one component, with where they begin and end."""
    stretches: list[tuple[str, int, int]] = []
    for operator in operators:
        end = operator.start_ns + operator.duration_ns
        if stretches and stretches[-1][0] == operator.component:
            stretches[-1] = (operator.component, stretches[-1][1], end)
        elif operator.component:
            stretches.append((operator.component, operator.start_ns, end))
    return stretches


def _event(name: str, category: str, thread: int, start_ns: int, ns: int) -> dict[str, Any]:
    times = {"ts": start_ns / 1e3, "dur": ns / 1e3}
    return {"name": name, "cat": category, "ph": "X", "pid": 1, "tid": thread, **times}


def _named(what: str, thread: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": 1, "tid": thread, "args": {"name": name}}


def _with_shares(lines: Sequence[tuple[str, str, int]], whole_ns: int) -> list[Share]:
    total = 0.0
    shares: list[Share] = []
    for first, second, ns in lines:
        share = ns / whole_ns if whole_ns else 0.0
        total += share
        figures = (words.ms(ns / 1e6), words.percent(share), words.percent(total))
        shares.append((words.clean(first), words.clean(second), *figures))
    return shares


def _table(profile: Profile, names: tuple[str, str], lines: Sequence[Share]) -> Table[Share]:
    """Times on an emulated core are named so: they rank operators for the emulator alone."""
    time = "emulated" if profile.source == EMULATED else "time"
    columns: tuple[Column[Share], ...] = (
        Column(names[0], itemgetter(0), key=True),
        Column(names[1], itemgetter(1), rank=2),
        Column(time, itemgetter(2), "ms", right=True),
        Column("share of", itemgetter(3), "inference", right=True),
        Column("cumulative", itemgetter(4), "share", rank=1, right=True),
    )
    return Table(columns, lines)
