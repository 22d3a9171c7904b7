"""``report.md``: every number with what it depends on, why it is or is not valid, and what failed.

Plain GitHub Markdown, from ``templates/report.md.j2``, which escapes what came from devices and
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seaformer.core.files import DamagedFile
from seaformer.core.measurement import EMULATED, MEASURED, DeviceInfo, Flag
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import accuracy, words
from seaformer.report.components import Component, components, with_components
from seaformer.report.renderers import _emulated, _estimated, svg
from seaformer.report.table import DeviceSection, Report, current, standing_alone
from seaformer.report.templates import Grid, markdown

FILES = ("report.md",)
MOST_FAILURES = 50


@dataclass(frozen=True)
class Doubt:
    """A flag of the row with this number."""

    number: int
    flag: Flag


@dataclass(frozen=True)
class Parts:
    """The components of one measurement; ``whole`` is the row of its network."""

    whole: ResultRow
    shares: Grid
    notes: str


@dataclass(frozen=True)
class Rows:
    """The rows of one source on one device, numbered, with how each of them was taken."""

    figures: Grid
    conditions: Grid
    doubts: tuple[Doubt, ...]
    parts: tuple[Parts, ...]


@dataclass(frozen=True)
class Section:
    """One device; what is ``None`` has no row there."""

    device: DeviceInfo
    hardware: str
    clusters: str
    properties: tuple[tuple[str, str], ...]
    measured: Rows | None
    emulated: Rows | None
    emulated_note: str
    estimated: Grid | None


@dataclass(frozen=True)
class Document:
    """What ``report.md.j2`` prints; ``overview`` is empty where no row is stored."""

    overview: str
    picture: str
    sections: tuple[Section, ...]
    failures: tuple[ResultRow, ...]
    more_failures: int
    damaged: tuple[DamagedFile, ...]
    accuracy: Grid | None = None
    estimated_title: str = _estimated.TITLE
    estimated_note: str = _estimated.NOTE


def render(report: Report) -> dict[str, str]:
    """``report.md``."""
    return {"report.md": document(report)}


def document(report: Report) -> str:
    """The whole document, ending with a newline."""
    failed = {row.measurement_id: row for row in report.table.rows if row.failure is not None}
    page = Document(
        overview=overview(report) if report.table.rows else "",
        picture=svg.alternative(report, most=8),
        sections=tuple(map(_section, report.devices)) if report.table.rows else (),
        failures=tuple(failed.values())[:MOST_FAILURES],
        more_failures=max(len(failed) - MOST_FAILURES, 0),
        damaged=report.damaged,
        accuracy=accuracy_grid(report),
    )
    return markdown("seaformer.report", "report.md.j2", page)


def accuracy_grid(report: Report) -> Grid | None:
    """The evaluations, ``None`` where there are none."""
    rows = list(accuracy.cells(accuracy.accuracy_rows(report)))
    return Grid(accuracy.HEADER, rows) if rows else None


def overview(report: Report) -> str:
    """How many measurements of which kind, and when the newest was taken."""
    first = {row.measurement_id: row for row in reversed(report.table.rows)}.values()
    devices = words.counted(len(report.devices), "device")
    counts = [f"{words.counted(len(first), 'measurement')} on {devices}"]
    kinds = (
        (sum(row.source == EMULATED for row in first), "emulated"),
        (sum(row.source not in (EMULATED, MEASURED) for row in first), "estimated"),
        (sum(not row.valid and row.failure is None for row in first), "not valid"),
        (sum(row.failure is not None for row in first), "failed"),
    )
    counts += [f"{count:,} {name}" for count, name in kinds if count]
    if report.damaged:
        counts.append(f"{words.counted(len(report.damaged), 'file')} skipped")
    latest = max(row.created_at for row in first)
    return f"{', '.join(counts)}. Newest: {latest}."


def _section(section: DeviceSection) -> Section:
    device = section.device
    measured, emulated = section.table.of(MEASURED), section.table.of(EMULATED)
    estimated = _estimated.rows_of(section.table)
    memory = f", {device.memory_bytes / 1e9:.1f} GB memory" if device.memory_bytes else ""
    lines = [_estimated.cells(row) for row in current(standing_alone(estimated)).rows]
    return Section(
        device=device,
        hardware=words.counted(device.cores, "core") + memory,
        clusters="; ".join(words.cluster(one) for one in device.clusters),
        properties=tuple(sorted((device.properties or {}).items())),
        measured=_rows(measured, timed=True) if measured.rows else None,
        emulated=_rows(emulated, timed=False) if emulated.rows else None,
        emulated_note=_emulated.note(emulated.rows),
        estimated=Grid(_estimated.HEADER, lines) if estimated.rows else None,
    )


def _rows(table: ResultTable, *, timed: bool) -> Rows:
    """``timed`` rows have latencies and conditions, the others what an emulator counted."""
    numbered = list(enumerate(current(standing_alone(table)).rows, 1))
    if timed:
        figures = Grid(_LATENCY, [_latency(number, row) for number, row in numbered])
    else:
        header = ("no.", *_emulated.HEADER)
        figures = Grid(header, [[str(number), *_emulated.cells(row)] for number, row in numbered])
    return Rows(
        figures=figures,
        conditions=Grid(_TAKEN, [_taken(number, row) for number, row in numbered if timed]),
        doubts=tuple(Doubt(number, flag) for number, row in numbered for flag in row.flags),
        parts=tuple(map(_parts, with_components(table))),
    )


_LATENCY = (
    "no.",
    "model",
    "HxW",
    "runtime",
    "precision",
    "scope",
    "core",
    "threads",
    "median ms",
    "95 % interval ms",
    "p90 ms",
    "p99 ms",
    "min ms",
    "peak MB",
    "load ms",
    "size MB",
    "valid",
    "",
    f"{words.PAPER_SIDE} ms",
)


def _latency(number: int, row: ResultRow) -> list[str]:
    """One cell for each of ``_LATENCY``."""
    return [
        str(number),
        words.model(row),
        row.size,
        words.runtime(row),
        row.precision,
        row.scope,
        words.core(row),
        str(row.threads),
        words.ms(row.median_ms),
        words.interval(row),
        words.ms(row.p90_ms),
        words.ms(row.p99_ms),
        words.ms(row.min_ms),
        words.mb(row.peak_mb),
        words.ms(row.load_ms),
        words.mb(row.size_mb),
        words.validity(row),
        "",
        words.published(row.paper_ms),
    ]


_TAKEN = (
    "no.",
    "taken at",
    "runner",
    "build",
    "governor",
    "frequency",
    "load",
    "temperature C",
    "samples",
    "processes",
    "spread",
    "CV",
    "outliers",
    "max ms",
    "first ms",
    "artifact sha256",
    "measurement",
)


def _taken(number: int, row: ResultRow) -> list[str]:
    """One cell for each of ``_TAKEN``."""
    return [
        str(number),
        row.created_at,
        row.runner,
        row.runner_build,
        row.governor or words.UNKNOWN,
        words.frequency(row),
        words.NOTHING if row.load_average is None else f"{row.load_average:.2f}",
        words.NOTHING if row.temperature_c is None else f"{row.temperature_c:.1f}",
        str(row.n),
        str(row.processes),
        words.percent(row.spread),
        words.percent(row.cv),
        words.NOTHING if row.outliers is None else str(row.outliers),
        words.ms(row.max_ms),
        words.ms(row.first_ms),
        row.artifact_sha256[:16],
        row.measurement_id,
    ]


def _parts(rows: Sequence[ResultRow]) -> Parts:
    whole, parts = rows[0], components(rows)
    counted = whole.source != MEASURED
    figures = ("million instructions",) if counted else ("median ms", "95 % interval ms")
    header = ("component", *figures, "share of forward", "", words.FIGURE_10)
    lines = [_part(part, counted) for part in parts]
    notes = words.component_notes(whole, (part.paper_percent for part in parts))
    return Parts(whole, Grid(header, lines), notes)


def _part(part: Component, counted: bool) -> list[str]:
    times = [words.ms(part.median_ms), words.interval(part)]
    figures = [words.instructions(part.instructions)] if counted else times
    share = words.percent(part.share)
    return [part.name, *figures, share, "", words.paper_percent(part.paper_percent)]
