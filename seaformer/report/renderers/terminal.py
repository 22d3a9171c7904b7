"""What a command prints of measurements: latencies, and the paper's figures on their own side.

Emulated rows have a table of their own: what was counted, and no milliseconds. How a table is
fitted to a terminal is not decided here (``report/terminal``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter

from seaformer.core.measurement import EMULATED, MEASURED, Flag, Measurement
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.accuracy import HEADER, accuracy_rows, cells
from seaformer.report.components import Component, components
from seaformer.report.ratios import sentences
from seaformer.report.renderers import STDOUT, _emulated, _estimated
from seaformer.report.renderers._columns import (
    MODEL,
    PRECISION,
    RUNTIME,
    SCOPE,
    SIZE,
    SIZE_MB,
    VALID,
)
from seaformer.report.table import Report, latest_run, standing_alone, table_of
from seaformer.report.terminal import Block, Column, Line, Table, plain

FILES: tuple[str, ...] = ()
EMPTY = "No measurements yet. Make the first: seaformer bench --variant t --threads 1"
_TITLE, _GAP = "italic", Line("")
LATENCY: tuple[Column[ResultRow], ...] = (
    MODEL,
    SIZE,
    RUNTIME,
    PRECISION,
    SCOPE,
    Column("median", lambda row: words.ms(row.median_ms), "ms", right=True, style="bold"),
    Column("95 % interval", words.interval, "ms", rank=1, right=True),
    Column("p90", lambda row: words.ms(row.p90_ms), "ms", rank=3, right=True),
    Column("p99", lambda row: words.ms(row.p99_ms), "ms", rank=5, right=True),
    Column("min", lambda row: words.ms(row.min_ms), "ms", rank=4, right=True),
    Column("peak", lambda row: words.mb(row.peak_mb), "MB", rank=6, right=True),
    Column("load", lambda row: words.ms(row.load_ms), "ms", rank=8, right=True),
    SIZE_MB,
    VALID,
    Column(
        "paper",
        lambda row: words.published(row.paper_ms),
        "ms",
        ("SD865, TNN", "1 core"),
        rank=2,
        right=True,
        apart=True,
        style="cyan",
    ),
)


def render(report: Report) -> dict[str, str]:
    """The report's table as plain text, for stdout."""
    return {STDOUT: text(report.table)}


def text(table: ResultTable) -> str:
    """The table as plain text, each row in one line."""
    return plain(page(table))


def run_page(measurements: Sequence[Measurement], report: Report | None = None) -> list[Block]:
    """What a bench has just measured: a table per device, then how its rows compare.

    A ``report`` that has their rows saves making them again, with their intervals.
    """
    blocks: list[Block] = []
    for device in dict.fromkeys(one.device.id for one in measurements):
        alike = [one for one in measurements if one.device.id == device]
        if report is None:
            blocks += page(table_of(alike))
        else:
            rows = (row for one in alike for row in report.of_run[one.id])
            blocks += page(ResultTable(tuple(rows)))
    return [*blocks, *(Line(each, hang=2) for each in sentences(measurements))]


def report_page(report: Report, most: int | None = None) -> list[Block]:
    """Every row; where there are more than ``most``, those of the newest command alone."""
    count = len(report.table.rows)
    if not count and report.accuracies:
        return [*_accuracies(report), Line(EMPTY)]
    if most is None or count <= most:
        return [*page(report.table), *_accuracies(report)]
    newest = latest_run(report)
    older = count - sum(len(report.of_run[one.id]) for one in newest)
    return [
        Line(f"The newest of {count} rows: {newest[0].command}", hang=2),
        *run_page(newest, report),
        Line(f"{words.counted(older, 'older row')}: --all prints every row.", "dim"),
        *_accuracies(report),
    ]


def _accuracies(report: Report) -> list[Block]:
    rows = list(cells(accuracy_rows(report)))
    if not rows:
        return []
    key, right = ("model", "HxW", "file", "data"), ("images", "accuracy %", "median ms")
    columns = tuple(
        Column(name, itemgetter(place), key=name in key, right=name in right)
        for place, name in enumerate(HEADER)
    )
    return [Line("Accuracy", _TITLE), Table(columns, rows), _GAP]


