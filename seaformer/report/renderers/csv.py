"""CSV files, made with pandas: one row per method, or one row per process.

Units stand in the column names; a figure that does not exist is an empty cell; times are rounded
to a nanosecond so that the same samples give the same bytes everywhere. Emulated rows have counts
and no column of times.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

import pandas as pd

from seaformer.core.counts import CacheMisses, Counts
from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.renderers import _estimated
from seaformer.report.table import Process, Report, newest

FILES = (
    "tables/latency.csv",
    "tables/latest.csv",
    "tables/emulated.csv",
    "tables/processes.csv",
    "tables/estimated.csv",
)
_Cell = str | int | float | bool | None
COLUMNS = (
    *(
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
    ),
    *("device", "device_name", "target", "core", "core_part", "cpus", "threads"),
    *("median_ms", "ci95_low_ms", "ci95_high_ms", "p90_ms", "p99_ms", "min_ms", "max_ms"),
    *("n", "processes", "spread", "cv", "outliers", "peak_mb", "load_ms", "first_ms", "size_mb"),
    *("valid", "flags", "failure", "runner", "runner_build", "governor"),
    *("freq_min_mhz", "freq_max_mhz", "load_average", "temperature_c", "created_at"),
    *("artifact_file", "artifact_sha256", "measurement_id", "command", "commit", "paper_ms"),
)
_COUNTS = tuple(f.name for f in dataclasses.fields(Counts) if f.name != "caches")
_MISSES = tuple(f.name for f in dataclasses.fields(CacheMisses) if not f.name.endswith("_bytes"))
# What an emulated row lacks beside times: it is not pinned, and has no governor.
_TIMED = ("core", "core_part", "cpus", "spread", "cv", "outliers", "governor", "temperature_c")
EMULATED_COLUMNS = (
    *(n for n in COLUMNS if not n.endswith(("_ms", "_mhz")) and n not in _TIMED),
    *("executed", "counts_spread", "output_max_abs", "output_psnr_db"),
    *("output_agreement", *_COUNTS, *_MISSES),
)
PROCESS_COLUMNS = (
    *("measurement_id", "device", "model", "format", "precision", "scope", "method", "process"),
    *("n", "median_ms", "min_ms", "max_ms", "load_ms", "first_ms", "warmup_runs"),
    *("warmup_reason", "stop_reason", "peak_mb", "threads", "affinity", "sample_cpus"),
    *("freq_before_mhz", "freq_after_mhz"),
)


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
    return documents


def table(rows: ResultTable, *, emulated: bool = False) -> str:
    """One line per row, with the columns of a latency or of what an emulator counted."""
    names = EMULATED_COLUMNS if emulated else COLUMNS
    return _lines(list(names), [[_cell(row, name) for name in names] for row in rows.rows])


def processes(rows: Sequence[Process]) -> str:
    """One line per fresh process."""
    return _lines(list(PROCESS_COLUMNS), [_process(process) for process in rows])


def _lines(names: list[str], lines: list[list[_Cell]]) -> str:
    frame = pd.DataFrame([[_value(cell) for cell in line] for line in lines], columns=names)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _value(cell: _Cell) -> str:
    """Text for every cell, so that no column is guessed to be of another type."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{cell:.6f}".rstrip("0").rstrip(".")
    return words.clean(str(cell))


def _cell(row: ResultRow, name: str) -> _Cell:
    if name == "flags":
        return "; ".join(f"{f.name}{' (fatal)' if f.fatal else ''}: {f.detail}" for f in row.flags)
    if name == "cpus":
        return _cpus(row.cpus)
    if name in _MISSES:
        return getattr(row.counts.caches, name) if row.counts and row.counts.caches else None
    if name in _COUNTS:
        return getattr(row.counts, name) if row.counts else None
    value: _Cell = getattr(row, name)
    return value


def _process(process: Process) -> list[_Cell]:
    row, run, samples = process.row, process.run, [ns / 1e6 for ns in process.samples_ns]
    named = [row.measurement_id, row.device, row.model, row.format, row.precision, row.scope]
    times = [statistics.median(samples), min(samples), max(samples)] if samples else [None] * 3
    peak_mb = None if run.peak_rss_bytes is None else run.peak_rss_bytes / 1e6
    ran = [run.warmup_runs, run.warmup_reason, run.stop_reason, peak_mb]
    return [
        *named,
        *(row.method, process.index, run.count),
        *times,
        *(run.load_ns / 1e6, run.first_ns / 1e6),
        *ran,
        *(run.threads, _cpus(run.affinity), _cpus(sorted(set(run.sample_cpus)))),
        *(_mhz(run.freq_before_khz), _mhz(run.freq_after_khz)),
    ]


def _cpus(cpus: Sequence[int]) -> str:
    return " ".join(map(str, cpus))


def _mhz(khz: int | None) -> float | None:
    return khz / 1e3 if khz else None
