"""Measured accuracy against measured latency: figure 1 of the paper, of files evaluated here.

One way of evaluation and one of timing are drawn, those with the most points: figures of two sets,
modes or numbers of images, or latencies of two devices or cores, are not on one scale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core.accuracy import Accuracy
from seaformer.core.measurement import MEASURED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.accuracy import AccuracyRow
from seaformer.report.html import svg
from seaformer.report.html.pictures.picture import in_words

_LEFT, _TOP, _BOTTOM = 60.0, 34.0, 330.0
_KEY, _LINE = 392.0, 18.0
_MOST = 24
_WHISKER = f"whisker {MEASURED}"


@dataclass(frozen=True)
class _Point:
    """A file that was evaluated and timed; its 95 % interval is over images."""

    accuracy: Accuracy
    latency: ResultRow
    ms: float
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        one = self.accuracy
        size = "x".join(map(str, one.input_shape[2:]))
        return words.clean(f"{one.model} {size} {one.format} {one.precision} {one.scope}")

    @property
    def fact(self) -> str:
        """Its figures in words."""
        between = f" ({self.low:.2f} to {self.high:.2f})" if self.low < self.high else ""
        return f"{self}: {self.value:.2f} %{between}, {words.ms(self.ms)} ms"

    @property
    def way(self) -> tuple[object, ...]:
        """What two points on one scale have in common."""
        one, latency = self.accuracy, self.latency
        evaluated = (one.data, one.split, one.metric, _mode(one), one.images, one.device)
        return (*evaluated, latency.device, latency.core, latency.threads, latency.runner)


def draw(rows: Sequence[AccuracyRow]) -> Markup | None:
    """``None`` where no file has both an accuracy and a latency."""
    every = _points(rows)
    points = every[:_MOST]
    if not points:
        return None
    x, y = _axes(points)
    first = points[0]
    one = first.accuracy
    parts = [
        svg.x_axis(x, _TOP, _BOTTOM, "median latency, ms (logarithmic)"),
        svg.y_axis(y, _LEFT, svg.WIDTH - 20, f"{one.metric}, %"),
        *(_drawn(number, point, x, y) for number, point in enumerate(points, 1)),
        *_names(points),
    ]
    where = f"{one.data} {one.split} ({words.counted(one.images, 'image')}, {_mode(one)})"
    where += f", evaluated on {one.device}" if one.device else ""
    where += f", on {first.latency.device_name}"
    where += f", the {_MOST} fastest of {len(every)}" if len(every) > _MOST else ""
    title = f"Measured accuracy against measured latency: {where}"
    height = _KEY + _LINE * -(-len(points) // 2)
    return svg.picture("evaluated", title, in_words([p.fact for p in points]), height, *parts)


def _points(rows: Sequence[AccuracyRow]) -> list[_Point]:
    """Those of the way of evaluation and timing that has the most, the fastest first."""
    groups: dict[tuple[object, ...], list[_Point]] = defaultdict(list)
    for row in rows:
        if (point := _point(row)) is not None:
            groups[point.way].append(point)
    most = max(groups.values(), key=len, default=[])
    return sorted(most, key=lambda point: point.ms)


def _point(row: AccuracyRow) -> _Point | None:
    one, latency, value = row.accuracy, row.latency, row.accuracy.value
    if latency is None or not latency.median_ms or value is None:
        return None  # no time is on no logarithmic axis
    low, high = one.miou_low, one.miou_high
    low, high = (value, value) if low is None or high is None else (low, high)
    return _Point(one, latency, latency.median_ms, value, low, high)


def _mode(one: Accuracy) -> str:
    """How images were fed, but for the size of the file, which is the point's own."""
    return one.mode.partition(", resized to")[0]


def _axes(points: Sequence[_Point]) -> tuple[svg.Axis, svg.Axis]:
    times = [point.ms for point in points]
    low, high = min(point.low for point in points), max(point.high for point in points)
    margin = max(0.1 * (high - low), 0.5)
    x = svg.Axis(min(times) * 0.8, max(times) * 1.25, _LEFT, svg.WIDTH - 20, log=True)
    y = svg.Axis(max(low - margin, 0), min(high + margin, 100), _BOTTOM, _TOP)
    return x, y


def _drawn(number: int, point: _Point, x: svg.Axis, y: svg.Axis) -> Markup:
    across, up = x.at(point.ms), y.at(point.value)
    whisker = svg.path([(across, y.at(point.low)), (across, y.at(point.high))], _WHISKER)
    mark = svg.mark(MEASURED, across, up)
    named = svg.words(across + 8, up + 4, str(number), "name ours")
    drawn = svg.group(whisker, mark, named)
    return svg.opens(point.latency.measurement_id, drawn, point.fact)


def _names(points: Sequence[_Point]) -> list[Markup]:
    """What the numbers mean, in two columns below the picture."""
    return [
        svg.words(
            _LEFT + (i % 2) * svg.WIDTH / 2,
            _KEY + _LINE * (i // 2),
            svg.shortened(f"{i + 1}  {point}", 64),
            "name ours",
        )
        for i, point in enumerate(points)
    ]
