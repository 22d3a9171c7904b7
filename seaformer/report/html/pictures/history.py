"""How a row moved over commits: small pictures, one per key with several runs, oldest left."""

from __future__ import annotations

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, MEASURED, short_commit
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.html import svg
from seaformer.report.html.markup import tag
from seaformer.report.html.pictures.picture import Missing, Picture, in_words, label
from seaformer.report.labels import device_label
from seaformer.report.table import FORWARD, Report

_MOST, _POINTS, _WIDE, _HIGH, _GAP = 12, 60, 460.0, 168.0, 36.0
_UNDER, _WORD, _LINE = 36.0, 54.0, 13.0  # below the plot; room for one commit; for a figure


def draw(report: Report) -> Picture:
    """Keys with two or more valid runs; those with the newest runs first."""
    groups = _groups(report)
    missing = Missing(
        "No row has been measured twice yet. This picture is filled by a second",
        "seaformer bench --variant t --threads 1",
    )
    note = (
        "Runs of the same row from old to new, evenly spaced; emulated rows show instructions. "
        "Below is the commit of the checkout they were made in, where another one begins; + is "
        "a checkout that was changed. A ring marks the first run of another file, runtime or "
        "runner than the run before it: where a change comes from. Each axis is its own and does "
        "not begin at zero."
    )
    if len(groups) > _MOST:
        note += f" {_MOST} of {len(groups)} rows with a history are drawn."
    drawing = _drawn(report, groups[:_MOST]) if groups else None
    sources = tuple(dict.fromkeys(rows[0].source for rows in groups[:_MOST]))
    return Picture("history", "History", note, drawing, missing, sources)


def _groups(report: Report) -> list[list[ResultRow]]:
    runs: dict[tuple[object, ...], list[ResultRow]] = {}
    for row in report.table.of(MEASURED, EMULATED).method(FORWARD).rows:
        if row.valid and _value(row) is not None:
            runs.setdefault(row.key, []).append(row)
    histories = [rows[:_POINTS][::-1] for rows in runs.values() if len(rows) > 1]
    return sorted(histories, key=lambda rows: rows[-1].created_at, reverse=True)


def _value(row: ResultRow) -> float | None:
    if row.source == EMULATED:
        return None if row.instructions is None else row.instructions / 1e6
    return row.median_ms


