"""What an emulated row shows, the same on a terminal and in Markdown: counts, and no times."""

from __future__ import annotations

from seaformer.core.table import ResultRow
from seaformer.report.renderers import _text

NOTE = (
    "what one inference executed on an emulated ARM core, counted exactly. No latency can be told "
    "from it. Peak memory includes the emulator's own."
)
WORDS = ("model", "HxW", "runtime", "precision", "executed in", "scope", "valid")
HEADER = (
    *WORDS[:-1],
    *("instructions M", "spread over repeats", "FMA %", "loaded MB", "stored MB"),
    *("L1 misses k", "L2 misses k", "L3 misses k", "system misses k"),
    *("output max abs", "PSNR dB", "same class %"),
    *("peak MB with emulator", "size MB", "valid"),
)


def cells(row: ResultRow) -> list[str]:
    """One cell for each of ``HEADER``; misses are those of ``core.counts.CacheMisses``."""
    names = [_text.model(row), row.size, _text.runtime(row), row.precision]
    names += [row.executed or _text.NOTHING, row.scope]
    costs = [_text.mb(row.peak_mb), _text.mb(row.size_mb), _text.validity(row)]
    return [*map(_text.clean, names), *_counted(row), *_parity(row), *costs]


def _parity(row: ResultRow) -> list[str]:
    shown = (
        (row.output_max_abs, "{:.1e}"),
        (row.output_psnr_db, "{:.1f}"),
        (None if row.output_agreement is None else 100 * row.output_agreement, "{:.2f}"),
    )
    return [_text.NOTHING if value is None else text.format(value) for value, text in shown]


def _counted(row: ResultRow) -> list[str]:
    counts = row.counts
    if counts is None:
        return [_text.NOTHING] * 9
    caches = counts.caches
    levels = ("l1_misses", "l2_misses", "l3_misses", "system_misses")
    misses = [f"{getattr(caches, name) / 1e3:.0f}" if caches else _text.NOTHING for name in levels]
    return [
        _text.instructions(counts.instructions),
        _text.tiny_percent(row.counts_spread),
        f"{100 * counts.vector_fma / counts.instructions:.1f}",
        *(_text.mb(counts.loaded_bytes / 1e6), _text.mb(counts.stored_bytes / 1e6)),
        *misses,
    ]
