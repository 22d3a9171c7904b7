"""The table a command prints: latencies on the left, the paper's figures on their own side.

Emulated rows stand in a table of their own: what was counted, and no milliseconds.
Nothing is printed here; ``console`` gives one wide enough that no figure is cut.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement as Width
from rich.table import Table
from rich.text import Text

from seaformer.core.measurement import EMULATED, MEASURED, Flag
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.components import components
from seaformer.report.renderers import STDOUT, _emulated, _estimated
from seaformer.report.table import Report, standing_alone

FILES: tuple[str, ...] = ()
EMPTY = "No measurements yet. Make the first: seaformer bench --variant t --threads 1"
_PAPER_HEADER = "paper\nSD865, TNN\n1 core, ms"
_TITLE, _GAP = "italic", Text("")
_STYLES = {"yes": "green", "no": "red", "failed": "bold red"}


def render(report: Report) -> dict[str, str]:
    """The report's table as plain text, for stdout."""
    return {STDOUT: text(report.table)}


def tables(table: ResultTable) -> RenderableType:
    """Everything there is to show of ``table``, in its order."""
    if not table.rows:
        return Text(EMPTY)
    parts: list[RenderableType] = []
    measured, emulated = table.of(MEASURED), table.of(EMULATED)
    estimated = _estimated.rows_of(table)
    if measured.rows:
        parts += [Text("Latency", _TITLE), _latency(measured), *_conditions(measured), _GAP]
    if emulated.rows:
        title = Text(f"Emulated: {_emulated.note(emulated.rows)}", _TITLE)
        parts += [title, _counts(emulated), *_conditions(emulated), _GAP]
    if estimated.rows:
        parts += [Text(f"{_estimated.TITLE}: {_estimated.NOTE}", _TITLE), _guesses(estimated), _GAP]
    tables = [part for rows in _by_measurement(table) for part in _components(rows)]
    parts += [*tables, Text(words.REMAINDER, "dim"), _GAP] if tables else []
    return Group(*parts, *_remarks(table))


def console(table: ResultTable, file: IO[str] | None = None) -> Console:
    """A console as wide as the terminal, or wider where the table would lose figures."""
    found = Console(file=file)
    needed = _needed_width(table)
    return found if found.width >= needed else Console(file=file, width=needed)


def text(table: ResultTable) -> str:
    """The table as plain text without colours, the same on every machine."""
    stream = io.StringIO()
    plain = Console(file=stream, width=_needed_width(table), color_system=None, _environ={})
    plain.print(tables(table))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _needed_width(table: ResultTable) -> int:
    wide = Console(file=io.StringIO(), width=10_000, _environ={})
    shown = tables(table)
    parts = shown.renderables if isinstance(shown, Group) else [shown]
    grids = [part for part in parts if isinstance(part, Table)]
    return max([80, *(Width.get(wide, wide.options, part).maximum for part in grids)])


def _grid() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def _counts(table: ResultTable) -> Table:
    shown = _grid()
    for name in _emulated.HEADER:
        left = name in _emulated.WORDS
        broken = name.replace(" ", "\n", 1)
        shown.add_column(broken, justify="left" if left else "right", no_wrap=not left)
    for row in standing_alone(table).rows:
        *cells, validity = _emulated.cells(row)
        style = _STYLES[validity.split(":")[0].split(" ")[0]]
        shown.add_row(*map(Text, cells), Text(validity, style=style))
    return shown


def _guesses(table: ResultTable) -> Table:
    shown = _grid()
    for name in _estimated.HEADER:
        shown.add_column(name, justify="left" if name in _estimated.WORDS else "right")
    for row in standing_alone(table).rows:
        shown.add_row(*map(Text, _estimated.cells(row)))
    return shown


