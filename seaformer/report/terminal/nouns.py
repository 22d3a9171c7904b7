"""What a page is made of: tables whose columns have ranks, sentences, and named facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Cell(NamedTuple):
    """The text of a cell, what it becomes where the row would be too long, and its style."""

    text: str
    short: str = ""
    style: str = ""


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column: its heading, and the cell of a row.

    Args:
        name: the first line of the heading; ``about`` and ``unit`` are further ones.
        cell: what a row has in this column.
        rank: where a row is too long the highest ranks leave it; without one (0) none leaves.
        right: figures, whose last digits are below each other.
        key: it names the row: it is in the first line of a row that takes two.
        shared: one value in all rows may become a sentence above the table.
        below: for prose, the pattern of the lines it may become under its row: ``"note: {}"``.
        apart: figures from elsewhere, behind a double bar.
    """

    name: str
    cell: Callable[[T], str | Cell]
    unit: str = ""
    about: tuple[str, ...] = ()
    rank: int = 0
    right: bool = False
    key: bool = False
    shared: bool = False
    below: str = ""
    apart: bool = False
    style: str = ""

    @property
    def heading(self) -> tuple[str, ...]:
        """The lines of the heading."""
        return (self.name, *self.about, *([self.unit] if self.unit else []))

    @property
    def label(self) -> str:
        """The heading without its unit."""
        return " ".join((self.name, *self.about))

    @property
    def title(self) -> str:
        """The heading in one line: ``median ms``."""
        return " ".join(self.heading)

    def text(self, row: T) -> str:
        """The whole text of a row's cell."""
        cell = self.cell(row)
        return cell.text if isinstance(cell, Cell) else cell


@dataclass(frozen=True)
class Table(Generic[T]):
    """Rows of any noun under columns that read it; ``group`` titles the rows that share it."""

    columns: tuple[Column[T], ...]
    rows: Sequence[T]
    group: Callable[[T], str] | None = None


@dataclass(frozen=True)
class Line:
    """A sentence, wrapped between words; ``indent`` of its first line, ``hang`` of the others."""

    text: str
    style: str = ""
    indent: int = 0
    hang: int = 0


@dataclass(frozen=True)
class Facts:
    """Names and what is known of each: two columns, the second wrapped within itself."""

    pairs: tuple[tuple[str, str], ...]
    indent: int = 0


Block = Table[Any] | Line | Facts


class Span(NamedTuple):
    """Text of one style."""

    text: str
    style: str = ""


Painted = tuple[Span, ...]
