"""CSV files: one row per method, or one row per process.

Units are in the column names; a figure that does not exist is an empty cell; times are rounded to a
nanosecond so that the same samples give the same bytes everywhere, and an output's error to six
digits. Emulated rows have counts and no column of times.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from seaformer.core.counts import CacheMisses, Counts
from seaformer.core.measurement import EMULATED, MEASURED, Flag
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.accuracy import HERE, AccuracyRow, accuracy_rows
from seaformer.report.renderers import _estimated
from seaformer.report.table import Process, Report

FILES = (
    "tables/latency.csv",
    "tables/latest.csv",
    "tables/emulated.csv",
    "tables/processes.csv",
    "tables/estimated.csv",
    "tables/accuracy.csv",
)
Cell = str | int | float | bool | None
Made = Callable[[Any], Cell]
Column = tuple[str, Made | None]  # a field of a noun, and what makes the cell of its value
COLUMNS = (
    "source",
    "model",
    "format",
    "runtime",
    "runtime_version",
    "precision",
    "scope",
    "height",
    "width",
    "method",
    "device",
    "device_name",
    "target",
    "core",
    "core_part",
    "cpus",
    "threads",
    "median_ms",
    "ci95_low_ms",
    "ci95_high_ms",
    "p90_ms",
    "p99_ms",
    "min_ms",
    "max_ms",
    "n",
    "processes",
    "spread",
    "cv",
    "outliers",
    "peak_mb",
    "load_ms",
    "first_ms",
    "size_mb",
    "valid",
    "flags",
    "failure",
    "runner",
    "runner_build",
    "governor",
    "freq_min_mhz",
    "freq_max_mhz",
    "load_average",
    "temperature_c",
    "created_at",
    "artifact_file",
    "artifact_sha256",
    "measurement_id",
    "command",
    "commit",
    "paper_ms",
)
_COUNTS = tuple(f.name for f in dataclasses.fields(Counts) if f.name != "caches")
_MISSES = tuple(f.name for f in dataclasses.fields(CacheMisses) if not f.name.endswith("_bytes"))
# What an emulated row lacks beside times: it is not pinned, and has no governor.
_TIMED = ("core", "core_part", "cpus", "spread", "cv", "outliers", "governor", "temperature_c")
EMULATED_COLUMNS = (
    *(n for n in COLUMNS if not n.endswith(("_ms", "_mhz")) and n not in _TIMED),
    "executed",
    "counts_spread",
    "output_max_abs",
    "output_psnr_db",
    "output_agreement",
    *_COUNTS,
    *_MISSES,
)


_TINY = ("output_max_abs", "counts_spread")


def render(report: Report) -> dict[str, str]:
    """Every row by its source, the newest valid ones, and the processes of measured rows."""
    measured = report.table.of(MEASURED)
    lines = dict(zip(map(id, measured.rows), _lines(measured, COLUMNS), strict=True))
    current = measured.newest_valid.rows
    documents = {
        "tables/latency.csv": _document(COLUMNS, lines.values()),
        "tables/latest.csv": _document(COLUMNS, (lines[id(row)] for row in current)),
        "tables/emulated.csv": table(report.table.of(EMULATED), emulated=True),
        "tables/processes.csv": processes(report.processes),
    }
    estimated = _estimated.rows_of(report.table)
    if estimated.rows:
        documents["tables/estimated.csv"] = table(estimated)
    rows = accuracy_rows(report)
    if rows:
        texts = {name: _texts(tuple(map(cell, rows))) for name, cell in _ACCURACY.items()}
        documents["tables/accuracy.csv"] = _document(_ACCURACY, _across(texts, _ACCURACY))
    return documents


def table(rows: ResultTable, *, emulated: bool = False) -> str:
    """One line per row, with the columns of a latency or of what an emulator counted."""
    names = EMULATED_COLUMNS if emulated else COLUMNS
    return _document(names, _lines(rows, names))


def processes(rows: Sequence[Process]) -> str:
    """One line per fresh process."""
    figures = zip(*(_times(process.samples_ns) for process in rows), strict=True)
    texts = dict(zip(_TIMES, map(_texts, figures), strict=False))
    texts |= _columns([process.run for process in rows], _OF_RUN)
    texts |= _of_rows([process.row for process in rows])
    texts["process"] = [str(process.index) for process in rows]
    return _document(PROCESS_COLUMNS, _across(texts, PROCESS_COLUMNS))


def _of_rows(rows: Sequence[ResultRow]) -> dict[str, list[str]]:
    """What the processes of a row have in common, made once for a row."""
    groups = [list(same) for _, same in itertools.groupby(rows, key=id)]
    columns = _columns([group[0] for group in groups], _OF_ROW)
    for name, texts in columns.items():
        pairs = zip(texts, groups, strict=True)
        columns[name] = [text for text, group in pairs for _ in group]
    return columns


def _lines(rows: ResultTable, names: Sequence[str]) -> Iterator[str]:
    return _across(_columns(rows.rows, {name: _column(name) for name in names}), names)


def _across(columns: Mapping[str, list[str]], names: Iterable[str]) -> Iterator[str]:
    """The lines of a file, without their ends."""
    return map(",".join, zip(*(columns.get(name, []) for name in names), strict=True))


def _columns(nouns: Sequence[object], columns: Mapping[str, Column]) -> dict[str, list[str]]:
    """The columns as text, by name; each noun is read once, for all of them."""
    read = attrgetter(*(field for field, _ in columns.values()))
    values = zip(*map(read, nouns), strict=True)
    pairs = zip(columns.items(), values, strict=False)  # no noun, no values
    return {name: _texts(column, made) for (name, (_, made)), column in pairs}


def _document(names: Iterable[str], lines: Iterable[str]) -> str:
    return "\n".join([",".join(names), *lines, ""])


def _texts(values: tuple[Any, ...], made: Made | None = None) -> list[str]:
    """The column that ``made`` makes of these values, or that they are, as text.

    Where they are of one type and few of them differ, each is written once.
    """
    types = set(map(type, values)) - {type(None)}
    distinct = set(values)
    if len(types) == 1 and 2 * len(distinct) <= len(values):
        texts = {value: _text(made(value) if made else value) for value in distinct}
        return list(map(texts.__getitem__, values))
    cells: Sequence[Any] = values if made is None else [made(value) for value in values]
    if {float, type(None)}.issuperset(map(type, cells)):
        return list(map(_number, cells))
    return list(map(_text, cells))


def _text(cell: Cell) -> str:
    """One cell as it is written (RFC 4180); what does not exist is empty.

    A text is quoted here, where it is one for many lines; ``csv.writer`` looks at every character
    of every cell.
    """
    if isinstance(cell, float):
        return _number(cell)
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = words.clean(cell)
        text = f"'{text}" if text.startswith(_FORMULA) else text
        if "," in text or '"' in text:  # a line break is never in a clean text
            text = text.replace('"', '""')
            return f'"{text}"'
        return text
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _column(name: str) -> Column:
    """What a row's cell of that column is made of."""
    if name == "flags":
        return "flags", lambda flags: "; ".join(map(_flag, flags))
    if name == "cpus":
        return "cpus", _cpus
    if name in _MISSES:
        return "counts", lambda counts: getattr(counts and counts.caches, name, None)
    if name in _TINY:
        return name, _digits
    if name in _COUNTS:
        return "counts", lambda counts: getattr(counts, name) if counts else None
    return name, None


