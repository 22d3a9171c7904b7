"""The tables of ``report.html``: one row per run, columns that sort, cells that open the run.

Every cell that sorts by a number carries it as ``data-v``; a row carries what the filters ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seaformer.core.measurement import EMULATED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.components import Component, components
from seaformer.report.html.markup import Markup, join, lines, tag
from seaformer.report.html.pictures import ratio
from seaformer.report.html.pictures.components import parts_of
from seaformer.report.html.pictures.instructions import floor_millions
from seaformer.report.html.pictures.picture import device_label
from seaformer.report.html.svg import mark
from seaformer.report.table import Report


@dataclass(frozen=True)
class Column:
    """``numeric`` columns stand right and sort by ``data-v``; ``hint`` explains the name."""

    name: str
    hint: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number it sorts by."""

    shown: str
    value: float | None = None
    style: str = ""


_NAMES = (
    Column("valid"),
    Column("runtime"),
    Column("precision"),
    Column("input", "height x width in pixels"),
    Column("scope", "logits is what the paper times; upsample and argmax add the tail"),
    Column("device"),
    Column("core", "what was asked for = what it was"),
    Column("threads", numeric=True),
)
LATENCY = (
    Column("model"),
    Column("median ms", "median of the processes' medians; opens the run", True),
    Column("95 % interval ms", "bootstrap: processes resampled, then samples", True),
    *_NAMES,
    Column("p90 ms", numeric=True),
    Column("p99 ms", numeric=True),
    Column("peak MB", numeric=True),
    Column("taken at"),
    Column("paper ms", "one core of a Snapdragon 865, TNN: another device", True),
    Column("ours / paper", numeric=True),
)
ESTIMATES = (
    Column("model"),
    Column("estimated ms", "computed, not measured; opens what it was computed from", True),
    *LATENCY[2:],
)
COUNTS = (
    Column("model"),
    Column("million instructions", "of one inference; opens the run", True),
    Column("floor", "millions: multiply-accumulates over what one instruction does", True),
    Column("x floor", numeric=True),
    *_NAMES,
    Column("size MB", numeric=True),
    Column("taken at"),
)


def latency(report: Report, rows: Sequence[ResultRow], newest: set[int], caption: str) -> Markup:
    """Measured rows; ``newest`` are the ``id()`` of the newest row of each key."""
    return _table(
        "latency", caption, LATENCY, [_line(row, newest, _timed(report, row)) for row in rows]
    )


def estimates(report: Report, rows: Sequence[ResultRow], newest: set[int], caption: str) -> Markup:
    """Rows that are neither measured nor emulated, as ``latency`` shows them, and apart."""
    return _table(
        "estimates", caption, ESTIMATES, [_line(row, newest, _timed(report, row)) for row in rows]
    )


def counts(report: Report, rows: Sequence[ResultRow], newest: set[int], caption: str) -> Markup:
    """Emulated rows: counts and no milliseconds."""
    return _table(
        "counts", caption, COUNTS, [_line(row, newest, _counted(report, row)) for row in rows]
    )


def parts(report: Report, rows: list[ResultRow]) -> Markup:
    """The components of one measurement, their sum and the remainder."""
    first, found = rows[0], components(rows)
    emulated = first.source == EMULATED
    header = ["component", *(["million instructions"] if emulated else ["median ms"]), "share"]
    if not emulated:
        header.insert(2, "95 % interval ms")
    header.append(words.FIGURE_10)
    body = [_component(part, first, emulated) for part in found]
    where = f"{words.runtime(first)}, {first.precision}, {device_label(report, first)}"
    caption = f"{first.model}, {where}: {first.source}"
    known = len(parts_of(rows))
    return plain(header, body, caption, foot=len(body) - known)


def plain(
    header: Sequence[str], body: Sequence[Sequence[str]], caption: str, foot: int = 0
) -> Markup:
    """A table that does not sort: the first cell of a row is its header."""
    heads = tag("tr", *(tag("th", name, scope="col") for name in header))
    rows = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell) for cell in row[1:]),
            class_="foot" if i >= len(body) - foot else None,
        )
        for i, row in enumerate(body)
    ]
    table = tag(
        "table", tag("caption", caption), tag("thead", heads), tag("tbody", *rows), class_="plain"
    )
    return scrolled(caption, table)


def scrolled(name: str, table: Markup) -> Markup:
    """A region of its own that scrolls sideways, reachable by keyboard."""
    return tag("div", table, class_="scroll", role="region", tabindex="0", aria_label=name)


def _table(slug: str, caption: str, columns: Sequence[Column], rows: Iterable[Markup]) -> Markup:
    heads = tag("tr", *(_head(column) for column in columns))
    table = tag(
        "table",
        tag("caption", caption),
        tag("thead", heads),
        tag("tbody", Markup("\n"), lines(*rows)),
        id=f"{slug}-table",
        class_="sorts",
    )
    return scrolled(slug, table)


