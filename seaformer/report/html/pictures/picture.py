"""``Picture``: one figure of ``report.html``, drawn or told to be missing, and whom it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.spec import ModelSpec
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report import words
from seaformer.report.html.markup import Markup
from seaformer.report.table import FORWARD, Report, newest
from seaformer.report.zoo import ZooRow


@dataclass(frozen=True)
class Picture:
    """``drawing`` is ``None`` where there is no data; ``missing`` then says so in one sentence,
    ending with the command that would fill it."""

    slug: str
    title: str
    note: str
    drawing: Markup | None
    missing: str
    legend: tuple[str, ...] = ()


def networks(report: Report, *sources: str) -> list[ResultRow]:
    """Whole networks with a figure that did not fail: the newest of each key."""
    rows = report.table.of(*(sources or (MEASURED,))).method(FORWARD).rows
    return list(newest(ResultTable(tuple(row for row in rows if _told(row)))).rows)


def latest(rows: Sequence[ResultRow], most: int) -> list[ResultRow]:
    """The ``most`` rows that were taken last, in the order they came in."""
    by_time = sorted(rows, key=lambda row: row.created_at, reverse=True)
    kept = {id(row) for row in by_time[:most]}
    return [row for row in rows if id(row) in kept]


def _told(row: ResultRow) -> bool:
    """An emulated row tells instructions, the others a latency."""
    figure = row.instructions if row.source == EMULATED else row.median_ms
    return bool(figure) and row.failure is None


def zoo_row(report: Report, row: ResultRow) -> ZooRow | None:
    """What is known of the row's model, where the row ran it at the model's own size."""
    for known in report.zoo:
        spec: ModelSpec = known[0]
        if spec.name == row.model and (spec.height, spec.width) == (row.height, row.width):
            return known
    return None


def label(row: ResultRow) -> str:
    """``seaformer_t.ade20k executorch 1.5.1 fp32 upsample``."""
    scope = "" if row.scope == "logits" else f" {row.scope}"
    return f"{row.model} {words.runtime(row)} {row.precision}{scope}"


def told(sentences: Sequence[str], most: int = 40) -> str:
    """Figures in words for a description, the first ``most`` of them."""
    rest = len(sentences) - most
    more = [f"and {rest} more"] if rest > 0 else []
    return "; ".join([*sentences[:most], *more]) + "."


def device_label(report: Report, row: ResultRow) -> str:
    """The device's name, with its id where another device has the same name."""
    same = {found.device.id for found in report.devices if found.device.model == row.device_name}
    return f"{row.device_name} ({row.device})" if len(same) > 1 else row.device_name
