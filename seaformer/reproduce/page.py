"""What a person reads of a reproduction, before it and after: a table, and sentences below it.

The same columns are printed on a terminal and written as Markdown, whoever made the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from seaformer.core import codec
from seaformer.report import words
from seaformer.report.terminal import Block, Column, Line, Table
from seaformer.reproduce.plan import PaperTable, Plan, PlannedRow, Work

MISSING = "no model of that name in the zoo"


class Labelled(Protocol):
    """A row with the cells that name its line of the paper."""

    @property
    def label(self) -> tuple[str, ...]: ...


Row = TypeVar("Row", bound=Labelled)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """A table of the paper with a line's figures, and the notes below it."""

    table: PaperTable
    rows: Sequence[Row]
    figures: Sequence[Column[Row]]
    notes: Sequence[str]

    @property
    def columns(self) -> tuple[Column[Row], ...]:
        """The columns that name a line, and its figures."""

        def cell(place: int) -> Callable[[Row], str]:
            return lambda row: row.label[place]

        names = [name.replace("_", " ") for name in self.table.identity]
        return (
            *(Column(name, cell(place), key=True) for place, name in enumerate(names)),
            *self.figures,
        )

    def blocks(self) -> list[Block]:
        """For a terminal."""
        return [
            Line(self.table.title, "italic"),
            Table(self.columns, self.rows),
            *(Line(note, hang=2) for note in self.notes),
        ]

    def markdown(self) -> str:
        """The whole of it as Markdown."""
        columns = self.columns
        lines = [[column.title for column in columns], ["---" for _ in columns]]
        lines += [[words.clean(column.text(row)) for column in columns] for row in self.rows]
        grid = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)
        listed = "\n".join(f"- {note}" for note in self.notes)
        return f"## {self.table.title}\n\n{grid}\n\n{listed}\n"

    def documents(self) -> list[Any]:
        """Its rows for JSON."""
        return [codec.to_json(row) for row in self.rows]


@dataclass(frozen=True)
class Reproduced:
    """The page as far as it is answered, and whether Ctrl-C ended it.

    ``exit_code`` is that of the first work that has no figure; 0 when all have one.
    """

    page: Page[Any]
    exit_code: int = 0
    interrupted: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a reproduction is. ``left_s`` is a guess in seconds, better with every row."""

    what: str
    done: int
    total: int
    left_s: float


class Way(Protocol):
    """How a planned table gets its figures; ``estimates`` where nothing is measured."""

    @property
    def estimates(self) -> bool: ...

    def states(self, works: Sequence[Work]) -> dict[Work, str]:
        """What is left to do for each file."""

    def reproduce(self, planned: Plan, progress: Callable[[Progress], None]) -> Reproduced:
        """Get every figure; Ctrl-C keeps those there are."""


def plan_page(planned: Plan, way: Way) -> Page[PlannedRow]:
    """Each line of the paper, our model of it, and what is left to do."""
    states = way.states(planned.works)

    def state(row: PlannedRow) -> str:
        return states[row.work] if row.work else f"missing: {row.absent or MISSING}"

    figures: tuple[Column[PlannedRow], ...] = (
        Column("precision", lambda row: row.precision, key=True, shared=True),
        Column(
            "paper", lambda row: f"{words.published(row.published)} {row.unit}", rank=1, right=True
        ),
        Column("model", lambda row: row.model or words.NOTHING),
        Column("to do", state, below="{}"),
    )
    verb = "estimated" if way.estimates else "measured"
    ready = sum(row.work is not None for row in planned.rows)
    files = words.counted(len(states), "file is", "files are")
    note = f"{ready} of {len(planned.rows)} lines have a model; {files} to be {verb}."
    return Page(planned.table, planned.rows, figures, [note])
