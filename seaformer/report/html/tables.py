"""The tables of ``report.html``: one line per run, columns that sort, a figure that opens the run.

A table may have 10,000 lines. They are data (``island_of``), which the page's script draws as they
scroll into view; the first ``MOST_STATIC`` are in the page for readers without a script. How a line
looks is written once, in ``templates/rows.html``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core.measurement import EMULATED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.components import Component, components
from seaformer.report.engines import floor_millions
from seaformer.report.html.island import Shared, island
from seaformer.report.html.pictures import ratio
from seaformer.report.html.pictures.components import parts_of
from seaformer.report.labels import device_label
from seaformer.report.table import Report

MOST_STATIC = 100


@dataclass(frozen=True)
class Column:
    """``style`` is a class of its cells; a ``numeric`` one sorts by the number that a cell begins
    with. ``hint`` explains the name."""

    name: str
    hint: str = ""
    style: str = ""
    numeric: bool = False

    @property
    def opens(self) -> bool:
        """Whether its cells open their runs."""
        return "strong" in self.style


@dataclass(frozen=True)
class Line:
    """One run in a table: a text for each column, and what the filters ask for.

    ``state`` is ``valid``, ``not valid`` or ``failed``; ``narrow`` distinguishes the runs of a
    model where the window is too narrow for more than two columns.
    """

    run: str
    source: str
    device: str
    newest: bool
    state: str
    narrow: str
    cells: tuple[str, ...]

    @property
    def figure(self) -> str:
        """What opens the run, in the second column."""
        return self.cells[1] if self.cells[1] != words.NOTHING else "why?"

    @property
    def label(self) -> str:
        """What a screen reader calls the figure."""
        figure = self.cells[1] if self.cells[1] != words.NOTHING else "no figure"
        return f"{figure}: open the run of {self.cells[0]} {self.narrow}"

    @property
    def verdict(self) -> str:
        """The class of the cell that reports whether the run is valid."""
        return "no" if self.state != "valid" else ("yes" if "yes" in self.cells else "reserved")


@dataclass(frozen=True)
class Table:
    """``csv`` is the file with every row, whatever the page leaves out."""

    slug: str
    caption: str
    csv: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def static(self) -> tuple[Line, ...]:
        """The lines that are in the page without its script."""
        return self.lines[:MOST_STATIC]

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line.source for line in self.lines))


@dataclass(frozen=True)
class Opener:
    """A figure that opens its run, and what a screen reader calls it."""

    shown: str
    run: str
    label: str


@dataclass(frozen=True)
class PlainTable:
    """A table that does not sort: the first cell of a row is its header, the last ``foot`` rows
    are set apart."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | Opener, ...], ...]
    foot: int = 0


_MODEL = Column("model")
_TAKEN = Column("taken at", style="nowrap")
_NAMES = (
    Column("valid", style="state"),
    Column("runtime"),
    Column("precision"),
    Column("input", "height x width in pixels"),
    Column("scope", "logits is what the paper times; upsample and argmax add the tail"),
    Column("device"),
    Column("core", "as requested = as it was"),
    Column("threads", style="number", numeric=True),
)


def _figure(name: str, hint: str = "", style: str = "figure") -> Column:
    return Column(name, hint, style, numeric=True)


def _opens(name: str, hint: str) -> Column:
    return _figure(name, hint, "figure strong")


_FIGURES = (
    _figure("95 % interval ms", "bootstrap: processes resampled, then samples"),
    *_NAMES,
    _figure("p90 ms"),
    _figure("p99 ms"),
    _figure("peak MB"),
    _TAKEN,
    _figure("paper ms", "one core of a Snapdragon 865, TNN: another device", "figure theirs"),
    _figure("ours / paper", style="figure theirs"),
)
LATENCY = (
    _MODEL,
    _opens("median ms", "median of the processes' medians; opens the run"),
    *_FIGURES,
)
ESTIMATES = (
    _MODEL,
    _opens("estimated ms", "computed, not measured; opens what it was computed from"),
    *_FIGURES,
)
COUNTS = (
    _MODEL,
    _opens("million instructions", "of one inference; opens the run"),
    _figure("floor", "millions: multiply-accumulates over what one instruction does"),
    _figure("x floor"),
    *_NAMES,
    _figure("size MB"),
    _TAKEN,
)
Rows = Sequence[ResultRow]


def latency(report: Report, rows: Rows, newest: set[int], caption: str) -> Table:
    """Measured rows; ``newest`` are the ``id()`` of the newest row of each key."""
    lines = _lines(report, rows, newest, _timed)
    return Table("latency", caption, "tables/latency.csv", LATENCY, lines)


def estimates(report: Report, rows: Rows, newest: set[int], caption: str) -> Table:
    """Rows that are neither measured nor emulated, as ``latency`` shows them, and apart."""
    lines = _lines(report, rows, newest, _timed)
    return Table("estimates", caption, "tables/estimated.csv", ESTIMATES, lines)


