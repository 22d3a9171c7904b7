"""What opens behind a number: one record per measurement, for the page's script to show.

A record holds conditions, plan, validity, the command, every process and, as long as there is
room, every raw sample. The samples of older runs are in their own files, which the page names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from seaformer.core.measurement import (
    MEASURED,
    Conditions,
    Flag,
    Measurement,
    MethodRun,
    ProcessRun,
    run_path,
)
from seaformer.core.plan import RunPlan
from seaformer.core.table import ResultRow
from seaformer.report import words

MOST_SAMPLE_CHARACTERS = 4_000_000
Pairs = list[list[str]]


def records(
    measurements: Iterable[Measurement], rows: Iterable[ResultRow], room: int | None = None
) -> dict[str, Any]:
    """A record by measurement id, in the order given; samples until ``room`` characters are full.

    ``rows`` are all rows of these measurements: the figures are theirs.
    """
    left = MOST_SAMPLE_CHARACTERS if room is None else room
    by_id: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_id.setdefault(row.measurement_id, []).append(row)
    found = {}
    for measurement in measurements:
        timed = measurement.source == MEASURED  # an emulator's times are no latencies
        samples = {n: _samples(run) for n, run in measurement.methods.items()} if timed else {}
        size = sum(len(str(pieces)) for pieces in samples.values())
        left -= size
        kept = samples if left >= 0 else None
        found[measurement.id] = _record(measurement, by_id.get(measurement.id, []), kept)
    return found


def raw_file(measurement: Measurement) -> str:
    """The run file's address, relative to the report."""
    return quote(str(run_path(measurement)))


def _record(
    m: Measurement, rows: list[ResultRow], samples: dict[str, list[list[int]]] | None
) -> dict[str, Any]:
    methods = [
        _method(row, m.methods[row.method], (samples or {}).get(row.method))
        for row in rows
        if row.method in m.methods
    ]
    return {
        "title": words.clean(f"{m.model} {rows[0].size if rows else ''} {m.format} {m.precision}"),
        "source": m.source,
        "state": words.validity(rows[0]) if rows else ("valid" if m.valid else "not valid"),
        "good": m.valid,
        "failure": words.clean(m.failure or ""),
        "flags": [_flag(flag) for flag in m.flags],
        "command": words.clean(m.command),
        "raw": raw_file(m),
        "facts": [
            ["What ran", _what(m)],
            ["Where", _where(m, rows)],
            ["Plan", _plan(m.plan)],
        ],
        "conditions": _conditions(m.before, m.after),
        "methods": methods,
    }


def _flag(flag: Flag) -> list[str]:
    return ["not valid" if flag.fatal else "note", words.clean(flag.name), words.clean(flag.detail)]


def _what(m: Measurement) -> Pairs:
    shape = "x".join(map(str, m.input_shape))
    told = [
        ("measurement", m.id),
        ("taken at", m.created_at),
        ("source", m.source),
        ("commit", m.commit),
        ("model", m.model),
        ("input", shape),
        ("scope", m.scope),
        ("precision", m.precision),
        ("format", m.format),
        ("runtime", f"{m.runtime} {m.runtime_version}"),
        ("runner", f"{m.runner}, build {m.runner_build}"),
        ("file", m.artifact_file),
        ("sha256", m.artifact_sha256),
        ("size", f"{m.artifact_size_bytes / 1e6:.2f} MB"),
        ("paper", f"{m.paper_latency_ms:g} ms" if _known(m.paper_latency_ms) else words.NOTHING),
    ]
    return _pairs(told)


def _where(m: Measurement, rows: list[ResultRow]) -> Pairs:
    device = m.device
    told = [
        ("device", device.model),
        ("device id", device.id),
        ("target", m.target),
        ("system", f"{device.system}, {device.architecture}, {device.cores} cores"),
        ("core", words.core(rows[0]) if rows else m.plan.core),
        ("threads", str(rows[0].threads if rows else m.plan.threads)),
    ]
    return _pairs([*told, *sorted((device.properties or {}).items())])


def _plan(plan: RunPlan) -> Pairs:
    warmup, stop = plan.warmup, plan.stop
    adaptive = (
        f"at least {warmup.min_runs} runs and {warmup.min_seconds:g} s, until two moving averages "
        f"agree within {100 * warmup.tolerance:g} %, at most {warmup.max_seconds:g} s"
    )
    until = (
        f"at least {stop.min_runs} samples and {stop.min_seconds:g} s, until the interval is "
        f"within {100 * stop.ci_half_width:g} %, at most {stop.max_runs} or {stop.max_seconds:g} s"
    )
    told = [
        ("fresh processes", str(plan.processes)),
        ("warm-up", adaptive if warmup.runs is None else f"{warmup.runs} runs"),
        ("samples", until if stop.runs is None else f"{stop.runs} per process"),
        ("seed", str(plan.seed)),
    ]
    return _pairs(told)


