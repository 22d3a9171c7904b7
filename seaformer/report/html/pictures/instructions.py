"""Executed ARM instructions against the floor: what the multiplications alone would need."""

from __future__ import annotations

from markupsafe import Markup

from seaformer.core.measurement import EMULATED
from seaformer.core.precision import BASE, precisions
from seaformer.core.table import ResultRow
from seaformer.report.engines import floor_millions
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import (
    Missing,
    Picture,
    in_words,
    label,
    latest,
    networks,
)
from seaformer.report.table import Report

_MOST, _ROW, _LEFT = 24, 40.0, 20.0


def draw(report: Report) -> Picture:
    """The newest emulated row of each key that was counted."""
    rows = [row for row in networks(report, EMULATED) if row.instructions]
    missing = Missing(
        "No instructions have been counted yet. This picture is filled by",
        "seaformer bench --variant t --device emulator --threads 1",
    )
    note = (
        "Instructions of one inference, counted on an emulated ARM core: the same on every "
        "machine. The upright line is the floor, the model's multiply-accumulates divided by the "
        f"{BASE.lanes} that one 128-bit instruction does in {BASE.name.upper()} ({_others()}); a "
        "bar twice as long spends half of its instructions on something else. A count is not a "
        "time."
    )
    if len(rows) > _MOST:
        note += f" The newest {_MOST} of {len(rows)} rows are drawn."
    drawing = _drawn(report, latest(rows, _MOST)) if rows else None
    title = "ARM instructions against the floor"
    return Picture("instructions", title, note, drawing, missing, (EMULATED,))


def _others() -> str:
    """``8 in FP16``."""
    return ", ".join(
        f"{row.lanes} in {row.name.upper()}" for row in precisions() if row is not BASE
    )


def _drawn(report: Report, rows: list[ResultRow]) -> Markup:
    counts = [(row.instructions or 0) / 1e6 for row in rows]
    floors = [floor_millions(report, row) for row in rows]
    axis = svg.Axis(0.0, max(counts) * 1.02, _LEFT, svg.WIDTH - _LEFT)
    bottom = 12 + _ROW * len(rows)
    parts = [svg.x_axis(axis, 8, bottom, "million instructions")]
    facts = []
    for i, (row, count, floor) in enumerate(zip(rows, counts, floors, strict=True)):
        y = 14 + _ROW * i
        times = f", {count / floor:.2f} x the floor of {floor:.1f}" if floor else ""
        parts.append(_line(row, axis, y, floor, f"{count:.1f} M{times}"))
        facts.append(f"{label(row)}: {count:.1f} million{times}")
    title = "Executed ARM instructions against the floor"
    return svg.picture("instructions-picture", title, in_words(facts), bottom + 44, *parts)


def _line(row: ResultRow, axis: svg.Axis, y: float, floor: float | None, figure: str) -> Markup:
    count = (row.instructions or 0) / 1e6
    name = f"{label(row)} {row.size}"
    bar = svg.box(_LEFT, y + 17, axis.at(count) - _LEFT, 14, f"bar {EMULATED} counted")
    parts = [
        svg.headed(_LEFT, y + 11, svg.shortened(name, 80), figure),
        svg.opens(row.measurement_id, bar, f"{name}: {figure}"),
    ]
    if floor:
        parts.append(svg.line(axis.at(floor), y + 14, axis.at(floor), y + 34, "floor"))
    return svg.group(*parts)
