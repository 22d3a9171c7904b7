"""Every sample of the newest rows as a stroke, process under process, relative to the median."""

from __future__ import annotations

from markupsafe import Markup

from seaformer.core.measurement import MEASURED, Measurement
from seaformer.core.stats import quantile
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

_MOST, _LANE, _GAP, _LEFT, _HEAD = 16, 9.0, 14.0, 20.0, 18.0
Lanes = list[list[float]]
_LOWEST, _HIGHEST, _LEAST = -10.0, 30.0, 2.0


def draw(report: Report) -> Picture:
    """The newest rows; every other row's samples open with its number."""
    rows = networks(report, MEASURED)
    missing = Missing(
        "No latency has been measured yet. This picture is filled by",
        "seaformer bench --variant t --threads 1",
    )
    note = (
        "One stroke per sample, one lane per fresh process, in percent of the row's median; the "
        "band is the median's 95 % interval. Samples beyond the axis are counted at its end. "
        "Wide or shifted lanes are why an interval is wide."
    )
    if len(rows) > _MOST:
        note += f" The newest {_MOST} of {len(rows)} rows are drawn; a row's own open with it."
    drawing = _drawn(report, latest(rows, _MOST)) if rows else None
    return Picture("samples", "Distribution of samples", note, drawing, missing, (MEASURED,))


def _drawn(report: Report, rows: list[ResultRow]) -> Markup:
    runs = {run.id: run for run in report.measurements}
    axis = _axis([_lanes(row, runs[row.measurement_id]) for row in rows])
    parts, facts, top = [], [], 12.0
    for row in rows:
        run = runs[row.measurement_id]
        drawn, height = _row(report, row, run, axis, top)
        parts.append(drawn)
        facts.append(f"{label(row)}: {row.n} samples, spread {words.percent(row.spread)}")
        top += height + _GAP
    frame = svg.x_axis(axis, 6, top, "deviation from the row's median", " %")
    return svg.picture(
        "samples-picture", "Samples of the newest rows", in_words(facts), top + 44, frame, *parts
    )


def _lanes(row: ResultRow, run: Measurement) -> Lanes:
    """Per process, each sample's deviation from the row's median in percent."""
    median = row.median_ms or 1.0
    pieces = run.methods[row.method].by_process()
    return [[100 * (ns / 1e6 / median - 1) for ns in samples] for samples in pieces]


def _axis(rows: list[Lanes]) -> svg.Axis:
    """Wide enough for nearly all samples of each row, and never absurdly wide."""
    ends = [sorted(value for lane in lanes for value in lane) for lanes in rows]
    low = min([every[0] for every in ends if every], default=0.0)
    high = max([quantile(every, 0.995) for every in ends if every], default=0.0)
    low, high = max(-svg.nice(max(-low, _LEAST)), _LOWEST), min(max(high, _LEAST), _HIGHEST)
    return svg.Axis(low, min(svg.nice(high), _HIGHEST), _LEFT, svg.WIDTH - 60)


def _row(
    report: Report, row: ResultRow, run: Measurement, axis: svg.Axis, top: float
) -> tuple[Markup, float]:
    median, lanes = row.median_ms or 1.0, _lanes(row, run)
    height = _LANE * max(len(lanes), 2)
    low = 100 * ((row.ci95_low_ms or median) / median - 1)
    high = 100 * ((row.ci95_high_ms or median) / median - 1)
    lane_top = top + _HEAD
    band = svg.box(axis.at(low), lane_top, axis.at(high) - axis.at(low), height, "band")
    strokes = [
        svg.strip(
            [axis.at(value) for value in lane if axis.low <= value <= axis.high],
            lane_top + _LANE * i,
            _LANE - 2,
            "stroke",
        )
        for i, lane in enumerate(lanes)
    ]
    beyond = sum(not axis.low <= value <= axis.high for lane in lanes for value in lane)
    more = [svg.words(svg.WIDTH - 54, lane_top + 10, f"+{beyond}", "quiet")] if beyond else []
    figures = f"{words.ms(row.median_ms)} ms, {row.n} samples, {device_label(report, row)}"
    name = svg.headed(_LEFT, top + 11, svg.shortened(label(row), 72), svg.shortened(figures, 50))
    drawn = svg.opens(row.measurement_id, svg.group(band, *strokes), f"{label(row)}: {figures}")
    return svg.group(name, drawn, *more), _HEAD + height
