"""A table in the first arrangement that fits: what leaves it, and in which order.

A table that fits is printed as it is. One that does not is, until it fits,

1. shortened: cells that have a short form take it, and prose goes under its row;
2. relieved of columns that have one value, which is once above the table;
3. relieved of ranked columns: the lowest ranks that fit stay;
4. stacked: the names in the first line of a row, the figures in the second;
5. a record for each row: its name, then ``heading value`` one after the other.

No cell is cut. A record fits every width, but for a single word that is longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from seaformer.report import words
from seaformer.report.terminal.nouns import Cell, Column, Line, Painted, Span, Table
from seaformer.report.terminal.text import length, pad, sentence

_GAP = Span("  ")
_BAR = Span("║ ", "dim")
_DIM, _HEAD = "dim", "bold"


@dataclass(frozen=True)
class Sheet:
    """One arrangement. Numbers are places of columns.

    ``rows`` are the columns in each line of a row: one line, two when stacked, none for a record.
    ``below`` is prose under a row, ``above`` what every row shares, ``out`` what is not shown.
    """

    columns: tuple[Column[Any], ...]
    cells: tuple[tuple[Cell, ...], ...]
    groups: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    widths: tuple[int, ...]
    short: bool = False
    below: tuple[int, ...] = ()
    above: tuple[int, ...] = ()
    out: tuple[int, ...] = ()

    @property
    def needs(self) -> int:
        """The length of the longest line of a row."""
        return max((self._length(row) for row in self.rows), default=0)

    @property
    def left_out(self) -> list[str]:
        """Names of the columns that are not shown."""
        return [self.columns[place].label for place in self.out]

    @property
    def shortened(self) -> list[str]:
        """Names of the columns in which a cell has its short form."""
        shown = [place for row in self.rows for place in row] if self.short else []
        return [
            self.columns[place].label
            for place in shown
            if any(cells[place].short for cells in self.cells)
        ]

    def lines(self, width: int | None) -> Iterator[Painted]:
        """What every row shares, the heading, and the rows."""
        if self.above:
            shared = [f"{self.columns[at].title} {self.cells[0][at].text}" for at in self.above]
            every = " in every row" * (len(self.cells) > 1)
            yield from sentence(Line(", ".join(shared) + every, _DIM), width)
        yield from self._heading(width)
        for (before, group), cells in zip(pairwise(("", *self.groups)), self.cells, strict=True):
            if group != before:
                yield from sentence(Line(group, _HEAD, hang=2), width)
            yield from self._row(cells, width)

    def _heading(self, width: int | None) -> Iterator[Painted]:
        for row in self.rows:
            headings = [self.columns[place].heading for place in row]
            for line in range(-max(map(len, headings)), 0):
                texts = (heading[line] if len(heading) >= -line else "" for heading in headings)
                painted = self._spans(row, [Cell(text, style=_HEAD) for text in texts])
                if line == -1 and any(self._beside(cells, width) for cells in self.cells):
                    names = _GAP.text.join(self.columns[place].name for place in self.below)
                    painted = self._behind(painted, Cell(names, style=_HEAD))
                yield painted
        if self.rows:
            yield (Span("─" * self.needs, _DIM),)

    def _beside(self, cells: Sequence[Cell], width: int | None) -> str:
        """The prose of a row that has room for it behind its only line, below its heading."""
        if width is None or len(self.rows) != 1:
            return ""
        prose = _GAP.text.join(cells[place].text for place in self.below)
        heading = _GAP.text.join(self.columns[place].name for place in self.below)
        room = width - self.needs - len(_GAP.text)
        return prose if max(length(prose), length(heading)) <= room else ""

    def _behind(self, painted: Painted, prose: Cell) -> Painted:
        taken = sum(length(span.text) for span in painted)
        return (*painted, Span(" " * (self.needs - taken) + _GAP.text), Span(*prose[::2]))

    def _length(self, row: Sequence[int]) -> int:
        bars = sum(len(_BAR.text) for place in row if self.columns[place].apart)
        gaps = len(_GAP.text) * (len(row) - (row == self.rows[0]))
        return sum(self.widths[place] for place in row) + gaps + bars

    def _row(self, cells: Sequence[Cell], width: int | None) -> Iterator[Painted]:
        beside = self._beside(cells, width)
        for row in self.rows:
            painted = self._spans(row, [self._shown(cells[place]) for place in row])
            yield self._behind(painted, Cell(beside)) if beside else painted
        if not self.rows:
            yield from self._record(cells, width)
        for place in () if beside else self.below:
            if text := cells[place].text:
                prose = self.columns[place].below.format(text)
                yield from sentence(Line(prose, cells[place].style or _DIM, 2, 4), width)

    def _shown(self, cell: Cell) -> Cell:
        return cell._replace(text=cell.short) if self.short and cell.short else cell

    def _spans(self, row: Sequence[int], cells: Sequence[Cell]) -> Painted:
        spans = [] if row == self.rows[0] else [_GAP]
        for number, (place, cell) in enumerate(zip(row, cells, strict=True)):
            column = self.columns[place]
            spans += [_GAP] * bool(number) + [_BAR] * column.apart
            text = pad(cell.text, self.widths[place], column.right)
            spans.append(Span(text, cell.style or column.style))
        while spans and not spans[-1].text.strip():
            spans.pop()
        return (*spans[:-1], Span(spans[-1].text.rstrip(), spans[-1].style)) if spans else ()

    def _record(self, cells: Sequence[Cell], width: int | None) -> Iterator[Painted]:
        """The first column, then every other one with its heading, none broken in two."""
        name, *others = (
            place
            for place in range(len(self.columns))
            if place not in self.above and place not in self.below
        )
        yield from sentence(Line(cells[name].text, cells[name].style or _HEAD), width)
        line: list[Span] = []
        for place in others:
            pair = self._pair(place, cells[place])
            taken = sum(length(span.text) for span in (*line, _GAP, *pair))
            if line and width is not None and taken > width:
                yield tuple(line)
                line = []
            line += [_GAP, *pair]
        yield from [tuple(line)] * bool(line)

    def _pair(self, place: int, cell: Cell) -> list[Span]:
        column = self.columns[place]
        unit = f" {column.unit}" if column.unit and cell.text != words.NOTHING else ""
        text = Span(self._shown(cell).text + unit, cell.style or column.style)
        return [Span(f"{column.label} ", _DIM), text]


def fit(table: Table[Any], width: int | None) -> Sheet:
    """The first arrangement that is no longer than ``width``; ``None`` is without an end."""
    cells = tuple(tuple(_cell(column, row) for column in table.columns) for row in table.rows)
    groups = tuple(words.clean(table.group(row)) if table.group else "" for row in table.rows)
    rows = (tuple(range(len(table.columns))),)
    texts = [[cell.text for cell in row] for row in cells]
    whole = Sheet(table.columns, cells, groups, rows, _widths(table.columns, texts))
    if width is None or whole.needs <= width:
        return whole
    texts = [[cell.short or cell.text for cell in row] for row in cells]
    short = replace(whole, widths=_widths(table.columns, texts), short=True)
    return next(sheet for sheet in _arrangements(short, width) if sheet.needs <= width)


def _cell(column: Column[Any], row: object) -> Cell:
    made = column.cell(row)
    cell = made if isinstance(made, Cell) else Cell(made)
    text, short = words.clean(cell.text), words.clean(cell.short)
    return cell._replace(text=text, short="" if short == text else short)


def _widths(columns: Sequence[Column[Any]], rows: Iterable[Sequence[str]]) -> tuple[int, ...]:
    """What each column needs for its heading and its cells."""
    widths = [max(map(length, column.heading)) for column in columns]
    for texts in rows:
        widths = [max(width, length(text)) for width, text in zip(widths, texts, strict=True)]
    return tuple(widths)


def _arrangements(sheet: Sheet, width: int) -> Iterator[Sheet]:
    """Ever shorter ones; the last is a record for each row, which needs no width."""
    columns, (shown,) = sheet.columns, sheet.rows
    shown = tuple(place for place in shown if not _is_empty(sheet, place))
    sheet = replace(sheet, rows=(shown,))
    yield sheet
    below = tuple(place for place in shown if columns[place].below)
    shown = tuple(place for place in shown if place not in below)
    sheet = replace(sheet, rows=(shown,), below=below)
    yield sheet
    above = tuple(p for p in shown if columns[p].shared and len({c[p] for c in sheet.cells}) == 1)
    shown = tuple(place for place in shown if place not in above)
    sheet = replace(sheet, above=above)
    yield _filled(sheet, (), shown, width)
    names = tuple(place for place in shown if columns[place].key)
    if names:
        figures = tuple(place for place in shown if place not in names)
        yield _filled(sheet, (names,), figures, width)
    yield replace(sheet, rows=(), short=False)


def _is_empty(sheet: Sheet, place: int) -> bool:
    return all(cells[place].text in ("", words.NOTHING) for cells in sheet.cells)


def _filled(
    sheet: Sheet, before: tuple[tuple[int, ...], ...], shown: tuple[int, ...], width: int
) -> Sheet:
    """With the columns that never leave, and of the ranked ones every one that still fits."""
    ranked = [place for place in shown if sheet.columns[place].rank]
    kept = [place for place in shown if place not in ranked]
    sheet = replace(sheet, rows=(*before, tuple(kept)), out=tuple(ranked))
    for place in sorted(ranked, key=lambda place: sheet.columns[place].rank):
        row = tuple(each for each in shown if each in kept or each == place)
        more = replace(sheet, rows=(*before, row), out=tuple(p for p in shown if p not in row))
        if more.needs <= width:
            sheet, kept = more, [*kept, place]
    return sheet