def _conditions(before: Conditions, after: Conditions) -> list[list[str]]:
    """(name, before, after) of everything the device told."""
    named: list[tuple[str, str, float, str]] = [
        ("freq_khz", "frequency of the core", 1e3, "MHz"),
        ("max_freq_khz", "its limit", 1e3, "MHz"),
        ("load", "load average, 1 min", 1, ""),
        ("temperature_c", "temperature", 1, "C"),
        ("free_memory_bytes", "free memory", 1e6, "MB"),
        ("free_space_bytes", "free space", 1e6, "MB"),
        ("battery_percent", "battery", 1, "%"),
        ("thermal_status", "thermal status", 1, ""),
    ]
    told = [
        [name, *(_figure(getattr(state, key), scale, unit) for state in (before, after))]
        for key, name, scale, unit in named
    ]
    named_states = [
        ["at", before.at, after.at],
        ["governor", *((state.governor or words.NOTHING) for state in (before, after))],
        ["charging", *(_yes(state.charging) for state in (before, after))],
    ]
    rows = [[words.clean(cell) for cell in row] for row in named_states + told]
    return [row for row in rows if row[1:] != [words.NOTHING] * 2]


def _figure(value: float | None, scale: float, unit: str) -> str:
    if value is None or not _known(value):
        return words.NOTHING
    return f"{value / scale:.4g} {unit}".strip() if scale < 1e6 else f"{value / scale:.0f} {unit}"


def _yes(value: bool | None) -> str:
    return words.NOTHING if value is None else ("yes" if value else "no")


def _known(value: float | None) -> bool:
    return value is not None and abs(value) < float("inf")


def _method(row: ResultRow, run: MethodRun, samples: list[list[int]] | None) -> dict[str, Any]:
    figures = [
        ("median", row.median_ms, "ms"),
        ("min", row.min_ms, "ms"),
        ("p90", row.p90_ms, "ms"),
        ("p99", row.p99_ms, "ms"),
        ("max", row.max_ms, "ms"),
        ("load", row.load_ms, "ms"),
        ("first inference", row.first_ms, "ms"),
    ]
    told = [
        (name, f"{words.ms(value)} {unit}") for name, value, unit in figures if value is not None
    ]
    if row.ci95_low_ms is not None:
        told.insert(1, ("95 % interval", f"{words.interval(row)} ms"))
    told += [("samples", str(row.n))] if row.n else []
    told += [("spread between processes", words.percent(row.spread))] if row.spread else []
    told += [("coefficient of variation", words.percent(row.cv))] if row.cv else []
    told += [("outliers, kept", str(row.outliers))] if row.outliers is not None else []
    told += [("peak memory", f"{words.mb(row.peak_mb)} MB")] if row.peak_mb else []
    told += [("instructions", f"{row.instructions:,}")] if row.instructions else []
    if run.output is not None:
        same = "agrees" if run.output.passed else "does not agree"
        far = f"max abs {run.output.max_abs:.2e}"
        far += "" if run.output.psnr_db is None else f", PSNR {run.output.psnr_db:.1f} dB"
        told.append(("output", f"{same} with the eager model, {far}"))
    return {
        "name": row.method,
        "median": row.median_ms,
        "figures": _pairs(told),
        "processes": _processes(row, run),
        "counts": [str(counts.instructions) for counts in run.counts],
        "samples": samples,
    }


def _processes(row: ResultRow, run: MethodRun) -> list[list[str]]:
    lines = [_process(i, process) for i, process in enumerate(run.processes, 1)]
    if row.source != MEASURED:
        lines = [[*line[:2], words.NOTHING, words.NOTHING, *line[4:]] for line in lines]
    return lines


def _process(index: int, run: ProcessRun) -> list[str]:
    ends = [f"{khz / 1e3:.0f}" for khz in (run.freq_before_khz, run.freq_after_khz) if khz]
    cpus = ", ".join(f"cpu{cpu}" for cpu in sorted(set(run.sample_cpus)))
    peak = words.NOTHING if run.peak_rss_bytes is None else f"{run.peak_rss_bytes / 1e6:.1f}"
    return [
        *(str(index), str(run.count), words.ms(run.load_ns / 1e6), words.ms(run.first_ns / 1e6)),
        f"{run.warmup_runs} ({words.clean(run.warmup_reason)})",
        *(words.clean(run.stop_reason), cpus or words.NOTHING, peak),
        " to ".join(dict.fromkeys(ends)) or words.NOTHING,
    ]


def _samples(run: MethodRun) -> list[list[int]]:
    """Per process its smallest sample, then each sample less that: the same, in fewer digits."""
    pieces = [(min(part), part) for part in run.by_process() if part]
    return [[least, *(ns - least for ns in part)] for least, part in pieces]


def _pairs(told: Iterable[tuple[str, str]]) -> Pairs:
    return [[words.clean(name), words.clean(value) or words.NOTHING] for name, value in told]