def _head(column: Column) -> Markup:
    button = tag("button", column.name, type="button", title=column.hint or None)
    return tag(
        "th", button, scope="col", aria_sort="none", class_="number" if column.numeric else None
    )


def _line(row: ResultRow, newest: set[int], cells: Sequence[Cell]) -> Markup:
    state = "failed" if row.failure is not None else ("valid" if row.valid else "not valid")
    first, *rest = cells
    return tag(
        "tr",
        tag("th", join(sign(row.source), Markup("&#160;")), first.shown, _narrow(row), scope="row"),
        *(_cell(cell) for cell in rest),
        data_source=row.source,
        data_device=row.device,
        data_precision=row.precision,
        data_state=state,
        data_newest="yes" if id(row) in newest else "no",
        class_=None if row.valid else "doubtful",
    )


def _narrow(row: ResultRow) -> Markup:
    """What tells rows of one model apart, below its name where the window is narrow."""
    return tag(
        "small", f"{words.runtime(row)} {row.precision}", class_="narrow", aria_hidden="true"
    )


def _cell(cell: Cell) -> Markup:
    style = " ".join(part for part in (cell.style, "number" if _counts(cell) else "") if part)
    return tag("td", cell.shown, class_=style or None, data_v=cell.value)


def _counts(cell: Cell) -> bool:
    return cell.value is not None or cell.style == "figure" or cell.shown == words.NOTHING


def sign(source: str) -> Markup:
    """The source's mark, with its name for who cannot see it."""
    drawn = tag("svg", mark(source, 8.0, 8.0, 4.5), viewBox="0 0 16 16", aria_hidden="true")
    name = tag("span", source, class_="source-name")
    return tag("span", drawn, name, class_=f"sign {source}")


def _names(report: Report, row: ResultRow) -> list[Cell]:
    return [
        _validity(row),
        Cell(words.runtime(row)),
        Cell(row.precision),
        Cell(row.size),
        Cell(row.scope),
        Cell(device_label(report, row)),
        Cell(words.core(row)),
        Cell(str(row.threads), row.threads),
    ]


def _timed(report: Report, row: ResultRow) -> list[Cell]:
    times = [_time(row.p90_ms), _time(row.p99_ms)]
    half = row.relative_half_width
    spread = tag("small", f" ±{100 * half:.1f} %") if half is not None else ""
    interval = Cell(join(words.interval(row), spread), row.ci95_low_ms, "figure")
    over = ratio.ratio(row) if row.paper_ms and row.median_ms else None
    return [
        Cell(words.model(row)),
        Cell(_opener(row, words.ms(row.median_ms)), row.median_ms, "figure strong"),
        interval,
        *_names(report, row),
        *times,
        Cell(words.mb(row.peak_mb), row.peak_mb, "figure"),
        _taken(row),
        Cell(words.published(row.paper_ms), row.paper_ms, "figure theirs"),
        Cell(words.NOTHING if over is None else f"{over:.2f}", over, "figure theirs"),
    ]


def _counted(report: Report, row: ResultRow) -> list[Cell]:
    floor = floor_millions(report, row)
    count = None if row.instructions is None else row.instructions / 1e6
    over = count / floor if floor and count else None
    return [
        Cell(words.model(row)),
        Cell(_opener(row, words.instructions(row.instructions)), count, "figure strong"),
        Cell(words.NOTHING if floor is None else f"{floor:.2f}", floor, "figure"),
        Cell(words.NOTHING if over is None else f"{over:.2f}", over, "figure"),
        *_names(report, row),
        Cell(words.mb(row.size_mb), row.size_mb, "figure"),
        _taken(row),
    ]


def _time(value: float | None) -> Cell:
    return Cell(words.ms(value), value, "figure")


def _taken(row: ResultRow) -> Cell:
    moment = row.created_at[:16].replace("T", " ")
    return Cell(tag("time", moment, datetime=row.created_at), style="nowrap")


def _validity(row: ResultRow) -> Cell:
    told = words.validity(row)
    style = "no" if not row.valid else ("yes" if told == "yes" else "reserved")
    return Cell(tag("span", told, class_=f"state {style}"))


def _opener(row: ResultRow, shown: str) -> Markup:
    """The figure as a link that opens its run."""
    said = "no figure" if shown == words.NOTHING else shown
    return tag(
        "a",
        shown if shown != words.NOTHING else "why?",
        href=f"#run-{row.measurement_id}",
        data_run=row.measurement_id,
        aria_label=f"{said}: open the run of {words.model(row)} {row.format} {row.precision}",
        class_="opens",
    )


def _component(part: Component, row: ResultRow, emulated: bool) -> list[str]:
    figures = [words.instructions(part.instructions)]
    if not emulated:
        figures = [words.ms(part.median_ms), words.interval(part)]
    opened = _opener(row, figures[0])
    published = words.paper_percent(part.paper_percent)
    return [part.name, opened, *figures[1:], words.percent(part.share), published]