def page(table: ResultTable) -> list[Block]:
    """Everything there is to show of ``table``, in its order."""
    rows = standing_alone(table).rows
    measured = [row for row in rows if row.source == MEASURED]
    emulated = [row for row in rows if row.source == EMULATED]
    others = [row for row in rows if row.source not in (MEASURED, EMULATED)]
    blocks: list[Block] = [] if rows else [Line(EMPTY)]
    if measured:
        blocks += [Line("Latency", _TITLE), Table(LATENCY, measured), *_conditions(measured), _GAP]
    if emulated:
        title = Line(f"Emulated: {_emulated.note(emulated)}", _TITLE)
        counts = Table(_emulated.COLUMNS, emulated)
        blocks += [title, counts, *_conditions(emulated), _GAP]
    if others:
        title = Line(f"{_estimated.TITLE}: {_estimated.NOTE}", _TITLE)
        blocks += [title, Table(_estimated.COLUMNS, others), _GAP]
    if len(rows) < len(table.rows):
        blocks += _components(table)
    if any(row.flags or row.failure for row in table.rows):
        blocks += _remarks(table)
    return blocks


def _conditions(rows: Iterable[ResultRow]) -> list[Line]:
    """Device, core, threads, frequency and runner of the rows, each combination once."""
    lines = []
    for row in rows:
        parts = [f"{row.device_name} ({row.target})"]
        if row.source == MEASURED:
            parts += [f"core {words.core(row)}", f"frequency {words.frequency(row)}"]
        parts += [f"{row.threads} thread{'s' * (row.threads != 1)}", f"runner {row.runner}"]
        parts += [f"{row.processes} process{'es' * (row.processes != 1)}"]
        lines += [", ".join(parts)] if row.processes else []
    return [Line(line, "dim", hang=2) for line in dict.fromkeys(lines)]


def _components(table: ResultTable) -> list[Block]:
    """A table for each measurement of a network's parts."""
    groups: dict[str, list[ResultRow]] = {}
    for row in table.rows:
        groups.setdefault(row.measurement_id, []).append(row)
    blocks: list[Block] = []
    for rows in groups.values():
        if parts := components(rows):
            blocks += _parts(rows[0], parts)
    return [*blocks, Line(words.REMAINDER, "dim"), _GAP] if blocks else []


def _parts(whole: ResultRow, parts: Sequence[Component]) -> list[Block]:
    counted = whole.source != MEASURED
    title = f"{'Emulated components' if counted else 'Components'} of {words.model(whole)}"
    columns: tuple[Column[Component], ...] = (
        Column("component", lambda part: part.name, key=True),
        Column("instructions", lambda part: words.instructions(part.instructions), "millions")
        if counted
        else Column("median", lambda part: words.ms(part.median_ms), "ms", right=True),
        Column("share of", lambda part: words.percent(part.share), "forward", right=True),
        Column(
            "figure 10",
            lambda part: words.paper_percent(part.paper_percent),
            "(SeaFormer-T, SD865)",
            right=True,
            apart=True,
            style="cyan",
        ),
    )
    doubts = words.component_doubts(whole, (part.paper_percent for part in parts))
    return [
        Line(f"{title}, {words.runtime(whole)}, {whole.precision}", _TITLE),
        Table(columns, parts),
        *(Line(doubt, "dim") for doubt in doubts),
        _GAP,
    ]


def _remarks(table: ResultTable) -> list[Line]:
    """What failed and why, and what makes a number less than trustworthy, each once.

    One line for all that is true of every row, then the lines of each.
    """
    failures: dict[str, dict[str, None]] = {}
    flags: dict[str, dict[Flag, None]] = {}
    for row in table.rows:
        name = f"{row.model}, {words.runtime(row)}, {row.precision}"
        failures.setdefault(name, {}).update({row.failure: None} if row.failure else {})
        flags.setdefault(name, {}).update(dict.fromkeys(row.flags))
    own = list(flags.values())
    shared = [flag for flag in own[0] if all(flag in each for each in own)] if own[1:] else []
    lines = _flags("every row", shared)
    for name, each in flags.items():
        lines += [Line(f"{name} failed: {reason}", "red", hang=2) for reason in failures[name]]
        lines += _flags(name, [flag for flag in each if flag not in shared])
    return lines


def _flags(name: str, flags: Iterable[Flag]) -> list[Line]:
    """One line for those that make it invalid, one for the others."""
    lines = []
    for kind, fatal, style in (("invalid", True, "red"), ("note", False, "yellow")):
        reasons = [f"{flag.name}: {flag.detail}" for flag in flags if flag.fatal is fatal]
        lines += [Line(f"{name}: {kind}: {'; '.join(reasons)}", style, hang=2)] if reasons else []
    return lines
