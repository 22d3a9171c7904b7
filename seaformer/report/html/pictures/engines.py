"""Engines and precisions of one model side by side: against the floor, or against the fastest.

On an emulated core a bar is instructions, and an upright line at each is the floor of its
precision; on a machine it is the median latency with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.report.engines import EngineBar, EngineGroup, engine_groups
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import Missing, Picture, in_words
from seaformer.report.table import Report

_MOST, _MOST_BARS = 12, 12
_ROW, _LABEL, _VALUE, _HEAD, _GAP = 18.0, 225.0, 285.0, 26.0, 12.0


def draw(report: Report) -> Picture:
    """Models that two engines or more ran on one core, with the same size and ends of the graph."""
    groups = [*engine_groups(report, EMULATED), *engine_groups(report, MEASURED)]
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


def _drawn(groups: Sequence[EngineGroup]) -> Markup:
    parts, facts, top = [], [], 4.0
    for group in groups:
        parts.append(_group(group, top))
        figures = (f"{bar.name} {group.figure(bar)}" for bar in group.bars)
        facts.append(f"{group.name}: {', '.join(figures)}")
        top += _HEAD + _ROW * min(len(group.bars), _MOST_BARS) + _GAP
    title = "Engines and precisions side by side"
    return svg.picture("engines-picture", title, in_words(facts), top, *parts)


def _group(group: EngineGroup, top: float) -> Markup:
    bars = group.bars[:_MOST_BARS]
    axis = svg.Axis(0.0, max(map(_end, bars)), _LABEL, svg.WIDTH - _VALUE)
    more = f", the first {len(bars)} of {len(group.bars)}" if len(bars) < len(group.bars) else ""
    title = svg.shortened(f"{group.name}, {group.unit}, {group.source}{more}", 130)
    lines = [_line(group, bar, axis, top + _HEAD + _ROW * i) for i, bar in enumerate(bars)]
    return svg.group(svg.words(20, top + 14, title, "head"), *lines)


def _end(bar: EngineBar) -> float:
    return max(bar.value, bar.row.ci95_high_ms or 0.0) if bar.row.source == MEASURED else bar.value


def _line(group: EngineGroup, bar: EngineBar, axis: svg.Axis, y: float) -> Markup:
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
