"""What an emulated row shows, the same on a terminal and in Markdown: counts, and no times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from seaformer.core.counts import Counts
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.renderers._columns import (
    MODEL,
    PRECISION,
    RUNTIME,
    SCOPE,
    SIZE,
    SIZE_MB,
    VALID,
)
from seaformer.report.terminal import Column

_COUNTED = (
    "what one inference executed on an emulated ARM core, counted exactly. It is not a latency. "
    "Peak memory includes the emulator's own."
)
_UNCOUNTED = (
    "what an emulated ARM core answered. Nothing was counted there, and it is not a "
    "latency. Peak memory may include the emulator's own."
)
_SOME = "Rows without instructions ran where nothing counts them; they have only their answers."


def _misses(level: str) -> Callable[[ResultRow], str]:
    """A cell of thousands of misses; ``level`` is a field of ``core.counts.CacheMisses``."""

    def cell(row: ResultRow) -> str:
        caches = row.counts.caches if row.counts else None
        return f"{getattr(caches, level) / 1e3:.0f}" if caches else words.NOTHING

    return cell


def _counted(form: Callable[[Counts], str]) -> Callable[[ResultRow], str]:
    return lambda row: form(row.counts) if row.counts else words.NOTHING


def _number(value: float | None, form: str) -> str:
    return words.NOTHING if value is None else format(value, form)


COLUMNS: tuple[Column[ResultRow], ...] = (
    MODEL,
    SIZE,
    RUNTIME,
    PRECISION,
    Column("executed in", lambda row: row.executed or words.NOTHING, key=True, shared=True),
    SCOPE,
    Column("instructions", lambda row: words.instructions(row.instructions), "M", right=True),
    Column(
        "spread",
        lambda row: words.tiny_percent(row.counts_spread) if row.counts else words.NOTHING,
        about=("over repeats",),
        rank=9,
        right=True,
    ),
    Column(
        "FMA",
        _counted(lambda counts: f"{100 * counts.vector_fma / counts.instructions:.1f}"),
        "%",
        rank=4,
        right=True,
    ),
    Column(
        "loaded",
        _counted(lambda counts: words.mb(counts.loaded_bytes / 1e6)),
        "MB",
        rank=7,
        right=True,
    ),
    Column(
        "stored",
        _counted(lambda counts: words.mb(counts.stored_bytes / 1e6)),
        "MB",
        rank=8,
        right=True,
    ),
    Column("L1", _misses("l1_misses"), "k", ("misses",), rank=10, right=True),
    Column("L2", _misses("l2_misses"), "k", ("misses",), rank=11, right=True),
    Column("L3", _misses("l3_misses"), "k", ("misses",), rank=12, right=True),
    Column("system", _misses("system_misses"), "k", ("misses",), rank=6, right=True),
    Column(
        "output",
        lambda row: _number(row.output_max_abs, ".1e"),
        about=("max abs",),
        rank=2,
        right=True,
    ),
    Column("PSNR", lambda row: _number(row.output_psnr_db, ".1f"), "dB", rank=5, right=True),
    Column(
        "same",
        lambda row: (
            words.NOTHING if row.output_agreement is None else f"{100 * row.output_agreement:.2f}"
        ),
        "%",
        ("class",),
        rank=3,
        right=True,
    ),
    Column("peak", lambda row: words.mb(row.peak_mb), "MB with emulator", rank=14, right=True),
    SIZE_MB,
    VALID,
)
HEADER = tuple(column.title for column in COLUMNS)


def note(rows: Sequence[ResultRow]) -> str:
    """What the rows are; only one that was counted is called counted."""
    counted = [row.counts is not None for row in rows if row.failure is None]
    if all(counted):
        return _COUNTED
    return f"{_COUNTED} {_SOME}" if any(counted) else _UNCOUNTED


def caption(rows: Sequence[ResultRow]) -> str:
    """As ``note``, in a few words above a table that has no other place for it."""
    counted = [row.counts is not None for row in rows if row.failure is None]
    if all(counted):
        return "Emulated: instructions of one inference, counted exactly; no latency."
    if any(counted):
        return "Emulated: instructions of one inference where they were counted; no latency."
    return "Emulated: the answer alone; nothing was counted, and no latency."


def cells(row: ResultRow) -> list[str]:
    """One cell for each of ``HEADER``."""
    return [words.clean(column.text(row)) for column in COLUMNS]
