"""Shares of the network's parts as stacked bars, the paper's figure 10 first."""

from __future__ import annotations

from markupsafe import Markup

from seaformer.core import paper
from seaformer.core.measurement import MEASURED
from seaformer.core.table import ResultRow
from seaformer.report.components import Component, components, with_components
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import Missing, Picture, in_words, label
from seaformer.report.labels import device_label
from seaformer.report.table import Report

_MOST, _ROW, _LABEL = 10, 46.0, 20.0
_ORDER = tuple(paper.COMPONENTS)
Shares = list[tuple[str, float]]


def draw(report: Report) -> Picture:
    """Measurements with components, newest of each key; nothing is drawn of the paper alone."""
    groups = with_components(report.table)
    missing = Missing(
        "No network has been measured in its parts yet. This picture is filled by",
        "seaformer bench --variant t --components --threads 1",
    )
    note = (
        "Shares of the sum of the parts, each run alone: of time where it was measured, of "
        "executed instructions where it was emulated. The paper's bar is figure 10: SeaFormer-T "
        "on one core of a Snapdragon 865; its shares are printed without decimals and add up to "
        "99. What the whole takes beyond the sum of its parts is in the tables."
    )
    if len(groups) > _MOST:
        note += f" {_MOST} of {len(groups)} networks are drawn."
    drawing = _drawn(report, groups[:_MOST]) if groups else None
    sources = tuple(dict.fromkeys(rows[0].source for rows in groups[:_MOST]))
    return Picture("components", "Shares of the parts", note, drawing, missing, (*sources, "paper"))


def parts_of(rows: list[ResultRow]) -> list[Component]:
    """The methods themselves, without the sum and the remainder."""
    return [part for part in components(rows) if part.name not in ("sum", "remainder")]


def _drawn(report: Report, groups: list[list[ResultRow]]) -> Markup:
    bars: list[tuple[str, Shares, ResultRow | None]] = [
        ("paper, figure 10: SeaFormer-T, Snapdragon 865, TNN", _published(), None)
    ]
    for rows in groups:
        first = rows[0]
        kind = "of time, measured" if first.source == MEASURED else "of instructions, emulated"
        name = f"{label(first)}, {device_label(report, first)} ({kind})"
        bars.append((name, _shares(rows), first))
    drawn = [_bar(bar, 6 + _ROW * i) for i, bar in enumerate(bars)]
    facts = [
        f"{name}: " + ", ".join(f"{part} {100 * share:.1f} %" for part, share in shares)
        for name, shares, _ in bars
    ]
    height = 6 + _ROW * len(bars) + 6
    return svg.picture(
        "components-picture", "Shares of the parts of the network", in_words(facts), height, *drawn
    )


def _published() -> Shares:
    shares = paper.component_shares()
    total = sum(shares.values())
    return [(name, shares[printed] / total) for name, printed in paper.COMPONENTS.items()]


def _shares(rows: list[ResultRow]) -> Shares:
    parts = parts_of(rows)
    known = {name: i for i, name in enumerate(_ORDER)}
    parts.sort(key=lambda part: known.get(part.name, len(known)))
    total = sum(part.share for part in parts) or 1.0
    return [(part.name, part.share / total) for part in parts]


def _bar(bar: tuple[str, Shares, ResultRow | None], top: float) -> Markup:
    name, shares, row = bar
    wide = svg.WIDTH - 2 * _LABEL
    parts, x = [svg.words(_LABEL, top + 12, svg.shortened(name, 140), "quiet")], _LABEL
    pieces = []
    for i, (part, share) in enumerate(shares):
        style = f"part part{_ORDER.index(part) if part in _ORDER else 4 + i % 3}"
        style += "" if row else " outlined"
        pieces.append(svg.box(x, top + 17, share * wide, 20, style))
        text = f"{part} {100 * share:.1f} %" if row else f"{part} {100 * share:.0f} %"
        if 7 * len(text) < share * wide:
            pieces.append(svg.words(x + 6, top + 31, text, "on-part"))
        elif share * wide > 30:
            pieces.append(svg.words(x + 4, top + 31, f"{100 * share:.0f} %", "on-part"))
        x += share * wide
    drawn = svg.group(*pieces)
    parts.append(svg.opens(row.measurement_id, drawn, name) if row else drawn)
    return svg.group(*parts)
