"""Accuracy against latency: figure 1 of the paper with our points in it.

Accuracy is the paper's (table 2, mean IoU on ADE20K's validation set) and is not measured here;
our points are at our latency and the accuracy the paper gives for that model.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core import paper
from seaformer.core.measurement import ESTIMATED, MEASURED, PAPER
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import Picture, in_words, label, latest, networks
from seaformer.report.labels import device_label, zoo_row
from seaformer.report.table import Report

_TABLE = paper.TABLES["ade20k"]
_HEIGHT, _LEFT, _TOP, _BOTTOM = 520.0, 60.0, 34.0, 470.0
_MOST = 40
_FAMILIES = (
    ("SeaFormer-T*", "SeaFormer-S*", "SeaFormer-B*", "SeaFormer-L*"),
    ("SeaFormer-T++", "SeaFormer-S++", "SeaFormer-B++", "SeaFormer-L++"),
    ("SeaFormer-T++(KD)", "SeaFormer-S++(KD)", "SeaFormer-B++(KD)", "SeaFormer-L++(KD)"),
    ("TopFormer-T*", "TopFormer-S*", "TopFormer-B*"),
    ("MiT-B0", "MiT-B1"),
)

_Spot = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Point:
    source: str
    name: str
    latency_ms: float
    miou: float
    row: ResultRow | None = None
    where: str = "Snapdragon 865, TNN, one core"


def draw(report: Report) -> Picture:
    """The paper's points are always there; ours where a model of table 2 has been timed."""
    published, every = _published(), _ours(report)
    shown = {id(row) for row in latest([p.row for p in every if p.row], _MOST)}
    ours = [point for point in every if id(point.row) in shown]
    note = (
        "Mean IoU on ADE20K as the paper gives it (not measured here) against the latency of one "
        "512x512 image. Crosses are the paper's own figures, taken on one core of a Snapdragon "
        "865; our points are at the latency of the device they name. Further left and up is "
        "better, among points of one device."
    )
    if not ours:
        note += " None of ours is in it yet: seaformer bench --variant t,s,b --threads 1 adds them."
    if len(every) > len(ours):
        note += f" The newest {len(ours)} of {len(every)} points are drawn."
    title = "Accuracy against latency"
    return Picture("accuracy", title, note, _drawn(published, ours), legend=_legend(ours))


def _legend(ours: list[_Point]) -> tuple[str, ...]:
    return (*(s for s in (MEASURED, ESTIMATED) if any(p.source == s for p in ours)), PAPER)


def _published() -> list[_Point]:
    points = []
    for row in paper.lines(_TABLE):
        latency, miou = row.number("latency_ms"), row.number("miou")
        if latency and miou:
            points.append(_Point(PAPER, _published_name(row), latency, miou))
    return points


def _published_name(row: paper.Line) -> str:
    """The backbone, with the decoder where the table has the backbone twice."""
    same = [other for other in paper.lines(_TABLE) if other["backbone"] == row["backbone"]]
    return row["backbone"] if len(same) == 1 else f"{row['backbone']} {row['decoder']}"


def _ours(report: Report) -> list[_Point]:
    points = []
    for row in networks(report, MEASURED, ESTIMATED):
        known = zoo_row(report, row)
        published = known.spec.paper if known else None
        if not published or published.table != _TABLE or row.scope != "logits":
            continue
        if published.metric_value and row.median_ms and row.valid:
            name, where = published.label, f"{device_label(report, row)}, {words.runtime(row)}"
            where += f" {row.precision}"
            point = _Point(row.source, name, row.median_ms, published.metric_value, row, where)
            points.append(point)
    return points


def _drawn(published: list[_Point], ours: list[_Point]) -> Markup:
    every = published + ours
    times = [point.latency_ms for point in every]
    x = svg.Axis(min(times) * 0.8, max(times) * 1.25, _LEFT, svg.WIDTH - 20, log=True)
    y = svg.Axis(31.0, 45.0, _BOTTOM, _TOP)
    parts = [
        svg.x_axis(x, _TOP, _BOTTOM, "latency, ms (logarithmic)"),
        svg.y_axis(y, _LEFT, svg.WIDTH - 20, "mIoU, %"),
        *_families(published, x, y),
        *(_line(line, x, y) for line in _lines(ours) if len(line) > 1),
        *(_mark(point, x, y) for point in every),
        *_names(published, ours, x, y),
        *_key(ours),
    ]
    facts = [
        f"{p.name} on {p.where}: {words.ms(p.latency_ms)} ms, {p.miou:g} %"
        for p in ours + published
    ]
    title = "Accuracy against latency: figure 1 of the paper with our points"
    height = _HEIGHT + _keyed(ours)
    return svg.picture("accuracy-picture", title, in_words(facts, 60), height, *parts)


