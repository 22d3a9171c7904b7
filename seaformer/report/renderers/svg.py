"""A picture of latencies: one bar per row, its 95 % interval as a whisker, the paper beside it.

Below them, engines and precisions of one model against the floor, counted (``_engine_bars``).

Written by hand because the base install has no plotting library. It is readable in light and
dark (it asks the reader's system), needs no network, and carries its text alternative; every
figure in it is also text in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from seaformer.core.measurement import EMULATED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.engines import engine_groups
from seaformer.report.renderers import _engine_bars
from seaformer.report.renderers._shapes import (
    BAR,
    HEAD,
    LABEL,
    PAPER,
    ROW,
    VALUE,
    WIDTH,
    escaped,
    line,
    nice_limit,
    shortened,
    text,
)
from seaformer.report.table import DeviceSection, Report

FILES = ("report.svg",)
MOST_BARS = 40
_STYLE = """
  svg { font: 12px system-ui, sans-serif; }
  .ground { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; }
  .bar { fill: #2f6fb3; } .doubt { fill: none; stroke: #9a6700; stroke-dasharray: 4 2; }
  .whisker { stroke: #1f2328; stroke-width: 1.5; } .line { stroke: #d1d9e0; }
  .counted { fill: #7a4fb5; } .floor { stroke: #bc4c00; stroke-width: 2; }
  .head { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
    .bar { fill: #4c8fd6; } .doubt { stroke: #d29922; }
    .whisker { stroke: #e6edf3; } .line { stroke: #3d444d; }
    .counted { fill: #a884db; } .floor { stroke: #f0883e; }
  }
"""


def render(report: Report) -> dict[str, str]:
    """``report.svg``."""
    return {"report.svg": picture(report)}


def picture(report: Report) -> str:
    """The newest row of every key that has a latency, device after device.

    Of each device the first ``MOST_BARS``, and how many more there are.
    """
    sections = [(one.device.model, drawn(one), _left_out(one)) for one in report.devices]
    sections = [section for section in sections if section[1]]
    body, top = [], 12
    for name, rows, left_out in sections:
        more = f" (the first {len(rows)} of {len(rows) + left_out} rows)" if left_out else ""
        body.append(_section(name + more, rows, top))
        top += HEAD + ROW * len(rows) + 22
    if not sections:
        body, top = [text(20, 36, "No latency has been measured yet.")], 60
    groups = engine_groups(report, EMULATED)
    counted, top = _engine_bars.drawn(groups, top)
    body += counted
    described = filter(None, [alternative(report), _engine_bars.alternative(groups)])
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" '
            f'width="{WIDTH}" height="{top}" role="img" aria-labelledby="title desc">',
            '<title id="title">Latency by model, runtime and device; engines side by side</title>',
            f'<desc id="desc">{escaped(" ".join(described))}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{top}"/>',
            *body,
            "</svg>\n",
        ]
    )


def drawn(section: DeviceSection) -> Sequence[ResultRow]:
    """The rows of one device that get a bar: measured, whole network, newest of their key."""
    return section.timed[:MOST_BARS]


def _left_out(section: DeviceSection) -> int:
    return max(len(section.timed) - MOST_BARS, 0)


def alternative(report: Report, most: int | None = None) -> str:
    """The picture in words, or its first ``most`` bars and how many more there are."""
    bars = [
        f"{row.model} with {words.runtime(row)} {row.precision}{words.variant(row)} "
        f"on {section.device.model}: {words.ms(row.median_ms)} ms"
        f"{'' if row.valid else ' (not valid)'}"
        for section in report.devices
        for row in drawn(section)
    ]
    if not bars:
        return "No latency has been measured yet."
    rest = len(bars) - len(bars[:most]) + sum(map(_left_out, report.devices))
    more = [f"and {rest} more"] if rest else []
    return words.clean("Bars of median latency. " + "; ".join([*bars[:most], *more]) + ".")


def _section(name: str, rows: Sequence[ResultRow], top: int) -> str:
    longest = max(max(row.ci95_high_ms or 0.0, row.median_ms or 0.0) for row in rows)
    scale = BAR / nice_limit(longest)
    bottom = top + HEAD + ROW * len(rows)
    paper_x = LABEL + BAR + VALUE
    parts = [
        text(12, top + 18, name, "head"),
        text(paper_x + PAPER, top + 18, "paper: SD865", "quiet", "end"),
        text(paper_x + PAPER, top + 36, "TNN, 1 core, ms", "quiet", "end"),
        text(LABEL, top + 40, "median, ms (line: 95 % interval)", "quiet"),
        line(LABEL, top + 46, LABEL, bottom),
        line(paper_x, top + 4, paper_x, bottom),
    ]
    parts += [_bar(row, top + HEAD + ROW * i, scale) for i, row in enumerate(rows)]
    limit = nice_limit(longest)
    for part in (0, 0.5, 1):
        x = LABEL + part * BAR
        parts.append(text(x, bottom + 14, f"{limit * part:g}", "quiet", "middle"))
    return "\n".join(parts)


def _bar(row: ResultRow, y: int, scale: float) -> str:
    middle, base = y + ROW / 2 - 4, y + ROW / 2 + 1
    median = row.median_ms or 0.0
    low, high = row.ci95_low_ms or median, row.ci95_high_ms or median
    scope = "" if row.scope == "logits" else f" {row.scope}"
    label = (
        f"{row.model} {row.size}, {words.runtime(row)} {row.precision}{scope}{words.variant(row)}"
    )
    value = f"{words.ms(median)} ms ({words.interval(row)}){'' if row.valid else ' not valid'}"
    x1, x2 = LABEL + low * scale, LABEL + high * scale
    end = LABEL + max(median, high) * scale + 8
    style = "bar" if row.valid else "doubt"
    marks = [
        text(LABEL - 8, base, shortened(label), "", "end"),
        f'<rect class="{style}" x="{LABEL}" y="{y}" width="{median * scale:.2f}" '
        f'height="{ROW - 8}"/>',
        f'<line class="whisker" x1="{x1:.2f}" y1="{middle}" x2="{x2:.2f}" y2="{middle}"/>',
        *(
            f'<line class="whisker" x1="{x:.2f}" y1="{middle - 4}" x2="{x:.2f}" y2="{middle + 4}"/>'
            for x in (x1, x2)
        ),
        text(end, base, value),
        text(WIDTH - 20, base, words.published(row.paper_ms), "quiet", "end"),
    ]
    return "\n".join(marks)
