"""What opens behind a number: one record per measurement, for the page's script to show.

A record holds validity, the command, what ran and where; of the newest runs also conditions,
figures, every process and, as long as there is room, every raw sample. What is not in the page is
in the run's own file, which the page names.

Texts are formatted here. What many runs have in common (a plan, a device, a governor) is in the
record as a number of ``Shared.values``, so that 10,000 of them fit into a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup

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
from seaformer.report.html.island import Shared, encoded, island

MOST_SAMPLE_CHARACTERS = 4_000_000
MOST_DETAILED = 2000
Pairs = list[list[int]]
# Of ``Conditions``: its field, what it is called, what it is divided by, and the unit then.
_STATES: tuple[tuple[str, str, float, str], ...] = (
    ("freq_khz", "frequency of the core", 1e3, "MHz"),
    ("max_freq_khz", "its limit", 1e3, "MHz"),
    ("load", "load average, 1 min", 1, ""),
    ("temperature_c", "temperature", 1, "C"),
    ("free_memory_bytes", "free memory", 1e6, "MB"),
    ("free_space_bytes", "free space", 1e6, "MB"),
    ("battery_percent", "battery", 1, "%"),
    ("thermal_status", "thermal status", 1, ""),
)


def records(
    measurements: Sequence[Measurement], rows: Iterable[ResultRow], room: int | None = None
) -> Markup:
    """The data island: records in the order given; samples until ``room`` characters are full.

    ``rows`` are all rows of these measurements: the figures are theirs.
    """
    by_id: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_id.setdefault(row.measurement_id, []).append(row)
    shared = Shared()
    runs = {one.id: _record(shared, one, by_id.get(one.id, [])) for one in measurements}
    newest = measurements[:MOST_DETAILED]
    details = {one.id: _details(shared, one, by_id.get(one.id, [])) for one in newest}
    samples = _all_samples(newest, MOST_SAMPLE_CHARACTERS if room is None else room)
    document = {"shared": shared.values, "runs": runs, "details": details, "samples": samples}
    return island("runs", document)


def raw_file(measurement: Measurement) -> str:
    """The run file's address, relative to the report."""
    return quote(run_path(measurement))


def _record(shared: Shared, m: Measurement, rows: Sequence[ResultRow]) -> list[Any]:
    """Title, state, whether it is valid, failure, flags, command, file, groups of facts.

    A group is a title and lists of pairs that follow one another.
    """
    title = (m.model, rows[0].size if rows else "", m.format, m.precision)
    state = words.validity(rows[0]) if rows else ("valid" if m.valid else "not valid")
    what = [[shared.ref("measurement"), m.id], [shared.ref("taken at"), words.clean(m.created_at)]]
    return [
        shared.made(title, _joined, title),
        shared.ref(state),
        m.valid,
        words.clean(m.failure or ""),
        [_flag(shared, flag) for flag in m.flags],
        shared.text(m.command),
        raw_file(m),
        [
            [shared.ref("What ran"), what, _what(shared, m)],
            [shared.ref("Where"), _where(shared, m, rows)],
            [shared.ref("Plan"), shared.made(m.plan, _plan, shared, m.plan)],
        ],
    ]


def _joined(texts: Iterable[str]) -> str:
    return words.clean(" ".join(texts))


def _flag(shared: Shared, flag: Flag) -> list[int]:
    kind = "not valid" if flag.fatal else "note"
    return [shared.ref(kind), shared.text(flag.name), shared.text(flag.detail)]


def _what(shared: Shared, m: Measurement) -> int:
    """The rest of what ran: the same for all runs of a file in one checkout with one runner."""
    key = (
        m.source,
        m.commit,
        m.model,
        m.input_shape,
        m.scope,
        m.precision,
        m.format,
        m.runtime,
        m.runtime_version,
        m.runner,
        m.runner_build,
        m.artifact_file,
        m.artifact_sha256,
        m.artifact_size_bytes,
        m.paper_latency_ms,
    )
    return shared.made(key, _what_pairs, shared, m)