def _families(points: list[_Point], x: svg.Axis, y: svg.Axis) -> list[Markup]:
    at = {p.name: (x.at(p.latency_ms), y.at(p.miou)) for p in points}
    lines = ([at[name] for name in family if name in at] for family in _FAMILIES)
    return [svg.path(line, "family") for line in lines if len(line) > 1]


def _engines(ours: list[_Point]) -> list[str]:
    """Device, runtime and precision of our points, that of the fastest first."""
    return list(dict.fromkeys(p.where for p in sorted(ours, key=lambda point: point.latency_ms)))


def _lines(ours: list[_Point]) -> list[list[_Point]]:
    """Our points of one device, runtime and precision and of one family, fastest first."""
    lines: dict[tuple[str, str], list[_Point]] = {}
    for point in sorted(ours, key=lambda point: point.latency_ms):
        family = next((family[0] for family in _FAMILIES if point.name in family), point.name)
        lines.setdefault((point.where, family), []).append(point)
    return list(lines.values())


def _line(points: list[_Point], x: svg.Axis, y: svg.Axis) -> Markup:
    return svg.path(
        [(x.at(p.latency_ms), y.at(p.miou)) for p in points], f"trend {points[0].source}"
    )


def _key(ours: list[_Point]) -> list[Markup]:
    """What the numbers of our points mean, in two columns below the picture."""
    named = [f"{i}  {where}" for i, where in enumerate(_engines(ours), 1)]
    return [
        svg.words(
            _LEFT + (i % 2) * svg.WIDTH / 2,
            _HEIGHT + 10 + 18 * (i // 2),
            svg.shortened(name, 64),
            "name ours",
        )
        for i, name in enumerate(named)
    ]


def _keyed(ours: list[_Point]) -> float:
    return 18.0 * -(-len(_engines(ours)) // 2) + 4 if ours else 0.0


def _mark(point: _Point, x: svg.Axis, y: svg.Axis) -> Markup:
    drawn = svg.mark(point.source, x.at(point.latency_ms), y.at(point.miou))
    if point.row is None:
        return drawn
    hint = f"{label(point.row)} on {point.where}: {words.ms(point.latency_ms)} ms"
    return svg.opens(point.row.measurement_id, drawn, hint)


def _names(published: list[_Point], ours: list[_Point], x: svg.Axis, y: svg.Axis) -> list[Markup]:
    """The number of each of our lines, then names beside the paper's points, where there is room.

    A name that would cover another or a point is left out; it is in the description.
    """
    taken = [(x.at(p.latency_ms) - 6, y.at(p.miou) - 6, 12.0, 12.0) for p in published + ours]
    for line in _lines(ours):
        taken += _along([(x.at(p.latency_ms), y.at(p.miou)) for p in line])
    engines = _engines(ours)
    ends = [(str(engines.index(line[0].where) + 1), line[0], "name ours") for line in _lines(ours)]
    theirs = sorted(published, key=lambda point: "Sea" not in point.name)
    placed = []
    for name, point, style in [*ends, *((p.name, p, "name quiet") for p in theirs)]:
        spot = _room(name, x.at(point.latency_ms), y.at(point.miou), taken)
        if spot is not None:
            taken.append(spot)
            placed.append(svg.words(spot[0] + 2, spot[1] + 12, name, style))
    return placed


def _along(points: list[tuple[float, float]]) -> list[_Spot]:
    """A line through points as small spots, so that no name is struck through."""
    spots = []
    for (x1, y1), (x2, y2) in itertools.pairwise(points):
        steps = int(max(abs(x2 - x1), abs(y2 - y1)) // 6)
        for i in range(2, steps - 1):
            spots.append((x1 + (x2 - x1) * i / steps - 2, y1 + (y2 - y1) * i / steps - 2, 4.0, 4.0))
    return spots


def _room(name: str, px: float, py: float, taken: list[_Spot]) -> _Spot | None:
    """Where a name fits beside a point."""
    wide = 6.4 * len(name) + 4
    sides = (9.0, -9.0 - wide)
    places = [(side, -8.0) for side in sides] + [(-wide / 2, -23.0), (-wide / 2, 8.0)]
    places += [(side, dy) for dy in (2.0, -18.0) for side in sides]
    for dx, dy in places:
        spot = (px + dx, py + dy, wide, 15.0)
        inside = spot[0] > _LEFT and spot[0] + wide < svg.WIDTH - 10 and spot[1] > _TOP - 20
        if inside and not any(_overlap(spot, other) for other in taken):
            return spot
    return None


def _overlap(one: _Spot, other: _Spot) -> bool:
    across = one[0] < other[0] + other[2] and other[0] < one[0] + one[2]
    return across and one[1] < other[1] + other[3] and other[1] < one[1] + one[3]
