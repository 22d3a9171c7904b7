"""Lists of what is kept: stored measurements as the index has them, and the cache by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seaformer.core.cache import CacheKind
from seaformer.core.measurement import MEASURED
from seaformer.report import words
from seaformer.report.terminal import Block, Cell, Column, Line, Table

if TYPE_CHECKING:
    from seaformer.store.index import IndexEntry


def _valid(entry: IndexEntry) -> Cell:
    if entry.failure is not None:
        return Cell("failed", style="bold red")
    return Cell("yes", style="green") if entry.valid else Cell("no", style="red")


def _median(entry: IndexEntry) -> str:
    return words.ms(entry.median_ms if entry.source == MEASURED else None)


def listing_page(
    entries: Sequence[IndexEntry], short: Mapping[str, str], summary: str
) -> list[Block]:
    """One line each; ``short`` are ids short enough for a terminal, by whole ones."""
    columns: tuple[Column[IndexEntry], ...] = (
        Column("id", lambda entry: Cell(entry.id, short.get(entry.id, "")), key=True),
        Column("model", lambda entry: entry.model, key=True),
        Column("HxW", lambda entry: entry.size, rank=4, key=True, shared=True),
        Column("format", lambda entry: entry.format, rank=2, key=True, shared=True),
        Column("precision", lambda entry: entry.precision, rank=3, shared=True),
        Column("scope", lambda entry: entry.scope, rank=7, shared=True),
        Column("device", lambda entry: entry.device, rank=5, shared=True),
        Column("source", lambda entry: entry.source, rank=6, shared=True),
        Column("median", _median, "ms", right=True),
        Column("instructions", _instructions, "M", rank=1, right=True),
        Column("valid", _valid),
    )
    return [Table(columns, entries), Line(summary)]


def _instructions(entry: IndexEntry) -> str:
    return words.instructions(entry.instructions)


CACHE: tuple[Column[CacheKind], ...] = (
    Column("kind", lambda kind: kind.name, key=True),
    Column("size", lambda kind: words.mb(kind.size_bytes / 1e6), "MB", right=True),
    Column("entries", lambda kind: str(kind.entries), rank=1, right=True),
    Column("contents", lambda kind: kind.contents, below="{}"),
)


def cache_page(home: Path, kinds: Sequence[CacheKind]) -> list[Block]:
    """Where the cache is, what it holds, and its whole size."""
    size = sum(kind.size_bytes for kind in kinds) / 1e6
    total = f"{words.mb(size)} MB in {home}; $SEAFORMER_CACHE names another folder."
    return [*([Table(CACHE, kinds)] if kinds else []), Line(total, hang=2)]