def _latency(table: ResultTable) -> Table:
    shown = _grid()
    for name in ("model", "runtime", "precision", "scope"):
        shown.add_column(name, overflow="fold")
    many_sizes = len({row.size for row in table.rows}) > 1
    if many_sizes:
        shown.add_column("HxW", no_wrap=True)
    shown.add_column("median\nms", justify="right", no_wrap=True, style="bold")
    for name in ("95 % interval\nms", "p90\nms", "p99\nms", "min\nms"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name in ("peak\nMB", "load\nms", "size\nMB"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("valid", overflow="fold")
    shown.add_column("║\n║\n║", no_wrap=True, style="dim")
    shown.add_column(_PAPER_HEADER, justify="right", no_wrap=True, style="cyan")
    for row in standing_alone(table).rows:
        shown.add_row(*_cells(row, many_sizes))
    return shown


def _cells(row: ResultRow, with_size: bool) -> list[str | Text]:
    validity = words.validity(row)
    style = _STYLES[validity.split(":")[0].split(" ")[0]]
    names = [words.model(row), words.runtime(row), row.precision, row.scope]
    names += [row.size] if with_size else []
    times = [words.ms(row.median_ms), words.interval(row)]
    times += [words.ms(value) for value in (row.p90_ms, row.p99_ms, row.min_ms)]
    costs = [words.mb(row.peak_mb), words.ms(row.load_ms), words.mb(row.size_mb)]
    plain = [Text(words.clean(cell)) for cell in (*names, *times, *costs)]
    return [*plain, Text(validity, style=style), "║", words.published(row.paper_ms)]


def _conditions(table: ResultTable) -> list[Text]:
    """Device, core, threads, frequency and runner of the rows, each combination once."""
    lines = dict.fromkeys(_condition(row) for row in table.rows if row.processes)
    return [Text(line, style="dim") for line in lines]


def _condition(row: ResultRow) -> str:
    device = f"{words.clean(row.device_name)} ({words.clean(row.target)})"
    threads = "1 thread" if row.threads == 1 else f"{row.threads} threads"
    parts = [device]
    if row.source == MEASURED:
        parts += [f"core {words.core(row)}", f"frequency {words.frequency(row)}"]
    parts += [threads, f"runner {words.clean(row.runner)}", f"{row.processes} processes"]
    return "  ".join(parts)


def _by_measurement(table: ResultTable) -> list[list[ResultRow]]:
    groups: dict[str, list[ResultRow]] = {}
    for row in table.rows:
        groups.setdefault(row.measurement_id, []).append(row)
    return list(groups.values())


def _components(rows: list[ResultRow]) -> Iterable[RenderableType]:
    parts = components(rows)
    if not parts:
        return []
    first = rows[0]
    counted = first.source != MEASURED
    name = "Emulated components" if counted else "Components"
    title = f"{name} of {words.clean(first.model)}, {words.runtime(first)}, {first.precision}"
    shown = _grid()
    shown.add_column("component")
    for header in ("instructions\nmillions" if counted else "median\nms", "share of\nforward"):
        shown.add_column(header, justify="right", no_wrap=True)
    shown.add_column("║\n║", no_wrap=True, style="dim")
    shown.add_column(words.FIGURE_10.replace(" (", "\n("), justify="right", style="cyan")
    for part in parts:
        figure = words.instructions(part.instructions) if counted else words.ms(part.median_ms)
        cells = [words.clean(part.name), figure, words.percent(part.share), "║"]
        shown.add_row(*map(Text, [*cells, words.paper_percent(part.paper_percent)]))
    doubts = words.component_doubts(first, (part.paper_percent for part in parts))
    return [Text(title, _TITLE), shown, *(Text(doubt, "dim") for doubt in doubts), _GAP]


def _remarks(table: ResultTable) -> Iterable[Text]:
    """What failed and why, and what makes a number less than trustworthy, each once.

    One line for all that is said of every row, then the lines of each.
    """
    failures: dict[str, dict[str, None]] = {}
    flags: dict[str, dict[Flag, None]] = {}
    for row in table.rows:
        name = f"{words.clean(row.model)}, {words.runtime(row)}, {words.clean(row.precision)}"
        failures.setdefault(name, {}).update({row.failure: None} if row.failure else {})
        flags.setdefault(name, {}).update(dict.fromkeys(row.flags))
    told = list(flags.values())
    shared = [flag for flag in told[0] if all(flag in one for one in told)] if told[1:] else []
    lines = _flag_lines("every row", shared)
    for name, own in flags.items():
        lines += [Text(f"{name} failed: {words.clean(said)}", "red") for said in failures[name]]
        lines += _flag_lines(name, [flag for flag in own if flag not in shared])
    return lines


def _flag_lines(what: str, flags: Iterable[Flag]) -> list[Text]:
    """One line for those that make it invalid, one for the others."""
    lines = []
    for kind, fatal, style in (("invalid", True, "red"), ("note", False, "yellow")):
        found = [
            f"{words.clean(flag.name)}: {words.clean(flag.detail)}"
            for flag in flags
            if flag.fatal is fatal
        ]
        if found:
            lines.append(Text(f"{what}: {kind}: {'; '.join(found)}", style))
    return lines
