"""Engines and precisions of one model side by side, for the pictures of them.

A group is one model on one core: what was computed, and by which runner, is the same in all bars.
On an emulated core a bar is instructions, with the floor of its precision; on a machine it is the
median latency.
"""

from __future__ import annotations

from dataclasses import dataclass

from seaformer.core.measurement import EMULATED
from seaformer.core.precision import precisions, rank
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.labels import device_label, zoo_row
from seaformer.report.table import Report


@dataclass(frozen=True)
class EngineBar:
    """One engine in one precision; ``floor`` is in the unit of ``value``."""

    row: ResultRow
    value: float
    floor: float | None

    @property
    def name(self) -> str:
        return f"{words.runtime(self.row)} {self.row.precision}"


@dataclass(frozen=True)
class EngineGroup:
    """One model on one core, the best first."""

    name: str
    unit: str
    source: str
    bars: tuple[EngineBar, ...]

    def figure(self, bar: EngineBar) -> str:
        """``194.98 M instructions, 1.39 x the floor``, or ``8.20 ms, 1.31 x the least``."""
        figure = f"{bar.value:.2f} {self.unit}"
        if bar.floor:
            return f"{figure}, {bar.value / bar.floor:.2f} x the floor"
        least = self.bars[0]
        return figure if bar is least else f"{figure}, {bar.value / least.value:.2f} x the least"


def engine_groups(report: Report, source: str) -> list[EngineGroup]:
    """Models that two engines or more ran on one core, measured or emulated."""
    alike: dict[tuple[object, ...], list[EngineBar]] = {}
    for row in report.networks.of(source).rows:
        value = _value(row)
        if row.valid and value:
            floor = floor_millions(report, row) if source == EMULATED else None
            alike.setdefault(_alike(row), []).append(EngineBar(row, value, floor))
    unit = "M instructions" if source == EMULATED else "ms"
    return [
        EngineGroup(_title(report, bars[0].row), unit, source, tuple(sorted(bars, key=_order)))
        for bars in alike.values()
        if len({bar.row.runtime for bar in bars}) > 1
    ]


def _value(row: ResultRow) -> float | None:
    if row.source == EMULATED:
        return None if row.instructions is None else row.instructions / 1e6
    return row.median_ms


def _alike(row: ResultRow) -> tuple[object, ...]:
    """The same for all engines and precisions: what was computed, on what, by which runner."""
    computed = (row.model, row.height, row.width, row.scope)
    return (*computed, row.device, row.core, row.threads, row.runner)


def _order(bar: EngineBar) -> tuple[float, int, str]:
    return bar.value, rank(bar.row.precision), bar.name


def _title(report: Report, row: ResultRow) -> str:
    scope = "" if row.scope == "logits" else f" {row.scope}"
    return f"{row.model} {row.size}{scope}, {device_label(report, row)}"


def floor_millions(report: Report, row: ResultRow) -> float | None:
    """Millions of vector multiply-accumulates the model cannot do without.

    A 128-bit instruction does as many as its precision has lanes. ``None`` where the model or the
    size is not the zoo's, the precision has no such rule, or a tail is part of what ran.
    """
    known = zoo_row(report, row)
    lanes = next((each.lanes for each in precisions() if each.name == row.precision), None)
    if known is None or lanes is None or row.scope != "logits" or row.method != "forward":
        return None
    return known.macs / lanes / 1e6
