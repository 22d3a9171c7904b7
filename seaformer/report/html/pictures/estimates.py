"""Estimates beside the published figures: a hollow mark with its interval, and the paper's cross.

They are handed to the report; none is a row of its table, and none was measured.
"""

from __future__ import annotations

from markupsafe import Markup

from seaformer.core.estimate import Estimate
from seaformer.core.measurement import ESTIMATED, PAPER
from seaformer.report import words
from seaformer.report.estimate import DOMAINS, NOTE, interval, name
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import Missing, Picture, in_words
from seaformer.report.table import Report

_MOST, _ROW, _LEFT = 40, 38.0, 20.0
_UNSEEN = "The calibration of each has not seen its family of networks. Lower times are better."


def draw(report: Report) -> Picture:
    """Estimates whose network was published, from the fastest to the slowest."""
    rows = [row for row in report.estimates if row.published_ms]
    rows.sort(key=lambda row: (row.core, row.published_ms, name(row)))
    missing = Missing(
        "No model with a published figure has been counted yet. This picture is filled by",
        "seaformer bench --variant t,s,b --device emulator --threads 1",
    )
    title = "Estimated against published latency"
    note = " ".join((_note(rows), _UNSEEN)) if rows else ""
    drawing = _drawn(title, rows[:_MOST]) if rows else None
    if len(rows) > _MOST:
        note += f" {_MOST} of {len(rows)} are drawn."
    return Picture("estimates", title, note, drawing, missing, (ESTIMATED, PAPER))


def difference(row: Estimate) -> float:
    """The estimate over the published figure, less 1."""
    return row.estimate_ms / (row.published_ms or row.estimate_ms) - 1


def _note(rows: list[Estimate]) -> str:
    cores = " or ".join(dict.fromkeys(row.core for row in rows))
    sentences = [NOTE.format(emulated=rows[0].emulated, core=cores)]
    sizes = [abs(difference(row)) for row in rows if row.inside]
    if sizes:
        mean, worst = 100 * sum(sizes) / len(sizes), 100 * max(sizes)
        sentences.append(
            f"Inside the domain they differ by {mean:.1f} % on average, {worst:.1f} % at most."
        )
    return " ".join(sentences)


def _drawn(title: str, rows: list[Estimate]) -> Markup:
    ends = [ms for row in rows for ms in (*row.interval_ms, row.published_ms or row.estimate_ms)]
    axis = svg.Axis(min(ends) / 1.1, max(ends) * 1.1, _LEFT, svg.WIDTH - _LEFT, log=True)
    bottom = 16 + _ROW * len(rows)
    parts = [svg.x_axis(axis, 8, bottom, "ms (logarithmic)")]
    parts += [_line(row, axis, 12 + _ROW * place) for place, row in enumerate(rows)]
    facts = in_words([f"{name(row)}: {_figure(row)}" for row in rows])
    return svg.picture("estimates-picture", title, facts, bottom + 44, *parts)


def _line(row: Estimate, axis: svg.Axis, y: float) -> Markup:
    low, high = (axis.at(ms) for ms in row.interval_ms)
    outside = "" if row.inside else f" {DOMAINS[row.inside]}"
    return svg.group(
        svg.headed(_LEFT, y + 11, svg.shortened(name(row), 80), f"{_figure(row)}{outside}"),
        svg.whisker(ESTIMATED, low, high, y + 23),
        svg.mark(ESTIMATED, axis.at(row.estimate_ms), y + 23, doubt=not row.inside),
        svg.mark(PAPER, axis.at(row.published_ms or row.estimate_ms), y + 23),
    )


def _figure(row: Estimate) -> str:
    """``41.20 ms (35.10–48.40), published 40 ms, +3.0 %``."""
    ms = f"{words.ms(row.estimate_ms)} ms ({interval(row)})"
    return f"{ms}, published {words.published(row.published_ms)} ms, {100 * difference(row):+.1f} %"
