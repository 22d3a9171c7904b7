"""What a person reads of a reproduction: the table, its notes, and the plan before it.

The same columns are printed on a terminal and written as Markdown, whoever made the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from seaformer.report import words
from seaformer.report.terminal import Block, Column, Line, Table
from seaformer.reproduce.plan import PaperTable, PlannedRow, Work
from seaformer.reproduce.run import Answer
from seaformer.reproduce.table import MISSING, ReproducedRow, reference_of, reproduce_rows

_NOTHING = words.NOTHING
Row = TypeVar("Row")
Columns = tuple[Column[ReproducedRow], ...]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """A table of the paper with its title, our columns and the notes below it."""

    title: str
    columns: Sequence[Column[Row]]
    rows: Sequence[Row]
    notes: Sequence[str]

    def blocks(self) -> list[Block]:
        """For a terminal."""
        return [
            Line(self.title, "italic"),
            Table(tuple(self.columns), self.rows),
            *(Line(note, hang=2) for note in self.notes),
        ]

    def markdown(self) -> str:
        """The whole of it as Markdown."""
        lines = [[column.title for column in self.columns], ["---" for _ in self.columns]]
        lines += [[words.clean(column.text(row)) for column in self.columns] for row in self.rows]
        grid = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)
        listed = "\n".join(f"- {note}" for note in self.notes)
        return f"## {self.title}\n\n{grid}\n\n{listed}\n"


def columns(table: PaperTable, rows: Sequence[ReproducedRow]) -> Columns:
    """The paper's columns and ours, which are named after the device; none that is empty."""
    names = tuple(
        Column[ReproducedRow](name, _of_planned(text), key=True) for name, text in _identity(table)
    )
    end: Columns = (
        Column("scope", lambda row: row.scope or _NOTHING, key=True, shared=True),
        Column("note", lambda row: row.reason, below="{}"),
    )
    if table.components:
        return (*names, *_shares(rows), *_ours(rows), *end)
    return (*names, *_papers(table, rows), *_ours(rows), *_RATIOS, *end)


def measured_page(
    table: PaperTable, planned: Sequence[PlannedRow], answers: Mapping[Work, Answer]
) -> Page[ReproducedRow]:
    """The table with what was measured or counted of it."""
    rows = reproduce_rows(planned, answers)
    return Page(table.title, columns(table, rows), rows, notes(table, rows))


def plan_page(
    table: PaperTable, rows: Sequence[PlannedRow], states: Mapping[Work, str]
) -> Page[PlannedRow]:
    """Each line of the paper, our model of it, and what is left to do."""

    def state(row: PlannedRow) -> str:
        return states[row.work] if row.work else f"missing: {row.absent or MISSING}"

    names = tuple(Column[PlannedRow](name, text, key=True) for name, text in _identity(table))
    others: tuple[Column[PlannedRow], ...] = (
        Column("precision", lambda row: row.precision, key=True, shared=True),
        Column("paper", lambda row: f"{_number(row.published)} {row.unit}", rank=1, right=True),
        Column("model", lambda row: row.model or _NOTHING),
        Column("to do", state, below="{}"),
    )
    ready = sum(row.work is not None for row in rows)
    files = words.counted(len(states), "file is", "files are")
    note = f"{ready} of {len(rows)} lines have a model; {files} to be measured."
    return Page(table.title, (*names, *others), rows, [note])


def _identity(table: PaperTable) -> list[tuple[str, Callable[[PlannedRow], str]]]:
    """The columns that name a line of the paper."""

    def text(place: int) -> Callable[[PlannedRow], str]:
        return lambda row: row.label[place]

    return [(name.replace("_", " "), text(place)) for place, name in enumerate(table.identity)]


def _of_planned(text: Callable[[PlannedRow], str]) -> Callable[[ReproducedRow], str]:
    return lambda row: text(row.planned)


def _published(row: ReproducedRow) -> str:
    return _number(row.planned.published)


def _shares(rows: Sequence[ReproducedRow]) -> Columns:
    return (
        Column("paper", _published, "%", right=True, style="cyan"),
        Column(_device(rows), lambda row: _number(row.share, 1), "%", right=True),
    )


def _papers(table: PaperTable, rows: Sequence[ReproducedRow]) -> Columns:
    """What the paper has of a line; a column that would be empty is left out."""
    columns: Columns = (
        Column("paper", lambda row: _number(row.planned.params_m), "M", rank=6),
        Column("paper", lambda row: _number(row.planned.flops_g), "G", rank=7),
        Column(
            "paper", lambda row: _number(row.planned.metric), about=(table.metric_name,), rank=5
        ),
    )
    filled = (c for c in columns if any(c.text(row) != _NOTHING for row in rows))
    return (
        Column("precision", lambda row: row.planned.precision, key=True, shared=True),
        *(replace(column, right=True, style="cyan") for column in filled),
        Column("paper", _published, "ms", right=True, style="cyan"),
    )


def _ours(rows: Sequence[ReproducedRow]) -> Columns:
    device = _device(rows)
    counted = any(row.instructions is not None for row in rows)
    timed = any(row.median_ms is not None for row in rows) or not counted
    times: Columns = (
        Column(device, lambda row: words.ms(row.median_ms), "ms", right=True),
        Column("95 % interval", words.interval, "ms", rank=4, right=True),
    )
    count: Column[ReproducedRow] = Column(
        device,
        lambda row: words.instructions(row.instructions),
        "M",
        ("instructions",),
        right=True,
    )
    return (*(times if timed else ()), *((count,) if counted else ()))


def _device(rows: Sequence[ReproducedRow]) -> str:
    return next((row.device for row in rows if row.device), "ours")


def _ratio(row: ReproducedRow) -> str:
    if row.ratio is None or row.ratio_low is None or row.ratio_high is None:
        return _NOTHING
    return f"{row.ratio:.3f} ({row.ratio_low:.3f}–{row.ratio_high:.3f})"


_RATIOS: Columns = (
    Column("ratio", _ratio, about=("to paper",), rank=3, right=True),
    Column(
        "paper,",
        lambda row: _number(row.relative_paper, 2),
        about=("relative",),
        rank=1,
        right=True,
    ),
    Column(
        "ours,", lambda row: _number(row.relative_ours, 2), about=("relative",), rank=2, right=True
    ),
)


def notes(table: PaperTable, rows: Sequence[ReproducedRow]) -> list[str]:
    """What the table is and is not, below it."""
    done = [row for row in rows if row.measurement_id]
    absent = sum(not row.planned.model for row in rows)
    lines = [f"{len(done)} of {words.counted(len(rows), 'line')} measured."]
    if absent:
        without = words.counted(absent, "line has", "lines have")
        lines[0] += f" {without} no model, for the reason in the note."
    targets = {row.target for row in done}
    if "emulator" in targets:
        lines.append(
            "An emulated core gives instructions, which are counted, and no time: nothing of it "
            "is to be divided by the paper's milliseconds."
        )
    if "host" in targets:
        lines.append(
            "This computer is not the paper's Snapdragon 865: the ratio compares machines. What "
            "can be compared are the relative columns."
        )
    reference = reference_of(rows)
    if reference:
        lines.append(f"Relative figures are over {reference}.")
    lines.append("How the paper measured, and what differs here: docs/reproduce.md.")
    return lines


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"
