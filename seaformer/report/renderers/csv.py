"""CSV files, made with pandas: one row per method, or one row per process.

Units are in the column names; a figure that does not exist is an empty cell; times are rounded to a
nanosecond so that the same samples give the same bytes everywhere, and an output's error to six
digits. Emulated rows have counts and no column of times. Every cell is text before pandas gets it,
so that no column is guessed to be of another type.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

import pandas as pd

from seaformer.core.counts import CacheMisses, Counts
from seaformer.core.measurement import EMULATED, MEASURED, Flag
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.accuracy import AccuracyRow, accuracy_rows
from seaformer.report.renderers import _estimated
from seaformer.report.table import Process, Report, newest

FILES = (
    "tables/latency.csv",
    "tables/latest.csv",
    "tables/emulated.csv",
    "tables/processes.csv",
    "tables/estimated.csv",
    "tables/accuracy.csv",
)
Cell = str | int | float | bool | None
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
    documents = {
        "tables/latency.csv": table(measured),
        "tables/latest.csv": table(newest(measured, valid_only=True)),
        "tables/emulated.csv": table(report.table.of(EMULATED), emulated=True),
        "tables/processes.csv": processes(report.processes),
    }
    estimated = _estimated.rows_of(report.table)
    if estimated.rows:
        documents["tables/estimated.csv"] = table(estimated)
    rows = accuracy_rows(report)
    if rows:
        documents["tables/accuracy.csv"] = _document(
            {name: map(cell, rows) for name, cell in _ACCURACY.items()}
        )
    return documents


def table(rows: ResultTable, *, emulated: bool = False) -> str:
    """One line per row, with the columns of a latency or of what an emulator counted."""
    names = EMULATED_COLUMNS if emulated else COLUMNS
    return _document({name: map(_column(name), rows.rows) for name in names})


def processes(rows: Sequence[Process]) -> str:
    """One line per fresh process."""
    times = [_times(process.samples_ns) for process in rows]
    cells: dict[str, Iterable[Cell]] = {
        name: [figures[i] for figures in times] for i, name in enumerate(_TIMES)
    }
    cells |= {name: map(cell, rows) for name, cell in _PROCESS.items()}
    return _document({name: cells[name] for name in PROCESS_COLUMNS})


def _document(columns: Mapping[str, Iterable[Cell]]) -> str:
    written = {name: _texts(list(cells)) for name, cells in columns.items()}
    frame = pd.DataFrame(written, columns=list(columns), dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _texts(cells: list[Cell]) -> list[str]:
    """A column as text; where its cells are of one type and few of them differ, each is written
    once."""
    distinct = set(cells)
    if len(set(map(type, cells)) - {type(None)}) != 1 or 2 * len(distinct) > len(cells):
        return list(map(_text, cells))
    texts = {cell: _text(cell) for cell in distinct}
    return [texts[cell] for cell in cells]


def _text(cell: Cell) -> str:
    """One cell; what does not exist is empty."""
    if isinstance(cell, float):
        return f"{cell:.6f}".rstrip("0").rstrip(".") if math.isfinite(cell) else ""
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = words.clean(cell)
        return f"'{text}" if text.startswith(_FORMULA) else text
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell)


def _column(name: str) -> Callable[[ResultRow], Cell]:
    """What gives a row's cell of that column."""
    if name == "flags":
        return lambda row: "; ".join(map(_flag, row.flags))
    if name == "cpus":
        return lambda row: _cpus(row.cpus)
    if name in _MISSES:
        return lambda row: getattr(row.counts and row.counts.caches, name, None)
    if name in _TINY:
        return lambda row: _digits(getattr(row, name))
    if name in _COUNTS:
        return lambda row: getattr(row.counts, name) if row.counts else None
    return attrgetter(name)


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


def _cpus(cpus: Sequence[int]) -> str:
    return " ".join(map(str, cpus))


def _over(value: int | None, unit: float) -> float | None:
    return None if value is None else value / unit


_FORMULA = ("=", "+", "-", "@")  # text that begins so is computed by a spreadsheet that opens it
_TIMES = ("median_ms", "min_ms", "max_ms")
_PROCESS: dict[str, Callable[[Process], Cell]] = {
    "measurement_id": attrgetter("row.measurement_id"),
    "device": attrgetter("row.device"),
    "model": attrgetter("row.model"),
    "format": attrgetter("row.format"),
    "precision": attrgetter("row.precision"),
    "scope": attrgetter("row.scope"),
    "method": attrgetter("row.method"),
    "process": attrgetter("index"),
    "n": attrgetter("run.count"),
    "load_ms": lambda process: process.run.load_ns / 1e6,
    "first_ms": lambda process: process.run.first_ns / 1e6,
    "warmup_runs": attrgetter("run.warmup_runs"),
    "warmup_reason": attrgetter("run.warmup_reason"),
    "stop_reason": attrgetter("run.stop_reason"),
    "peak_mb": lambda process: _over(process.run.peak_rss_bytes, 1e6),
    "threads": attrgetter("run.threads"),
    "affinity": lambda process: _cpus(process.run.affinity),
    "sample_cpus": lambda process: _cpus(sorted(set(process.run.sample_cpus))),
    "freq_before_mhz": lambda process: _over(process.run.freq_before_khz or None, 1e3),
    "freq_after_mhz": lambda process: _over(process.run.freq_after_khz or None, 1e3),
}


def _of_latency(name: str) -> Callable[[AccuracyRow], Cell]:
    return lambda row: getattr(row.latency, name, None)


_ACCURACY: dict[str, Callable[[AccuracyRow], Cell]] = {
    "model": attrgetter("accuracy.model"),
    "height": lambda row: row.accuracy.input_shape[2],
    "width": lambda row: row.accuracy.input_shape[3],
    "format": lambda row: row.accuracy.format or "eager",
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
_BEFORE_TIMES = tuple(_PROCESS).index("load_ms")
PROCESS_COLUMNS = (*tuple(_PROCESS)[:_BEFORE_TIMES], *_TIMES, *tuple(_PROCESS)[_BEFORE_TIMES:])
