"""``report.md``: every number with what it depends on, why it is or is not valid, and what failed.

Plain GitHub Markdown. Values that came from devices and files are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence

from seaformer.core.measurement import EMULATED, MEASURED, DeviceInfo
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.components import Component, components
from seaformer.report.renderers import _emulated, _estimated, svg
from seaformer.report.renderers._markdown import cell as _cell
from seaformer.report.renderers._markdown import code as _code
from seaformer.report.renderers._markdown import grid as _grid
from seaformer.report.table import (
    FORWARD,
    DeviceSection,
    Report,
    current,
    newest,
    standing_alone,
)

FILES = ("report.md",)
MOST_FAILURES = 50
EMPTY = (
    "No measurement is stored here yet. Make the first one:\n\n"
    "    seaformer bench --variant t --threads 1"
)
_NOTE = """\
Made by `seaformer report` from the raw runs in `runs/`; nothing here is typed by hand.
The median is the median of the processes' medians, its interval the 95 % bootstrap interval
(processes resampled, then samples within them). MB is 10^6 bytes. The paper's figures were taken
on another device (one core of a Snapdragon 865, TNN, FP32, logits at the head's own resolution):
they are printed beside ours for orientation, and only a Snapdragon 865 tests them. Each table shows
the newest run of every combination; all runs are in [tables/latency.csv](tables/latency.csv), their
processes in [tables/processes.csv](tables/processes.csv). `seaformer report` also writes
`report.html`: it has the pictures, and every number in it opens its samples, conditions and
command."""
_LATENCY = (
    *("no.", "model", "HxW", "runtime", "precision", "scope", "core", "threads"),
    *("median ms", "95 % interval ms", "p90 ms", "p99 ms", "min ms", "peak MB", "load ms"),
    *("size MB", "valid", "", f"{words.PAPER_SIDE} ms"),
)
_TAKEN = (
    *("no.", "taken at", "runner", "build", "governor", "frequency", "load", "temperature C"),
    *("samples", "processes", "spread", "CV", "outliers", "max ms", "first ms"),
    *("artifact sha256", "measurement"),
)


def render(report: Report) -> dict[str, str]:
    """``report.md``."""
    return {"report.md": document(report)}


def document(report: Report) -> str:
    """The whole document, ending with a newline."""
    parts = ["# Latency report"]
    if not report.table.rows:
        parts += [EMPTY]
    else:
        parts += [
            overview(report),
            f"![{_cell(svg.alternative(report, most=8))}](report.svg)",
            _NOTE,
        ]
        parts += [part for section in report.devices for part in _device(section)]
        parts += _failures(report.table)
    parts += _damaged(report)
    return "\n\n".join(part for part in parts if part) + "\n"


def overview(report: Report) -> str:
    """How many measurements of which kind; the newest one's date stands for the report's."""
    first = {row.measurement_id: row for row in reversed(report.table.rows)}.values()
    devices = words.counted(len(report.devices), "device")
    counts = [f"{words.counted(len(first), 'measurement')} on {devices}"]
    emulated = sum(row.source == EMULATED for row in first)
    estimated = sum(row.source not in (EMULATED, MEASURED) for row in first)
    invalid = sum(not row.valid and row.failure is None for row in first)
    failed = sum(row.failure is not None for row in first)
    kinds = (
        *((emulated, "emulated"), (estimated, "estimated")),
        *((invalid, "not valid"), (failed, "failed")),
    )
    counts += [f"{count} {name}" for count, name in kinds if count]
    if report.damaged:
        counts.append(f"{words.counted(len(report.damaged), 'file')} skipped")
    latest = max(row.created_at for row in first)
    return f"{', '.join(counts)}. Newest: {_cell(latest)}."


def _device(section: DeviceSection) -> list[str]:
    measured, emulated = section.table.of(MEASURED), section.table.of(EMULATED)
    estimated = _estimated.rows_of(section.table)
    parts = [f"## {_cell(section.device.model)}", _about(section.device)]
    if measured.rows:
        parts += ["### Latency", *_tables(measured)]
    if emulated.rows:
        parts += ["### Emulated", _emulated.note(emulated.rows), *_counts(emulated)]
    if estimated.rows:
        lines = [_estimated.cells(row) for row in current(standing_alone(estimated)).rows]
        parts += [f"### {_estimated.TITLE}", _estimated.NOTE, _grid(_estimated.HEADER, lines)]
    return parts


def _about(device: DeviceInfo) -> str:
    clusters = "; ".join(_cluster(c.cpus, c.part, c.max_freq_khz) for c in device.clusters)
    memory = f", {device.memory_bytes / 1e9:.1f} GB memory" if device.memory_bytes else ""
    cores = words.counted(device.cores, "core")
    lines = [
        f"- id `{_code(device.id)}`, target {_cell(device.target)}",
        f"- {_cell(device.system)}, {_cell(device.architecture)}, {cores}{memory}",
    ]
    lines += [f"- clusters: {_cell(clusters)}"] if clusters else []
    told = sorted((device.properties or {}).items())
    lines += [f"- {_cell(name)}: {_cell(value)}" for name, value in told]
    return "\n".join(lines)


def _cluster(cpus: Sequence[int], part: str, khz: int | None) -> str:
    limit = f" up to {khz / 1e3:.0f} MHz" if khz else ""
    return f"{part} (cpu {', '.join(map(str, cpus))}){limit}"


def _counts(table: ResultTable) -> list[str]:
    """What an emulator counted, the reservations, and the components."""
    numbered = list(enumerate(current(standing_alone(table)).rows, 1))
    lines = [[str(number), *_emulated.cells(row)] for number, row in numbered]
    doubts = [line for number, row in numbered for line in _doubts(number, row)]
    parts = [_grid(("no.", *_emulated.HEADER), lines)] if lines else []
    parts += ["Reservations:", "\n".join(doubts)] if doubts else []
    return [*parts, *(part for rows in _with_components(table) for part in _components(rows))]


def _tables(table: ResultTable) -> list[str]:
    """Figures, how each was taken, why it is not beyond doubt, and the components."""
    shown = current(standing_alone(table)).rows
    parts = []
    if shown:
        numbered = list(enumerate(shown, 1))
        taken = [_taken(number, row) for number, row in numbered]
        parts += [_grid(_LATENCY, [_latency(*pair) for pair in numbered])]
        parts += ["How each was taken:", _grid(_TAKEN, taken)]
        doubts = [line for number, row in numbered for line in _doubts(number, row)]
        parts += ["Reservations:", "\n".join(doubts)] if doubts else []
    for rows in _with_components(table):
        parts += _components(rows)
    return parts


def _latency(number: int, row: ResultRow) -> list[str]:
    times = [words.ms(row.median_ms), words.interval(row)]
    times += [words.ms(value) for value in (row.p90_ms, row.p99_ms, row.min_ms)]
    costs = [words.mb(row.peak_mb), words.ms(row.load_ms), words.mb(row.size_mb)]
    names = [
        words.model(row),
        row.size,
        words.runtime(row),
        row.precision,
        row.scope,
        words.core(row),
    ]
    paper = words.published(row.paper_ms)
    return [str(number), *names, str(row.threads), *times, *costs, words.validity(row), "", paper]


def _taken(number: int, row: ResultRow) -> list[str]:
    load = words.NOTHING if row.load_average is None else f"{row.load_average:.2f}"
    temperature = words.NOTHING if row.temperature_c is None else f"{row.temperature_c:.1f}"
    machine = [row.governor or "not told", words.frequency(row), load, temperature]
    counts = [str(row.n), str(row.processes), words.percent(row.spread), words.percent(row.cv)]
    counts += [words.NOTHING if row.outliers is None else str(row.outliers)]
    times = [words.ms(row.max_ms), words.ms(row.first_ms)]
    made = [row.created_at, row.runner, row.runner_build]
    named = [row.artifact_sha256[:16], row.measurement_id]
    return [str(number), *made, *machine, *counts, *times, *named]


def _doubts(number: int, row: ResultRow) -> list[str]:
    return [
        f"- #{number} {'**invalid**' if flag.fatal else 'note'}: {_cell(flag.name)}: "
        f"{_cell(flag.detail)}"
        for flag in row.flags
    ]


def _with_components(table: ResultTable) -> list[list[ResultRow]]:
    """The rows of each measurement that has components, newest of its key only."""
    groups: dict[str, list[ResultRow]] = {}
    for row in table.rows:
        groups.setdefault(row.measurement_id, []).append(row)
    current = {row.measurement_id for row in newest(table).rows if row.method != FORWARD}
    return [rows for name, rows in groups.items() if name in current and components(rows)]


def _components(rows: Sequence[ResultRow]) -> list[str]:
    first = rows[0]
    parts = components(rows)
    counted = first.source != MEASURED
    title = f"Components of {_cell(first.model)}, {_cell(words.runtime(first))}, "
    title += f"{_cell(first.precision)}, in measurement {_cell(first.measurement_id)}:"
    figures = ("million instructions",) if counted else ("median ms", "95 % interval ms")
    header = ("component", *figures, "share of forward", "", words.FIGURE_10)
    lines = [_component(part, counted) for part in parts]
    notes = words.component_notes(first, (part.paper_percent for part in parts))
    return [title, _grid(header, lines), notes]


def _component(part: Component, counted: bool) -> list[str]:
    interval = words.span(part.ci95_low_ms, part.ci95_high_ms)
    times = [words.ms(part.median_ms), interval]
    figures = [words.instructions(part.instructions)] if counted else times
    share = words.percent(part.share)
    return [part.name, *figures, share, "", words.paper_percent(part.paper_percent)]


def _failures(table: ResultTable) -> list[str]:
    failed = {row.measurement_id: row for row in table.rows if row.failure is not None}
    if not failed:
        return []
    shown = list(failed.values())[:MOST_FAILURES]
    lines = [
        f"- {_cell(row.created_at)} {_cell(row.model)}, {_cell(words.runtime(row))}, "
        f"{_cell(row.precision)} on {_cell(row.device_name)}: {_cell(row.failure or '')} "
        f"({_cell(row.measurement_id)})"
        for row in shown
    ]
    rest = len(failed) - len(shown)
    lines += [f"- and {rest} more, in tables/latency.csv"] if rest else []
    return ["## Failed runs", "\n".join(lines)]


def _damaged(report: Report) -> list[str]:
    if not report.damaged:
        return []
    lines = [f"- `{_code(found.path)}`: {_cell(found.reason)}" for found in report.damaged]
    return ["## Files skipped", "They were left where they are.", "\n".join(lines)]