def _digits(value: float | None) -> str | None:
    """A figure that may be far below a millionth and is not rounded to nothing."""
    return None if value is None or not math.isfinite(value) else f"{value:.6g}"


def _flag(flag: Flag) -> str:
    return f"{flag.name}{' (fatal)' if flag.fatal else ''}: {flag.detail}"


def _times(samples_ns: Sequence[int]) -> tuple[float | None, float | None, float | None]:
    """Of a process: median, least and greatest sample, in milliseconds."""
    if not samples_ns:
        return None, None, None
    ordered, middle = sorted(samples_ns), len(samples_ns) // 2
    high = ordered[middle] / 1e6
    median = high if len(ordered) % 2 else (ordered[middle - 1] / 1e6 + high) / 2
    return median, ordered[0] / 1e6, ordered[-1] / 1e6


def _cpus(cpus: Iterable[int]) -> str:
    return " ".join(map(str, cpus))


def _over(value: int | None, unit: float) -> float | None:
    return None if value is None else value / unit


_FORMULA = ("=", "+", "-", "@")  # text that begins so is computed by a spreadsheet that opens it
_TIMES = ("median_ms", "min_ms", "max_ms")
_OF_ROW = {
    name: _column(name)
    for name in ("measurement_id", "device", "model", "format", "precision", "scope", "method")
}
_OF_RUN: dict[str, Column] = {
    "load_ms": ("load_ns", lambda ns: ns / 1e6),
    "first_ms": ("first_ns", lambda ns: ns / 1e6),
    "warmup_runs": ("warmup_runs", None),
    "warmup_reason": ("warmup_reason", None),
    "stop_reason": ("stop_reason", None),
    "peak_mb": ("peak_rss_bytes", lambda size: _over(size, 1e6)),
    "threads": ("threads", None),
    "affinity": ("affinity", _cpus),
    "sample_cpus": ("sample_cpus", lambda cpus: _cpus(sorted(set(cpus)))),
    "freq_before_mhz": ("freq_before_khz", lambda khz: _over(khz or None, 1e3)),
    "freq_after_mhz": ("freq_after_khz", lambda khz: _over(khz or None, 1e3)),
    "n": ("count", None),
}
PROCESS_COLUMNS = (*_OF_ROW, "process", "n", *_TIMES, *(name for name in _OF_RUN if name != "n"))


def _of_latency(name: str) -> Callable[[AccuracyRow], Cell]:
    return lambda row: getattr(row.latency, name, None)


_ACCURACY: dict[str, Callable[[AccuracyRow], Cell]] = {
    "model": attrgetter("accuracy.model"),
    "height": lambda row: row.accuracy.input_shape[2],
    "width": lambda row: row.accuracy.input_shape[3],
    "format": lambda row: row.accuracy.format or "eager",
    "evaluated_on": lambda row: row.accuracy.device or HERE,
    **{
        name: attrgetter(f"accuracy.{name}")
        for name in (
            "precision", "scope", "data", "dataset", "split", "mode", "images", "skipped", "miou",
            "miou_low", "miou_high", "macc", "aacc", "top1", "top5", "ap", "weights",
            "artifact_file", "artifact_sha256", "created_at", "id",
        )
    },
    **{
        name: _of_latency(name)
        for name in ("device", "device_name", "median_ms", "ci95_low_ms", "ci95_high_ms",
                     "measurement_id")
    },
}  # fmt: skip