def _what_pairs(shared: Shared, m: Measurement) -> Pairs:
    return _pairs(
        shared,
        (
            ("source", m.source),
            ("commit", m.commit),
            ("model", m.model),
            ("input", "x".join(map(str, m.input_shape))),
            ("scope", m.scope),
            ("precision", m.precision),
            ("format", m.format),
            ("runtime", f"{m.runtime} {m.runtime_version}"),
            ("runner", f"{m.runner}, build {m.runner_build}"),
            ("file", m.artifact_file),
            ("sha256", m.artifact_sha256),
            ("size", f"{m.artifact_size_bytes / 1e6:.2f} MB"),
            ("paper", f"{m.paper_latency_ms:g} ms" if _known(m.paper_latency_ms) else ""),
        ),
    )


def _where(shared: Shared, m: Measurement, rows: Sequence[ResultRow]) -> int:
    device = m.device
    core = words.core(rows[0]) if rows else m.plan.core
    threads = str(rows[0].threads if rows else m.plan.threads)
    names = (device.model, device.id, m.target, device.system, device.architecture, device.cores)
    properties = tuple(sorted((device.properties or {}).items()))
    key = (names, core, threads, properties)
    return shared.made(key, _where_pairs, shared, m, core, threads)


def _where_pairs(shared: Shared, m: Measurement, core: str, threads: str) -> Pairs:
    device = m.device
    return _pairs(
        shared,
        (
            ("device", device.model),
            ("device id", device.id),
            ("target", m.target),
            ("system", f"{device.system}, {device.architecture}, {device.cores} cores"),
            ("core", core),
            ("threads", threads),
            *sorted((device.properties or {}).items()),
        ),
    )


def _plan(shared: Shared, plan: RunPlan) -> Pairs:
    warmup, stop = plan.warmup, plan.stop
    adaptive = (
        f"at least {warmup.min_runs} runs and {warmup.min_seconds:g} s, until two moving averages "
        f"agree within {100 * warmup.tolerance:g} %, at most {warmup.max_seconds:g} s"
    )
    until = (
        f"at least {stop.min_runs} samples and {stop.min_seconds:g} s, until the interval is "
        f"within {100 * stop.ci_half_width:g} %, at most {stop.max_runs} or {stop.max_seconds:g} s"
    )
    return _pairs(
        shared,
        (
            ("fresh processes", str(plan.processes)),
            ("warm-up", adaptive if warmup.runs is None else f"{warmup.runs} runs"),
            ("samples", until if stop.runs is None else f"{stop.runs} per process"),
            ("seed", str(plan.seed)),
        ),
    )


def _details(shared: Shared, m: Measurement, rows: Sequence[ResultRow]) -> list[Any]:
    """Conditions, then a list for each method."""
    methods = [row for row in rows if row.method in m.methods]
    return [
        _conditions(shared, m.before, m.after),
        [_method(shared, row, m.methods[row.method]) for row in methods],
    ]


def _conditions(shared: Shared, before: Conditions, after: Conditions) -> list[list[int]]:
    """(name, before, after) of everything the device reported."""
    lines = [
        [shared.ref("at"), shared.text(before.at), shared.text(after.at)],
        [
            shared.ref("governor"),
            *(shared.text(s.governor or words.NOTHING) for s in (before, after)),
        ],
        [shared.ref("charging"), *(shared.ref(_yes(s.charging)) for s in (before, after))],
    ]
    for field, name, scale, unit in _STATES:
        values = (getattr(before, field), getattr(after, field))
        if values != (None, None):
            figures = [shared.ref(_figure(value, scale, unit)) for value in values]
            lines.append([shared.ref(name), *figures])
    nothing = [shared.ref(words.NOTHING)] * 2
    return [line for line in lines if line[1:] != nothing]


def _figure(value: float | None, scale: float, unit: str) -> str:
    if value is None or not _known(value):
        return words.NOTHING
    return f"{value / scale:.4g} {unit}".strip() if scale < 1e6 else f"{value / scale:.0f} {unit}"


