"""``Picture``: one figure of ``report.html``, drawn or missing, and which rows it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.table import Report


@dataclass(frozen=True)
class Missing:
    """Why a picture is empty: a reason that ends where the ``command`` that fills it follows."""

    reason: str
    command: str


@dataclass(frozen=True)
class Picture:
    """``drawing`` is ``None`` without data, for the reason in ``missing``."""

    slug: str
    title: str
    note: str
    drawing: Markup | None
    missing: Missing | None = None
    legend: tuple[str, ...] = ()


def networks(report: Report, *sources: str) -> list[ResultRow]:
    """Whole networks with a figure that did not fail: the newest of each key."""
    return list(report.networks.of(*sources).rows)


def latest(rows: Sequence[ResultRow], most: int) -> list[ResultRow]:
    """The ``most`` rows that were taken last, in the order they came in."""
    by_time = sorted(rows, key=lambda row: row.created_at, reverse=True)
    kept = {id(row) for row in by_time[:most]}
    return [row for row in rows if id(row) in kept]


def label(row: ResultRow) -> str:
    """``seaformer_t.ade20k executorch 1.5.1 fp32 upsample``."""
    scope = "" if row.scope == "logits" else f" {row.scope}"
    return f"{row.model} {words.runtime(row)} {row.precision}{scope}{words.variant(row)}"


def in_words(sentences: Sequence[str], most: int = 40) -> str:
    """Figures in words for a description, the first ``most`` of them."""
    rest = len(sentences) - most
    more = [f"and {rest} more"] if rest > 0 else []
    return "; ".join([*sentences[:most], *more]) + "."
