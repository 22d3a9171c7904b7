"""The sections of ``report.html``: what each of them shows, as the templates print it.

A section names its template; the order in ``of`` is the reading order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, ESTIMATED, MEASURED, DeviceInfo
from seaformer.report import accuracy as measured_accuracy
from seaformer.report import words
from seaformer.report.components import with_components
from seaformer.report.html import tables
from seaformer.report.html.pictures import evaluated
from seaformer.report.html.pictures.picture import Picture
from seaformer.report.html.tables import Opener, PlainTable, Table
from seaformer.report.table import Report, standing_alone

MOST_LINES = 1000
MOST_NETWORKS = 100


@dataclass(frozen=True)
class Section:
    """``name`` is what the navigation calls it."""

    slug: str
    name: str
    title: str
    template: str
    content: object


@dataclass(frozen=True)
class Tile:
    """A count; a ``warning`` is shown only where it is not zero."""

    count: int
    name: str
    warning: bool


@dataclass(frozen=True)
class Overview:
    """``total`` is more than ``shown`` where rows are left out."""

    tiles: tuple[Tile, ...]
    shown: int
    total: int


@dataclass(frozen=True)
class Option:
    """A choice of a filter: its value, and what it is called."""

    value: str
    shown: str


@dataclass(frozen=True)
class Select:
    """A filter; ``every`` is the choice that filters nothing, ``chosen`` the one at first."""

    by: str
    name: str
    options: tuple[Option, ...]
    every: str = "all"
    chosen: str = ""


@dataclass(frozen=True)
class Rows:
    """The tables of rows and what filters them."""

    selects: tuple[Select, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Drawn:
    """A picture, with the figures of its networks in tables where it is of components."""

    picture: Picture
    networks: tuple[PlainTable, ...] = ()
    networks_title: str = ""
    networks_note: str = ""


@dataclass(frozen=True)
class Plain:
    """A table, how many of its lines are left out, and a picture of it with its name."""

    table: PlainTable
    left_out: int = 0
    drawing: Markup | None = None
    name: str = ""


@dataclass(frozen=True)
class Reading:
    """``bare`` where an emulated row has no counts."""

    bare: bool


def of(
    report: Report, pictures: Sequence[Picture], made: Sequence[Table], shown: int
) -> tuple[Section, ...]:
    """Every section there is something for; ``shown`` is the number of rows in ``made``."""
    accuracy, *others = pictures
    sections = [
        _overview(report, shown),
        Section(accuracy.slug, "Accuracy", accuracy.title, "picture.html", Drawn(accuracy)),
    ]
    sections += _evaluated(report)
    if made:
        sections.append(Section("rows", "Rows", "Rows", "rows.html", _rows(report, made)))
    sections += [
        Section(one.slug, one.title, one.title, "picture.html", _drawn(report, one))
        for one in others
    ]
    sections += [*_devices(report), *_failures(report), *_skipped(report)]
    rows = report.table.of(EMULATED).rows
    bare = any(row.counts is None and row.failure is None for row in rows)
    title = "How to read this"
    sections.append(Section("reading", title, title, "reading.html", Reading(bare)))
    return tuple(sections)


def summary(report: Report) -> str:
    if not report.measurements:
        return "Nothing has been measured yet."
    latest = max(run.created_at for run in report.measurements)
    counts = words.counted(len(report.measurements), "measurement")
    return f"{counts} on {words.counted(len(report.devices), 'device')}. Newest: {latest}."


def _overview(report: Report, shown: int) -> Section:
    runs = report.measurements
    doubtful = sum(not run.valid and run.failure is None for run in runs)
    estimated = sum(run.source == ESTIMATED for run in runs)
    tiles = (
        Tile(sum(run.source == MEASURED for run in runs), "measured", False),
        Tile(sum(run.source == EMULATED for run in runs), "emulated", False),
        *((Tile(estimated, "estimated", False),) if estimated else ()),
        Tile(len(report.devices), "devices", False),
        Tile(doubtful, "not valid", True),
        Tile(sum(run.failure is not None for run in runs), "failed", True),
        Tile(len(report.damaged), "files skipped", True),
    )
    kept = tuple(tile for tile in tiles if tile.count or not tile.warning) if runs else ()
    content = Overview(kept, shown, len(standing_alone(report.table).rows))
    return Section("overview", "Overview", "Overview", "overview.html", content)


def _rows(report: Report, made: Sequence[Table]) -> Rows:
    lines = [line for table in made for line in table.lines]
    devices = {one.device.id: one.device for one in report.devices}
    options = [Option(name, f"{device.model} ({name})") for name, device in devices.items()]
    precisions = (
        line.cells[i]
        for table in made
        for i, column in enumerate(table.columns)
        if column.name == "precision"
        for line in table.lines
    )
    return Rows(
        selects=(
            Select("source", "Source", _same(line.source for line in lines)),
            Select("device", "Device", tuple(options)),
            Select("precision", "Precision", _same(precisions)),
            Select("state", "State", _same(("valid", "not valid", "failed"))),
            Select("newest", "Runs", (Option("yes", "newest of each row"),), "all runs", "yes"),
        ),
        tables=tuple(made),
    )


def _same(values: Iterable[str]) -> tuple[Option, ...]:
    return tuple(Option(value, value) for value in dict.fromkeys(values))


def _drawn(report: Report, picture: Picture) -> Drawn:
    if picture.slug != "components" or picture.drawing is None:
        return Drawn(picture)
    groups = with_components(report.table)
    title = f"The figures of {words.counted(len(groups), 'network')}"
    if len(groups) > MOST_NETWORKS:
        title = f"The figures of {MOST_NETWORKS} of {len(groups)} networks"
    networks = tuple(tables.parts(report, rows) for rows in groups[:MOST_NETWORKS])
    return Drawn(picture, networks, title, words.REMAINDER)


def _evaluated(report: Report) -> Iterator[Section]:
    evaluations = measured_accuracy.accuracy_rows(report)
    rows = tuple(measured_accuracy.cells(evaluations))
    if rows:
        caption = "Newest evaluation of each model and file, and the latency of the same file"
        table = PlainTable(caption, measured_accuracy.HEADER, rows[:MOST_LINES])
        title = "Measured accuracy"
        left_out = max(len(rows) - MOST_LINES, 0)
        content = Plain(table, left_out, evaluated.draw(evaluations), title)
        yield Section("evaluated", title, title, "plain.html", content)


def _devices(report: Report) -> Iterator[Section]:
    if report.devices:
        table = PlainTable(
            caption="Devices that something was run on",
            header=("device", "id", "target", "system", "cores", "memory", "reported"),
            rows=tuple(_device(section.device) for section in report.devices),
        )
        yield Section("devices", "Devices", "Devices", "plain.html", Plain(table))


def _device(device: DeviceInfo) -> tuple[str, ...]:
    clusters = "; ".join(map(words.cluster, device.clusters))
    properties = sorted((device.properties or {}).items())
    return (
        device.model,
        device.id,
        device.target,
        f"{device.system}, {device.architecture}",
        f"{device.cores}: {clusters}" if clusters else str(device.cores),
        f"{device.memory_bytes / 1e9:.1f} GB" if device.memory_bytes else words.NOTHING,
        "; ".join(f"{name}: {value}" for name, value in properties) or words.NOTHING,
    )


def _failures(report: Report) -> Iterator[Section]:
    failed = [run for run in report.measurements if run.failure is not None]
    if failed:
        rows = tuple(
            (
                Opener(run.model, run.id, f"{run.model}: open the run that failed"),
                run.format,
                run.precision,
                run.device.model,
                run.created_at,
                run.failure or "",
            )
            for run in failed[:MOST_LINES]
        )
        header = ("model", "format", "precision", "device", "taken at", "what happened")
        table = PlainTable("Runs that failed, newest first", header, rows)
        content = Plain(table, len(failed) - len(rows))
        yield Section("failures", "Failed runs", "Failed runs", "plain.html", content)


def _skipped(report: Report) -> Iterator[Section]:
    if report.damaged:
        rows = tuple((file.path, file.reason) for file in report.damaged[:MOST_LINES])
        caption = "Files that were skipped and left as they are"
        content = Plain(PlainTable(caption, ("file", "why"), rows), len(report.damaged) - len(rows))
        yield Section("skipped", "Files skipped", "Files skipped", "plain.html", content)
