"""The sections of ``report.html`` that are words and plain tables: overview, devices, failures."""

from __future__ import annotations

from seaformer.core.measurement import EMULATED, ESTIMATED, MEASURED, DeviceInfo
from seaformer.report import words
from seaformer.report.html import tables
from seaformer.report.html.markup import NOTHING, Markup, join, lines, tag
from seaformer.report.table import Report, standing_alone

MOST_LINES = 1000
_HOW = (
    "The median is the median of the processes' medians; its interval is the 95 % bootstrap "
    "interval, processes resampled first and samples within them second. No sample is dropped. "
    "A row is valid when nothing failed and no fatal flag was raised; a flag that is not fatal "
    "stands beside the word. MB is 10^6 bytes.",
    "Measured is a time taken on the device a row names. Emulated is an exact count of what one "
    "inference executes on an emulated ARM core, and no time. Estimated is computed from counts. "
    "Paper is a figure of the SeaFormer++ paper: one core of a Snapdragon 865, TNN, logits at the "
    "head's own resolution. They are never mixed in a column.",
)
_BARE = (
    "An emulated row without instructions ran where nothing counts them, an Android emulator for "
    "example: only its answer is told, and no time either."
)
_BEGIN = (
    (
        "Export and time the smallest model on this machine",
        "seaformer bench --variant t --threads 1",
    ),
    ("Build this page again", "seaformer report"),
    ("See what is installed and what is missing", "seaformer doctor"),
)


def summary(report: Report) -> str:
    if not report.measurements:
        return "Nothing has been measured yet."
    latest = max(run.created_at for run in report.measurements)
    counts = words.counted(len(report.measurements), "measurement")
    return f"{counts} on {words.counted(len(report.devices), 'device')}. Newest: {latest}."


def section(slug: str, title: str, *parts: str) -> Markup:
    head = tag("h2", title, id=f"{slug}-head")
    return tag(
        "section", head, Markup("\n"), lines(*parts), id=slug, aria_labelledby=f"{slug}-head"
    )


def overview(report: Report, shown: int) -> Markup:
    runs = report.measurements
    if not runs:
        steps = (tag("li", f"{what}: ", tag("code", command), ".") for what, command in _BEGIN)
        intro = "No measurement is stored here yet. How to begin:"
        return section("overview", "Overview", tag("p", intro), tag("ol", *steps))
    doubtful = [run for run in runs if not run.valid and run.failure is None]
    tiles = (
        ("measured", sum(run.source == MEASURED for run in runs), ""),
        ("emulated", sum(run.source == EMULATED for run in runs), ""),
        ("estimated", sum(run.source == ESTIMATED for run in runs), ""),
        ("devices", len(report.devices), ""),
        ("not valid", len(doubtful), "warn"),
        ("failed", sum(run.failure is not None for run in runs), "warn"),
        ("files skipped", len(report.damaged), "warn"),
    )
    told = (
        tag("li", tag("b", f"{count:,}"), f" {name}", class_=style if count else None)
        for name, count, style in tiles
        if count or (not style and name != "estimated")
    )
    return section("overview", "Overview", tag("ul", *told, class_="tiles"), _limits(report, shown))


def _limits(report: Report, shown: int) -> Markup:
    """What is not in the page: said, never silent."""
    total = len(standing_alone(report.table).rows)
    if total <= shown:
        return NOTHING
    csv = tag("a", "tables/latency.csv", href="tables/latency.csv")
    emulated = tag("a", "tables/emulated.csv", href="tables/emulated.csv")
    said = f"This page has {shown:,} of {total:,} rows, the newest of every kind first. All are in "
    return tag("p", said, csv, " and ", emulated, ".", class_="note")


def devices(report: Report) -> Markup:
    header = ("device", "id", "target", "system", "cores", "memory", "told")
    body = [_device(section.device) for section in report.devices]
    return section(
        "devices", "Devices", tables.plain(header, body, "Devices that something was run on")
    )


def _device(device: DeviceInfo) -> list[str]:
    clusters = "; ".join(
        f"{c.part} (cpu {', '.join(map(str, c.cpus))})"
        + (f" up to {c.max_freq_khz / 1e3:.0f} MHz" if c.max_freq_khz else "")
        for c in device.clusters
    )
    memory = f"{device.memory_bytes / 1e9:.1f} GB" if device.memory_bytes else words.NOTHING
    told = "; ".join(
        f"{name}: {value}" for name, value in sorted((device.properties or {}).items())
    )
    system = f"{device.system}, {device.architecture}"
    cores = f"{device.cores}: {clusters}" if clusters else str(device.cores)
    return [device.model, device.id, device.target, system, cores, memory, told or words.NOTHING]


def failures(report: Report) -> list[tuple[str, str, Markup]]:
    failed = [run for run in report.measurements if run.failure is not None][:MOST_LINES]
    if not failed:
        return []
    header = ("model", "format", "precision", "device", "taken at", "what happened")
    body = [
        [
            join(tag("a", run.model, href=f"#run-{run.id}", data_run=run.id, class_="opens")),
            *(run.format, run.precision, run.device.model, run.created_at, run.failure or ""),
        ]
        for run in failed
    ]
    table = tables.plain(header, body, "Runs that failed, newest first")
    return [("failures", "Failed runs", section("failures", "Failed runs", table))]


def skipped(report: Report) -> list[tuple[str, str, Markup]]:
    if not report.damaged:
        return []
    body = [[found.path, found.reason] for found in report.damaged[:MOST_LINES]]
    table = tables.plain(("file", "why"), body, "Files that were skipped and left as they are")
    return [("skipped", "Files skipped", section("skipped", "Files skipped", table))]


def reading(report: Report) -> Markup:
    emulated = report.table.of(EMULATED).rows
    bare = any(row.counts is None and row.failure is None for row in emulated)
    said = (*_HOW, _BARE) if bare else _HOW
    return section("reading", "How to read this", *(tag("p", words) for words in said))