def _yes(value: bool | None) -> str:
    return words.NOTHING if value is None else ("yes" if value else "no")


def _known(value: float | None) -> bool:
    return value is not None and abs(value) < float("inf")


def _method(shared: Shared, row: ResultRow, run: MethodRun) -> list[Any]:
    """Name, figures, processes, and what an emulator counted in each inference."""
    return [
        shared.text(row.method),
        [[shared.ref(name), figure] for name, figure in _figures(row, run)],
        [_process(shared, row, i, process) for i, process in enumerate(run.processes, 1)],
        [str(counts.instructions) for counts in run.counts],
    ]


def _figures(row: ResultRow, run: MethodRun) -> Iterator[tuple[str, str]]:
    """Name and text of every figure there is."""
    for name, value in (
        ("median", row.median_ms),
        ("min", row.min_ms),
        ("p90", row.p90_ms),
        ("p99", row.p99_ms),
        ("max", row.max_ms),
        ("load", row.load_ms),
        ("first inference", row.first_ms),
    ):
        if value is not None:
            yield name, f"{words.ms(value)} ms"
        if name == "median" and row.ci95_low_ms is not None:
            yield "95 % interval", f"{words.interval(row)} ms"
    if row.n:
        yield "samples", str(row.n)
    if row.spread:
        yield "spread between processes", words.percent(row.spread)
    if row.cv:
        yield "coefficient of variation", words.percent(row.cv)
    if row.outliers is not None:
        yield "outliers, kept", str(row.outliers)
    if row.peak_mb:
        yield "peak memory", f"{words.mb(row.peak_mb)} MB"
    if row.instructions:
        yield "instructions", f"{row.instructions:,}"
    if run.output is not None:
        same = "agrees" if run.output.passed else "does not agree"
        far = f"max abs {run.output.max_abs:.2e}"
        far += "" if run.output.psnr_db is None else f", PSNR {run.output.psnr_db:.1f} dB"
        yield "output", f"{same} with the eager model, {far}"


def _process(shared: Shared, row: ResultRow, index: int, run: ProcessRun) -> list[str | int]:
    """A line of the table of processes; an emulator's times are not shown."""
    timed = row.source == MEASURED
    ends = [f"{khz / 1e3:.0f}" for khz in (run.freq_before_khz, run.freq_after_khz) if khz]
    cpus = ", ".join(f"cpu{cpu}" for cpu in sorted(set(run.sample_cpus)))
    return [
        shared.ref(str(index)),
        str(run.count),
        words.ms(run.load_ns / 1e6 if timed else None),
        words.ms(run.first_ns / 1e6 if timed else None),
        shared.text(f"{run.warmup_runs} ({run.warmup_reason})"),
        shared.text(run.stop_reason),
        shared.ref(cpus or words.NOTHING),
        words.NOTHING if run.peak_rss_bytes is None else f"{run.peak_rss_bytes / 1e6:.1f}",
        shared.ref(" to ".join(dict.fromkeys(ends)) or words.NOTHING),
    ]


def _all_samples(
    measurements: Iterable[Measurement], room: int
) -> dict[str, dict[str, msgspec.Raw]]:
    """By measurement and method, until one has no room."""
    samples = {}
    for one in measurements:
        if one.source == MEASURED:  # an emulator's times are not latencies
            pieces = {name: _samples(run) for name, run in one.methods.items()}
            room -= sum(len(bytes(piece)) for piece in pieces.values())
            if room < 0:
                break
            samples[one.id] = pieces
    return samples


def _samples(run: MethodRun) -> msgspec.Raw:
    """Per process its smallest sample, then each sample less that: the same, in fewer digits."""
    pieces = [(min(part), part) for part in run.by_process() if part]
    return encoded([[least, *(ns - least for ns in part)] for least, part in pieces])


def _pairs(shared: Shared, pairs: Iterable[tuple[str, str]]) -> Pairs:
    return [[shared.text(name), shared.text(text or words.NOTHING)] for name, text in pairs]
