"""Our latency over the paper's, row by row, on a logarithmic axis with a line at one."""

from __future__ import annotations

from markupsafe import Markup

from seaformer.core.measurement import ESTIMATED, MEASURED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import (
    Missing,
    Picture,
    in_words,
    label,
    latest,
    networks,
)
from seaformer.report.labels import device_label
from seaformer.report.table import Report

_MOST, _ROW, _HEAD, _LEFT = 30, 38.0, 30.0, 20.0


def draw(report: Report) -> Picture:
    """Rows that ran what the paper timed: logits, at that size, in a precision it gives."""
    rows = [row for row in networks(report, MEASURED, ESTIMATED) if row.paper_ms]
    missing = Missing(
        "No model of the paper has been timed yet. This picture is filled by",
        "seaformer bench --variant t,s,b --threads 1",
    )
    note = (
        "Ours divided by the paper's figure for the same model, precision and scope. Only a row of "
        "a Snapdragon 865 tests the paper; on another device the ratio is how far that device "
        "is from the paper's phone. The line is the 95 % interval of our median."
    )
    sources = tuple(s for s in (MEASURED, ESTIMATED) if any(row.source == s for row in rows))
    shown = sorted(latest(rows, _MOST), key=lambda row: device_label(report, row))
    drawing = _drawn(report, shown) if rows else None
    if len(rows) > _MOST:
        note += f" The newest {_MOST} of {len(rows)} rows are drawn; the table has all."
    return Picture("ratio", "Ratio to the paper", note, drawing, missing, sources)


def ratio(row: ResultRow) -> float:
    return (row.median_ms or 0.0) / (row.paper_ms or 1.0)


def _drawn(report: Report, rows: list[ResultRow]) -> Markup:
    ratios = [ratio(row) for row in rows]
    low, high = min([*ratios, 1.0]) / 1.4, max([*ratios, 1.0]) * 1.4
    axis = svg.Axis(max(low, 1e-6), high, _LEFT, svg.WIDTH - _LEFT, log=True)
    devices = [device_label(report, row) for row in rows]
    bottom = 20 + _ROW * len(rows) + _HEAD * len(set(devices))
    one = axis.at(1.0)
    parts = [svg.x_axis(axis, 10, bottom, "ours / paper (logarithmic)")]
    parts += [svg.line(one, 4, one, bottom, "paper-line")]
    parts += [svg.words(one + 4, 10, "paper", "quiet")]
    y = 16.0
    for i, (row, device) in enumerate(zip(rows, devices, strict=True)):
        if device not in devices[:i]:
            parts.append(svg.words(_LEFT, y + 16, device, "head"))
            y += _HEAD
        parts.append(_line(report, row, axis, y))
        y += _ROW
    facts = [f"{label(row)} on {device_label(report, row)}: {ratio(row):.2f}" for row in rows]
    return svg.picture(
        "ratio-picture", "Our latency over the paper's", in_words(facts), bottom + 44, *parts
    )


def _line(report: Report, row: ResultRow, axis: svg.Axis, y: float) -> Markup:
    paper_ms = row.paper_ms or 1.0
    x = axis.at(ratio(row))
    where = device_label(report, row)
    value = f"{ratio(row):.2f} = {words.ms(row.median_ms)} / {words.published(row.paper_ms)} ms"
    name = svg.shortened(label(row), 80)
    parts = [svg.headed(_LEFT, y + 11, name, f"{value}{_doubt(row)}")]
    y += 23
    if row.ci95_low_ms and row.ci95_high_ms:
        ends = (axis.at(row.ci95_low_ms / paper_ms), axis.at(row.ci95_high_ms / paper_ms))
        parts.append(svg.whisker(row.source, *ends, y))
    hint = f"{label(row)} on {where}: {value}"
    drawn = svg.mark(row.source, x, y, doubt=not row.valid)
    parts.append(svg.opens(row.measurement_id, drawn, hint))
    return svg.group(*parts)


def _doubt(row: ResultRow) -> str:
    return "" if row.valid else " not valid"