def counts(report: Report, rows: Rows, newest: set[int], caption: str) -> Table:
    """Emulated rows: counts and no milliseconds."""

    def counted(row: ResultRow, names: tuple[str, ...]) -> tuple[str, ...]:
        return _counted(row, names, floor_millions(report, row))

    lines = _lines(report, rows, newest, counted)
    return Table("counts", caption, "tables/emulated.csv", COUNTS, lines)


def island_of(tables: Iterable[Table]) -> Markup:
    """The lines for the page's script: texts that several have are numbers of ``shared``."""
    shared = Shared()
    document = {
        table.slug: [_packed(shared, table, line) for line in table.lines] for table in tables
    }
    return island("lines", {"shared": shared.values, "tables": document})


def _packed(shared: Shared, table: Table, line: Line) -> list[str | int | bool]:
    cells = zip(line.cells, table.columns, strict=True)
    return [
        line.run,
        shared.ref(line.source),
        shared.ref(line.device),
        line.newest,
        shared.ref(line.state),
        shared.ref(line.narrow),
        *(text if column.numeric else shared.ref(text) for text, column in cells),
    ]


def parts(report: Report, rows: list[ResultRow]) -> PlainTable:
    """The components of one measurement, their sum and the remainder."""
    first, every = rows[0], components(rows)
    emulated = first.source == EMULATED
    figures = ("million instructions",) if emulated else ("median ms", "95 % interval ms")
    where = f"{words.runtime(first)}, {first.precision}, {device_label(report, first)}"
    return PlainTable(
        caption=f"{first.model}, {where}: {first.source}",
        header=("component", *figures, "share", words.FIGURE_10),
        rows=tuple(_component(part, first, emulated) for part in every),
        foot=len(every) - len(parts_of(rows)),
    )


def _lines(
    report: Report,
    rows: Rows,
    newest: set[int],
    cells: Callable[[ResultRow, tuple[str, ...]], tuple[str, ...]],
) -> tuple[Line, ...]:
    devices = {(row.device, row.device_name): row for row in rows}
    labels = {key: words.clean(device_label(report, row)) for key, row in devices.items()}
    return tuple(
        Line(
            run=row.measurement_id,
            source=row.source,
            device=words.clean(row.device),
            newest=id(row) in newest,
            state=_state(row),
            narrow=words.clean(f"{words.runtime(row)} {row.precision}"),
            cells=cells(row, _names(row, labels[row.device, row.device_name])),
        )
        for row in rows
    )


def _state(row: ResultRow) -> str:
    return "failed" if row.failure is not None else ("valid" if row.valid else "not valid")


def _names(row: ResultRow, device: str) -> tuple[str, ...]:
    """One cell for each of ``_NAMES``."""
    return (
        words.validity(row),
        words.runtime(row),
        words.clean(row.precision),
        row.size,
        words.clean(row.scope),
        device,
        words.core(row),
        str(row.threads),
    )


def _timed(row: ResultRow, names: tuple[str, ...]) -> tuple[str, ...]:
    """One cell for each of ``LATENCY`` or ``ESTIMATES``."""
    half = row.relative_half_width
    spread = f" ±{100 * half:.1f} %" if half is not None else ""
    over = ratio.ratio(row) if row.paper_ms and row.median_ms else None
    return (
        words.model(row),
        words.ms(row.median_ms),
        words.interval(row) + spread,
        *names,
        words.ms(row.p90_ms),
        words.ms(row.p99_ms),
        words.mb(row.peak_mb),
        _taken(row),
        words.published(row.paper_ms),
        words.NOTHING if over is None else f"{over:.2f}",
    )


def _counted(row: ResultRow, names: tuple[str, ...], floor: float | None) -> tuple[str, ...]:
    """One cell for each of ``COUNTS``."""
    count = None if row.instructions is None else row.instructions / 1e6
    over = count / floor if floor and count else None
    return (
        words.model(row),
        words.instructions(row.instructions),
        words.NOTHING if floor is None else f"{floor:.2f}",
        words.NOTHING if over is None else f"{over:.2f}",
        *names,
        words.mb(row.size_mb),
        _taken(row),
    )


def _taken(row: ResultRow) -> str:
    """The day and the minute."""
    return words.clean(row.created_at[:16].replace("T", " "))


def _component(part: Component, row: ResultRow, emulated: bool) -> tuple[str | Opener, ...]:
    figure = words.instructions(part.instructions) if emulated else words.ms(part.median_ms)
    interval = () if emulated else (words.interval(part),)
    label = f"{figure}: open the run of {words.model(row)} {words.runtime(row)} {row.precision}"
    opener = Opener(figure, row.measurement_id, label)
    published = words.paper_percent(part.paper_percent)
    return (part.name, opener, *interval, words.percent(part.share), published)