def _drawn(report: Report, groups: list[list[ResultRow]]) -> Markup:
    parts, facts = [], []
    for i, rows in enumerate(groups):
        left, top = (i % 2) * (_WIDE + _GAP), (i // 2) * (_HIGH + _GAP)
        parts.append(_panel(report, rows, left, top))
        first, last = (_value(row) or 0.0 for row in (rows[0], rows[-1]))
        unit = "M instructions" if rows[0].source == EMULATED else "ms"
        runs = words.counted(len(rows), "run") + _over(rows)
        facts.append(f"{label(rows[0])}: {runs}, {first:.2f} to {last:.2f} {unit}")
    height = -(-len(groups) // 2) * (_HIGH + _GAP)
    return svg.picture("history-picture", "History of rows", in_words(facts), height, *parts)


def _over(rows: list[ResultRow]) -> str:
    """`` over 3 commits, 1a2b3c4 to 9f8e7d6``; nothing where no run has one."""
    known = [short_commit(row.commit) for row in rows if row.commit]
    if not known:
        return ""
    count = words.counted(len(set(known)), "commit")
    return f" over {count}, {known[0]} to {known[-1]}" if known[0] != known[-1] else f" at {count}"


def _panel(report: Report, rows: list[ResultRow], left: float, top: float) -> Markup:
    values = [_value(row) or 0.0 for row in rows]
    timed = rows[0].source == MEASURED
    lows = [row.ci95_low_ms or 0.0 for row in rows] if timed else values
    highs = [row.ci95_high_ms or 0.0 for row in rows] if timed else values
    room = (max(highs) - min(lows)) * 0.15 or max(highs) * 0.02 or 1.0
    y = svg.Axis(max(min(lows) - room, 0.0), max(highs) + room, top + _HIGH - _UNDER, top + 36)
    x = svg.Axis(0, len(rows) - 1, left + 60, left + _WIDE - 20)
    source = rows[0].source
    unit = "M instructions" if source == EMULATED else "ms"
    where = f"{device_label(report, rows[0])}, {unit}, {source}"
    at = [(x.at(i), y.at(value)) for i, value in enumerate(values)]
    parts = [
        svg.words(
            left + 6, top + 12, svg.shortened(f"{label(rows[0])} {rows[0].size}", 72), "head"
        ),
        svg.words(left + 6, top + 27, svg.shortened(where, 76), "quiet small"),
        *_levels(y, left, min(values), max(values)),
        svg.path(at, f"trend {source}"),
    ]
    for i, row in enumerate(rows):
        if source == MEASURED:
            up = (at[i][0], y.at(lows[i]), at[i][0], y.at(highs[i]))
            parts.append(svg.line(*up, f"whisker {source}"))
        parts.append(_point(row, at[i], changed=i > 0 and _made(row) != _made(rows[i - 1])))
    parts += _commits(rows, x, top + _HIGH - _UNDER)
    ends = ((left + 60, rows[0], "start"), (left + _WIDE - 20, rows[-1], "end"))
    parts += [
        svg.words(px, top + _HIGH - 2, _when(row), "quiet small", anchor)
        for px, row, anchor in ends
    ]
    return svg.group(*parts)


def _when(row: ResultRow) -> str:
    """The day and the minute."""
    return row.created_at[:16].replace("T", " ")


def _commits(rows: list[ResultRow], x: svg.Axis, under: float) -> list[Markup]:
    """The commit below each run that begins one: the last, the first, then as there is room."""
    if not any(row.commit for row in rows):
        return []
    begins = [i for i, row in enumerate(rows) if i == 0 or row.commit != rows[i - 1].commit]
    parts, taken = [], list[float]()
    for i in dict.fromkeys((begins[-1], begins[0], *reversed(begins))):
        at = x.at(i)
        parts.append(svg.line(at, under, at, under + 5))
        middle = min(max(at, x.start + _WORD / 2 - 10), x.end - _WORD / 2 + 10)
        if all(abs(middle - other) >= _WORD for other in taken):
            taken.append(middle)
            commit = short_commit(rows[i].commit) or "none"
            parts.append(svg.words(middle, under + 17, commit, "quiet small", "middle"))
    return parts


def _levels(y: svg.Axis, left: float, low: float, high: float) -> list[Markup]:
    """Lines at the least and the greatest value; their figures never cover each other."""
    parts = []
    apart = max(_LINE - abs(y.at(low) - y.at(high)), 0.0) / 2 if low != high else 0.0
    for value, aside in {low: apart, high: -apart}.items():
        at = y.at(value)
        parts.append(svg.line(left + 60, at, left + _WIDE - 20, at))
        parts.append(svg.words(left + 54, at + 4 + aside, f"{value:.2f}", "quiet small", "end"))
    return parts


def _point(row: ResultRow, at: tuple[float, float], changed: bool) -> Markup:
    drawn = svg.mark(row.source, *at, size=3.5)
    if changed:
        ring = tag("circle", class_="ring", cx=at[0], cy=at[1], r=7.5)
        drawn = svg.group(ring, drawn)
    counted = f"{words.instructions(row.instructions)} million instructions"
    figure = f"{words.ms(row.median_ms)} ms" if row.source == MEASURED else counted
    commit = short_commit(row.commit) or words.UNKNOWN
    made = f"commit {commit}, artifact {row.artifact_sha256[:8]}, "
    made += f"{words.runtime(row)}, runner {row.runner_build}"
    hint = f"{row.created_at}: {figure}; {made}"
    return svg.opens(row.measurement_id, drawn, hint)


def _made(row: ResultRow) -> tuple[str, ...]:
    return (row.artifact_sha256, row.runtime_version, row.runner_build)
