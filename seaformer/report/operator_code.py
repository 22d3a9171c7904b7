"""What operators executed, as tables: by operator, by kind and by component; no time in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from seaformer.core.counts import Counts
from seaformer.core.operator_code import OperatorCodes
from seaformer.report import words
from seaformer.report.terminal import Block, Column, Line, Table

TOP = 15
_NOTE = (
    "Counted, not timed: executed instructions, with the engine's profiler on. multiply-add and "
    "other vector, memory, the rest: of the row's own instructions. ~ marks an operator of the "
    "engine's own, put with the one before it."
)
_REST = "engine and its profiler, between operators"
Cells = tuple[str, ...]


@dataclass(frozen=True)
class Sum:
    """Instructions of one row, by what they do."""

    whole: int = 0
    multiply: int = 0
    vector: int = 0
    memory: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(*(a + b for a, b in zip(self.parts, other.parts, strict=True)))

    def __sub__(self, other: Sum) -> Sum:
        return Sum(*(a - b for a, b in zip(self.parts, other.parts, strict=True)))

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """All four."""
        return self.whole, self.multiply, self.vector, self.memory


def operator_code_page(codes: OperatorCodes, top: int = TOP) -> list[Block]:
    """The ``top`` operators, all kinds and all components, each with its share."""
    title = (
        f"Operators of {codes.model}, {codes.runtime} {codes.runtime_version}, {codes.precision}: "
        f"{words.instructions(codes.counts.instructions)} M instructions on an "
        f"{codes.device.model}, {words.counted(len(codes.operators), 'operator')}"
    )
    return [
        Line(words.clean(title), "italic", hang=2),
        _table(("operator", "module"), operator_lines(codes, top)),
        Line(""),
        _table(("kind", "operators"), group_lines(codes, "kind")),
        Line(""),
        _table(("component", "operators"), group_lines(codes, "component")),
        Line(_NOTE, "dim"),
    ]


def operator_lines(codes: OperatorCodes, top: int = TOP) -> list[Cells]:
    """The operators that execute most: name, module, and the figures of ``_figures``."""
    ordered = sorted(codes.operators, key=lambda each: -each.counts.instructions)
    rows = [(each.name, words.module(each), sum_of(each.counts)) for each in ordered[:top]]
    return _lines(rows, codes.counts.instructions)


def group_lines(codes: OperatorCodes, field: str) -> list[Cells]:
    """All kinds or components, how many operators each has, and what no operator covers."""
    groups: dict[str, list[Sum]] = {}
    for each in codes.operators:
        key = getattr(each, field) or words.NOTHING
        groups.setdefault(key, []).append(sum_of(each.counts))
    rows = [(name, str(len(some)), total(some)) for name, some in groups.items()]
    rows.sort(key=lambda row: -row[2].whole)
    rest = sum_of(codes.counts) - total(row[2] for row in rows)
    return _lines([*rows, (_REST, "", rest)], codes.counts.instructions)


def sum_of(counts: Counts) -> Sum:
    """The instructions of one operator."""
    memory = counts.load + counts.store
    return Sum(counts.instructions, counts.vector_fma, counts.vector_other, memory)


def total(sums: Iterable[Sum]) -> Sum:
    """Of several operators."""
    return sum(sums, Sum())


def _lines(rows: Sequence[tuple[str, str, Sum]], whole: int) -> list[Cells]:
    done = 0
    lines: list[Cells] = []
    for first, second, each in rows:
        done += each.whole
        figures = _figures(each, whole, done)
        lines.append((words.clean(first), words.clean(second), *figures))
    return lines


def _figures(each: Sum, whole: int, done: int) -> Iterable[str]:
    own = each.whole or 1
    yield f"{each.whole / 1e6:.2f}"
    yield words.percent(each.whole / whole if whole else 0.0)
    yield words.percent(done / whole if whole else 0.0)
    rest = each.whole - each.multiply - each.vector - each.memory
    for some in (each.multiply, each.vector, each.memory, rest):
        yield words.percent(some / own)


def _table(names: tuple[str, str], lines: Sequence[Cells]) -> Table[Cells]:
    columns: tuple[Column[Cells], ...] = (
        Column(names[0], itemgetter(0), key=True),
        Column(names[1], itemgetter(1), rank=1),
        Column("instr", itemgetter(2), "M", right=True),
        Column("share of", itemgetter(3), "inference", right=True),
        Column("cumulative", itemgetter(4), "share", rank=4, right=True),
        Column("multiply-add", itemgetter(5), right=True, rank=2),
        Column("other vector", itemgetter(6), right=True, rank=3),
        Column("memory", itemgetter(7), right=True, rank=3),
        Column("rest", itemgetter(8), right=True, rank=3),
    )
    return Table(columns, lines)
