"""Executed ARM instructions against the floor: what the multiplications alone would need."""

from __future__ import annotations

from seaformer.core.measurement import EMULATED
from seaformer.core.table import ResultRow
from seaformer.report.renderers import _html_svg as svg
from seaformer.report.renderers._html_markup import Markup
from seaformer.report.renderers._picture import Picture, label, networks, told, zoo_row
from seaformer.report.table import Report

_MOST, _ROW, _LABEL, _VALUE = 24, 26.0, 390.0, 250.0
_LANES = {"fp32": 4, "fp16": 8}


def floor_millions(report: Report, row: ResultRow) -> float | None:
    """Millions of vector multiply-accumulates the model cannot do without.

    A 128-bit instruction does 4 of them in FP32 and 8 in FP16. ``None`` where the model or the
    size is not the zoo's, the precision has no such rule, or a tail is part of what ran.
    """
    known, lanes = zoo_row(report, row), _LANES.get(row.precision)
    if known is None or lanes is None or row.scope != "logits" or row.method != "forward":
        return None
    return known[2] / lanes / 1e6


def draw(report: Report) -> Picture:
    """The newest emulated row of each key that was counted."""
    rows = [row for row in networks(report, EMULATED) if row.instructions]
    missing = (
        "No instructions have been counted yet. This picture is filled by "
        "seaformer bench --variant t --device emulator --threads 1"
    )
    note = (
        "Instructions of one inference, counted on an emulated ARM core: the same on every "
        "machine. The upright line is the floor, the model's multiply-accumulates divided by the "
        "4 that one 128-bit instruction does in FP32 (8 in FP16); a bar twice as long spends half "
        "of its instructions on something else. A count is not a time."
    )
    drawing = _drawn(report, rows[:_MOST]) if rows else None
    title = "ARM instructions against the floor"
    return Picture("instructions", title, note, drawing, missing, (EMULATED,))


def _drawn(report: Report, rows: list[ResultRow]) -> Markup:
    counts = [(row.instructions or 0) / 1e6 for row in rows]
    floors = [floor_millions(report, row) for row in rows]
    axis = svg.Axis(0.0, svg.nice(max(counts)), _LABEL, svg.WIDTH - _VALUE)
    bottom = 12 + _ROW * len(rows)
    parts = [svg.x_axis(axis, 8, bottom, "million instructions")]
    said = []
    for i, (row, count, floor) in enumerate(zip(rows, counts, floors, strict=True)):
        y = 14 + _ROW * i
        times = f", {count / floor:.2f} x the floor of {floor:.1f}" if floor else ""
        parts.append(_line(row, axis, y, floor, f"{count:.1f} M{times}"))
        said.append(f"{label(row)}: {count:.1f} million{times}")
    title = "Executed ARM instructions against the floor"
    return svg.picture("instructions-picture", title, told(said), bottom + 44, *parts)


def _line(row: ResultRow, axis: svg.Axis, y: float, floor: float | None, said: str) -> Markup:
    count = (row.instructions or 0) / 1e6
    name = f"{label(row)} {row.size}"
    bar = svg.box(_LABEL, y, axis.at(count) - _LABEL, _ROW - 10, f"bar {EMULATED} counted")
    parts = [
        svg.words(_LABEL - 10, y + 12, svg.shortened(name, 56), "", "end"),
        svg.opens(row.measurement_id, bar, f"{name}: {said}"),
        svg.words(svg.WIDTH - _VALUE + 10, y + 12, said),
    ]
    if floor:
        parts.append(svg.line(axis.at(floor), y - 3, axis.at(floor), y + _ROW - 7, "floor"))
    return svg.group(*parts)
