"""Stored measurements as a list: one line each, as the index of a store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seaformer.core.measurement import MEASURED
from seaformer.report import words
from seaformer.report.terminal import Cell, Column

if TYPE_CHECKING:
    from seaformer.store.index import IndexEntry


def _valid(entry: IndexEntry) -> Cell:
    if entry.failure is not None:
        return Cell("failed", style="bold red")
    return Cell("yes", style="green") if entry.valid else Cell("no", style="red")


def _median(entry: IndexEntry) -> str:
    return words.ms(entry.median_ms if entry.source == MEASURED else None)


LISTING: tuple[Column[IndexEntry], ...] = (
    Column("id", lambda entry: entry.id, key=True),
    Column("model", lambda entry: entry.model, key=True),
    Column("HxW", lambda entry: entry.size, key=True, shared=True),
    Column("format", lambda entry: entry.format, key=True, shared=True),
    Column("precision", lambda entry: entry.precision, rank=3, shared=True),
    Column("scope", lambda entry: entry.scope, rank=5, shared=True),
    Column("device", lambda entry: entry.device, rank=2, shared=True),
    Column("source", lambda entry: entry.source, rank=4, shared=True),
    Column("median", _median, "ms", right=True),
    Column("instructions", lambda entry: words.instructions(entry.instructions), "M", rank=1),
    Column("valid", _valid),
)
