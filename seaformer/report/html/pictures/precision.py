"""Precisions of one model side by side: time where it was measured, instructions where emulated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, MEASURED, PAPER
from seaformer.core.precision import find_precision, names, rank
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.html import svg
from seaformer.report.html.markup import tag
from seaformer.report.html.pictures.picture import Missing, Picture, in_words, networks
from seaformer.report.labels import device_label, zoo_row
from seaformer.report.table import Report

_MOST, _ROW, _LABEL, _VALUE, _HEAD = 12, 18.0, 110.0, 230.0, 26.0
_TEXTURES = ("filled", "hatched", "dotted")  # by the rank of a precision


@dataclass(frozen=True)
class _Bar:
    precision: str
    value: float
    row: ResultRow | None = None


@dataclass(frozen=True)
class _Group:
    """One model on one device in several precisions; ``unit`` is what the bars are."""

    name: str
    unit: str
    source: str
    bars: tuple[_Bar, ...]


def draw(report: Report) -> Picture:
    """Groups with two precisions or more, and the paper's own pair under each of its models."""
    groups = _groups(report, MEASURED, "ms") + _groups(report, EMULATED, "M instructions")
    missing = Missing(
        "No model has been run in two precisions yet. This picture is filled by",
        f"seaformer bench --variant t --precision {','.join(names())} --threads 1",
    )
    note = f"The same model, size, scope, format and core. {_legend()}."
    sources = tuple(dict.fromkeys(group.source for group in groups))
    if len(groups) > _MOST:
        note += f" The newest {_MOST} of {len(groups)} groups are drawn."
    drawing = _drawn(groups[:_MOST]) if groups else None
    theirs = any(bar.row is None for group in groups[:_MOST] for bar in group.bars)
    if theirs:
        note += " The paper's pair (table 16, Snapdragon 865) has an outline only."
        sources += (PAPER,)
    return Picture("precision", "Precisions side by side", note, drawing, missing, sources)


def _groups(report: Report, source: str, unit: str) -> list[_Group]:
    alike: dict[ResultRow, list[ResultRow]] = {}
    for row in networks(report, source):
        if row.valid and _value(row, unit) is not None:
            alike.setdefault(_alike(row), []).append(row)
    groups = []
    for rows in alike.values():
        if len(rows) > 1:
            ordered = sorted(rows, key=lambda row: (rank(row.precision), row.precision))
            bars = [_Bar(row.precision, _value(row, unit) or 0.0, row) for row in ordered]
            name = f"{rows[0].model} {words.runtime(rows[0])}, {device_label(report, rows[0])}"
            groups.append(_Group(name, unit, source, (*bars, *_published(report, rows[0], unit))))
    return groups


def _alike(row: ResultRow) -> ResultRow:
    """The same for all precisions of one thing: what it was measured on and with."""
    return replace(
        ResultRow(
            source=row.source,
            model=row.model,
            format=row.format,
            runtime=row.runtime,
            precision="",
            scope=row.scope,
            device=row.device,
            device_name=row.device_name,
            target=row.target,
            core=row.core,
            threads=row.threads,
            valid=True,
        ),
        height=row.height,
        width=row.width,
        runner=row.runner,
    )


def _value(row: ResultRow, unit: str) -> float | None:
    if unit == "ms":
        return row.median_ms
    return None if row.instructions is None else row.instructions / 1e6


def _legend() -> str:
    """``FP32 is filled, FP16 hatched``."""
    (first, texture), *others = zip(names(), _TEXTURES, strict=False)
    words = [f"{first.upper()} is {texture}", *(f"{name.upper()} {kind}" for name, kind in others)]
    return ", ".join(words)


def _published(report: Report, row: ResultRow, unit: str) -> list[_Bar]:
    known = zoo_row(report, row)
    paper = known.spec.paper if known else None
    if unit != "ms" or paper is None or row.scope != "logits":
        return []
    pair = [
        (name, paper.latency_in(name)) for name in names() if find_precision(name).paper_latency
    ]
    return [_Bar(name, value) for name, value in pair if value] if all(v for _, v in pair) else []


def _drawn(groups: list[_Group]) -> Markup:
    parts, facts, top = [_hatch()], [], 4.0
    for group in groups:
        drawn, height = _group(group, top)
        parts.append(drawn)
        values = (f"{_name(bar)} {bar.value:.2f}" for bar in group.bars)
        facts.append(f"{group.name} in {group.unit}: {', '.join(values)}")
        top += height + 12
    return svg.picture("precision-picture", "Precisions side by side", in_words(facts), top, *parts)


def _group(group: _Group, top: float) -> tuple[Markup, float]:
    longest = max(bar.value for bar in group.bars) or 1.0
    axis = svg.Axis(0.0, longest, _LABEL, svg.WIDTH - _VALUE)
    title = f"{group.name}, {group.unit}, {group.source}"
    parts = [svg.words(20, top + 14, svg.shortened(title, 130), "head")]
    first = group.bars[0].value or 1.0
    for i, bar in enumerate(group.bars):
        y = top + _HEAD + _ROW * i
        style = f"bar {group.source} {_texture(bar)}" if bar.row else "bar paper"
        drawn = svg.box(_LABEL, y, axis.at(bar.value) - _LABEL, _ROW - 5, style)
        if bar.row:
            drawn = svg.opens(bar.row.measurement_id, drawn, f"{group.name} {bar.precision}")
        share = f" ({bar.value / first:.2f} of {group.bars[0].precision})" if bar.row and i else ""
        figure = f"{bar.value:.2f} {group.unit}{share}"
        parts += [
            svg.words(_LABEL - 10, y + 11, _name(bar), "" if bar.row else "quiet", "end"),
            drawn,
            svg.words(axis.at(bar.value) + 8, y + 11, figure, "" if bar.row else "quiet"),
        ]
    return svg.group(*parts), _HEAD + _ROW * len(group.bars)


def _name(bar: _Bar) -> str:
    return bar.precision if bar.row else f"paper {bar.precision}"


def _texture(bar: _Bar) -> str:
    return _TEXTURES[min(rank(bar.precision), len(_TEXTURES) - 1)]


def _hatch() -> Markup:
    """Textures beside filled: distinct in print and without colour; a pair per source."""
    lines, unit = "M-2 2l4-4M0 8l8-8M6 10l4-4", "userSpaceOnUse"
    patterns = []
    for source in (MEASURED, EMULATED):
        hatch = tag("path", d=lines, class_=f"hatch-line {source}")
        dots = tag("circle", cx=3, cy=3, r=1.6, class_=f"hatch-dot {source}")
        patterns += [
            tag("pattern", hatch, id=f"hatched-{source}", width=8, height=8, patternUnits=unit),
            tag("pattern", dots, id=f"dotted-{source}", width=6, height=6, patternUnits=unit),
        ]
    return tag("defs", *patterns)
