"""What an emulated row shows, the same on a terminal and in Markdown: counts, and no times."""

from __future__ import annotations

from collections.abc import Sequence

from seaformer.core.table import ResultRow
from seaformer.report import words

_COUNTED = (
    "what one inference executed on an emulated ARM core, counted exactly. No latency can be told "
    "from it. Peak memory includes the emulator's own."
)
_UNCOUNTED = (
    "what an emulated ARM core answered. Nothing was counted there, and no latency can be told "
    "from it. Peak memory may include the emulator's own."
)
_SOME = "Rows without instructions ran where nothing counts them; only their answers are told."
WORDS = ("model", "HxW", "runtime", "precision", "executed in", "scope", "valid")
HEADER = (
    *WORDS[:-1],
    *("instructions M", "spread over repeats", "FMA %", "loaded MB", "stored MB"),
    *("L1 misses k", "L2 misses k", "L3 misses k", "system misses k"),
    *("output max abs", "PSNR dB", "same class %"),
    *("peak MB with emulator", "size MB", "valid"),
)


def note(rows: Sequence[ResultRow]) -> str:
    """What the rows are, without saying of one that it was counted when it was not."""
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
    """One cell for each of ``HEADER``; misses are those of ``core.counts.CacheMisses``."""
    names = [words.model(row), row.size, words.runtime(row), row.precision]
    names += [row.executed or words.NOTHING, row.scope]
    costs = [words.mb(row.peak_mb), words.mb(row.size_mb), words.validity(row)]
    return [*map(words.clean, names), *_counted(row), *_parity(row), *costs]


def _parity(row: ResultRow) -> list[str]:
    shown = (
        (row.output_max_abs, "{:.1e}"),
        (row.output_psnr_db, "{:.1f}"),
        (None if row.output_agreement is None else 100 * row.output_agreement, "{:.2f}"),
    )
    return [words.NOTHING if value is None else text.format(value) for value, text in shown]


def _counted(row: ResultRow) -> list[str]:
    counts = row.counts
    if counts is None:
        return [words.NOTHING] * 9
    caches = counts.caches
    levels = ("l1_misses", "l2_misses", "l3_misses", "system_misses")
    misses = [f"{getattr(caches, name) / 1e3:.0f}" if caches else words.NOTHING for name in levels]
    return [
        words.instructions(counts.instructions),
        words.tiny_percent(row.counts_spread),
        f"{100 * counts.vector_fma / counts.instructions:.1f}",
        *(words.mb(counts.loaded_bytes / 1e6), words.mb(counts.stored_bytes / 1e6)),
        *misses,
    ]
