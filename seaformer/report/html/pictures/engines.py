"""Engines and precisions of one model side by side: against the floor, or against the fastest.

On an emulated core a bar is instructions, and an upright line at each is the floor of its
precision; on a machine it is the median latency with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.precision import rank
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.html import svg
from seaformer.report.html.pictures.instructions import floor_millions
from seaformer.report.html.pictures.picture import (
    Missing,
    Picture,
    device_label,
    in_words,
    networks,
)
from seaformer.report.table import Report

_MOST, _MOST_BARS = 12, 12
_ROW, _LABEL, _VALUE, _HEAD, _GAP = 18.0, 225.0, 285.0, 26.0, 12.0


@dataclass(frozen=True)
class _Bar:
    """One engine in one precision; ``floor`` is in the unit of ``value``."""

    row: ResultRow
    value: float
    floor: float | None

    @property
    def name(self) -> str:
        return f"{words.runtime(self.row)} {self.row.precision}"


@dataclass(frozen=True)
class _Group:
    """One model on one core, the best first."""

    name: str
    unit: str
    source: str
    bars: tuple[_Bar, ...]

    def figure(self, bar: _Bar) -> str:
        """``194.98 M instructions, 1.39 x the floor``, or ``8.20 ms, 1.31 x the least``."""
        figure = f"{bar.value:.2f} {self.unit}"
        if bar.floor:
            return f"{figure}, {bar.value / bar.floor:.2f} x the floor"
        least = self.bars[0]
        return figure if bar is least else f"{figure}, {bar.value / least.value:.2f} x the least"


def draw(report: Report) -> Picture:
    """Models that two engines or more ran on one core, with the same size and ends of the graph."""
    groups = [*_groups(report, EMULATED), *_groups(report, MEASURED)]
    missing = Missing(
        "No model has been run by two engines yet. This picture is filled by",
        "seaformer bench --variant t --format all --threads 1",
    )
    note = (
        "The same model, size, scope, core and threads; the best is first. Instructions of an "
        "emulated core are drawn against the floor of their precision, the upright line at each "
        "bar: multiply-accumulates over those that one 128-bit instruction does. Latencies have a "
        "95 % interval, where two that overlap may be equal; they have no floor."
    )
    if len(groups) > _MOST:
        note += f" {_MOST} of {len(groups)} models are drawn."
    drawing = _drawn(groups[:_MOST]) if groups else None
    sources = tuple(dict.fromkeys(group.source for group in groups[:_MOST]))
    return Picture("engines", "Engines side by side", note, drawing, missing, sources)


def _groups(report: Report, source: str) -> list[_Group]:
    alike: dict[tuple[object, ...], list[_Bar]] = {}
    for row in networks(report, source):
        value = _value(row)
        if row.valid and value:
            floor = floor_millions(report, row) if source == EMULATED else None
            alike.setdefault(_alike(row), []).append(_Bar(row, value, floor))
    unit = "M instructions" if source == EMULATED else "ms"
    return [
        _Group(_title(report, bars[0].row), unit, source, tuple(sorted(bars, key=_order)))
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


def _order(bar: _Bar) -> tuple[float, int, str]:
    return bar.value, rank(bar.row.precision), bar.name


def _title(report: Report, row: ResultRow) -> str:
    scope = "" if row.scope == "logits" else f" {row.scope}"
    return f"{row.model} {row.size}{scope}, {device_label(report, row)}"


def _drawn(groups: Sequence[_Group]) -> Markup:
    parts, facts, top = [], [], 4.0
    for group in groups:
        parts.append(_group(group, top))
        figures = (f"{bar.name} {group.figure(bar)}" for bar in group.bars)
        facts.append(f"{group.name}: {', '.join(figures)}")
        top += _HEAD + _ROW * min(len(group.bars), _MOST_BARS) + _GAP
    title = "Engines and precisions side by side"
    return svg.picture("engines-picture", title, in_words(facts), top, *parts)


def _group(group: _Group, top: float) -> Markup:
    bars = group.bars[:_MOST_BARS]
    axis = svg.Axis(0.0, max(map(_end, bars)), _LABEL, svg.WIDTH - _VALUE)
    more = f", the first {len(bars)} of {len(group.bars)}" if len(bars) < len(group.bars) else ""
    title = svg.shortened(f"{group.name}, {group.unit}, {group.source}{more}", 130)
    lines = [_line(group, bar, axis, top + _HEAD + _ROW * i) for i, bar in enumerate(bars)]
    return svg.group(svg.words(20, top + 14, title, "head"), *lines)


def _end(bar: _Bar) -> float:
    return max(bar.value, bar.row.ci95_high_ms or 0.0) if bar.row.source == MEASURED else bar.value


def _line(group: _Group, bar: _Bar, axis: svg.Axis, y: float) -> Markup:
    figure = group.figure(bar)
    style = f"bar {group.source} {'counted' if group.source == EMULATED else 'filled'}"
    drawn = svg.box(_LABEL, y, axis.at(bar.value) - _LABEL, _ROW - 5, style)
    parts = [
        svg.words(_LABEL - 10, y + 11, svg.shortened(bar.name, 34), "", "end"),
        svg.opens(bar.row.measurement_id, drawn, f"{group.name} {bar.name}: {figure}"),
        svg.words(axis.at(_end(bar)) + 8, y + 11, figure),
    ]
    if bar.floor:
        at = axis.at(bar.floor)
        parts.append(svg.line(at, y - 2, at, y + _ROW - 3, "floor"))
    low, high = bar.row.ci95_low_ms, bar.row.ci95_high_ms
    if group.source == MEASURED and low is not None and high is not None:
        parts.append(svg.whisker("over", axis.at(low), axis.at(high), y + (_ROW - 5) / 2))
    return svg.group(*parts)
