"""A prediction for a terminal: what was seen in each image, and the time of each step."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from seaformer.core.preprocessing import Labels
from seaformer.evaluation.answers import name_of
from seaformer.evaluation.prediction import Frame, Prediction, Times
from seaformer.report.terminal import Block, Column, Line, Table

_SEEN = 3  # classes or boxes that are named in a row


@dataclass(frozen=True)
class _Row:
    """One image, or a video: its last frame with the median time of each step."""

    frame: Frame
    frames: int
    times: Times
    seen: str


def prediction_page(prediction: Prediction, labels: Labels | None, most: int = 0) -> list[Block]:
    """A row per image or video, the first ``most`` of them (0: all), and the median time."""
    groups = itertools.groupby(prediction.frames, key=lambda frame: frame.source)
    rows = [_row(list(frames), labels) for _, frames in groups]
    shown = rows[:most] if most else rows
    page: list[Block] = [Line(prediction.network, "bold")]
    if shown:
        page.append(Table(_columns(rows), shown))
    if len(rows) > len(shown):
        page.append(Line(f"... and {len(rows) - len(shown)} more (--wide or --json: all)"))
    if prediction.frames:
        page.append(Line(_summary(prediction)))
    return page


def _row(frames: Sequence[Frame], labels: Labels | None) -> _Row:
    return _Row(frames[-1], len(frames), _median(frames), _seen(frames[-1], labels))


def _median(frames: Sequence[Frame]) -> Times:
    values = (statistics.median(getattr(f.times, each.name) for f in frames) for each in _STEPS)
    return Times(*values)


_STEPS = fields(Times)


def _seen(frame: Frame, labels: Labels | None) -> str:
    if frame.classes:
        parts = [f"{each.name} {each.share:.0%}" for each in frame.classes]
    elif frame.top:
        parts = [
            name_of(labels, each.label)
            + ("" if each.probability is None else f" {each.probability:.0%}")
            for each in frame.top
        ]
    else:
        parts = [f"{name_of(labels, box.label)} {box.score:.2f}" for box in frame.boxes]
        parts = parts or ["no boxes"]
    more = len(parts) - _SEEN
    return ", ".join(parts[:_SEEN]) + (f", {more} more" if more > 0 else "")


def _columns(rows: Sequence[_Row]) -> tuple[Column[_Row], ...]:
    columns = [
        Column[_Row]("input", lambda row: Path(row.frame.source).name, key=True),
        Column[_Row]("HxW", lambda row: f"{row.frame.height}x{row.frame.width}", rank=6),
        Column[_Row]("seen", lambda row: row.seen, rank=1),
    ]
    if any(row.frame.number for row in rows):
        columns.append(Column[_Row]("frames", lambda row: str(row.frames), right=True, rank=4))
    if any(row.frame.agreement is not None for row in rows):
        columns.append(Column[_Row]("agree", lambda row: _percent(row.frame.agreement), right=True))
    if any(row.frame.accuracy is not None for row in rows):
        columns.append(Column[_Row]("right", lambda row: _percent(row.frame.accuracy), right=True))
    for step in _STEPS:
        name, rank = step.name, 2 if step.name == "network_ms" else 5
        columns.append(_time_column(name, rank))
    total = Column[_Row]("total", lambda r: f"{r.times.total_ms:.1f}", unit="ms", right=True)
    return (*columns, total)


def _time_column(name: str, rank: int) -> Column[_Row]:
    return Column(
        name.removesuffix("_ms"),
        lambda row: f"{getattr(row.times, name):.1f}",
        unit="ms",
        rank=rank,
        right=True,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _summary(prediction: Prediction) -> str:
    frames, times = prediction.frames, _median(prediction.frames)
    survivors = [frame.survivors for frame in frames if frame.survivors]
    text = (
        f"Median of {len(frames)} {'frame' if len(frames) == 1 else 'frames'}: network "
        f"{times.network_ms:.1f} ms, answer {times.answer_ms:.1f} ms, total {times.total_ms:.1f} ms"
    )
    if survivors:
        text += f"; {statistics.median(survivors):.1f} classes compared in a cell"
    return f"{text}."
