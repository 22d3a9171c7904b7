"""Measured accuracy against measured latency: figure 1 of the paper, of files evaluated here.

One way of evaluation and one of timing are drawn, those with the most points: figures of two sets,
modes or numbers of images, or latencies of two devices or cores, are not on one scale.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

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

_Pair = tuple[AccuracyRow, ResultRow, float]


def draw(rows: Sequence[AccuracyRow]) -> Markup | None:
    """``None`` where no file has both an accuracy and a latency."""
    points = _points(rows)
    if not points:
        return None
    left_out = len(points) - _MOST
    points = points[:_MOST]
    x, y = _axes(points)
    first = points[0][0].accuracy
    parts = [
        svg.x_axis(x, _TOP, _BOTTOM, "median latency, ms (logarithmic)"),
        svg.y_axis(y, _LEFT, svg.WIDTH - 20, f"{first.metric}, %"),
        *(_drawn(number, pair, x, y) for number, pair in enumerate(points, 1)),
        *_names(points),
    ]
    where = f"{first.data} {first.split} ({first.images:,} images, {_mode(first)})"
    where += f", on {points[0][1].device_name}"
    where += f", the {_MOST} fastest of {_MOST + left_out}" if left_out > 0 else ""
    title = f"Measured accuracy against measured latency: {where}"
    height = _KEY + _LINE * -(-len(points) // 2)
    return svg.picture("evaluated", title, in_words([_fact(p) for p in points]), height, *parts)


def _points(rows: Sequence[AccuracyRow]) -> list[_Pair]:
    """Those of the data set, metric and device with the most, the fastest first."""
    groups: dict[tuple[object, ...], list[_Pair]] = defaultdict(list)
    for row in rows:
        one, latency = row.accuracy, row.latency
        if latency is not None and latency.median_ms is not None and one.value is not None:
            way = (one.data, one.split, one.metric, _mode(one), one.images)
            key = (*way, latency.device, latency.core, latency.threads, latency.runner)
            groups[key].append((row, latency, latency.median_ms))
    most = max(groups.values(), key=len, default=[])
    return sorted(most, key=lambda pair: pair[2])


def _mode(one: Accuracy) -> str:
    """How images were fed, but for the size of the file, which is the point's own."""
    return one.mode.partition(", resized to")[0]


def _axes(points: Sequence[_Pair]) -> tuple[svg.Axis, svg.Axis]:
    times = [ms for _, _, ms in points]
    shares = [bound for pair in points for bound in _interval(pair)]
    x = svg.Axis(min(times) * 0.8, max(times) * 1.25, _LEFT, svg.WIDTH - 20, log=True)
    margin = max(0.1 * (max(shares) - min(shares)), 0.5)
    y = svg.Axis(max(min(shares) - margin, 0), min(max(shares) + margin, 100), _BOTTOM, _TOP)
    return x, y


def _interval(pair: _Pair) -> tuple[float, float]:
    """95 % over images; the value itself where there is none."""
    one = pair[0].accuracy
    value = one.value or 0.0
    low, high = one.miou_low, one.miou_high
    return (value, value) if low is None or high is None else (low, high)


def _drawn(number: int, pair: _Pair, x: svg.Axis, y: svg.Axis) -> Markup:
    at, value = x.at(pair[2]), pair[0].accuracy.value or 0.0
    low, high = _interval(pair)
    whisker = svg.path([(at, y.at(low)), (at, y.at(high))], f"whisker {MEASURED}")
    mark = svg.mark(MEASURED, at, y.at(value))
    named = svg.words(at + 8, y.at(value) + 4, str(number), "name ours")
    return svg.opens(pair[1].measurement_id, svg.group(whisker, mark, named), _fact(pair))


def _names(points: Sequence[_Pair]) -> list[Markup]:
    """What the numbers mean, in two columns below the picture."""
    return [
        svg.words(
            _LEFT + (i % 2) * svg.WIDTH / 2,
            _KEY + _LINE * (i // 2),
            svg.shortened(f"{i + 1}  {_name(pair)}", 64),
            "name ours",
        )
        for i, pair in enumerate(points)
    ]


def _name(pair: _Pair) -> str:
    one = pair[0].accuracy
    size = "x".join(map(str, one.input_shape[2:]))
    return words.clean(f"{one.model} {size} {one.format} {one.precision} {one.scope}")


def _fact(pair: _Pair) -> str:
    low, high = _interval(pair)
    value = pair[0].accuracy.value or 0.0
    between = f" ({low:.2f} to {high:.2f})" if low < high else ""
    return f"{_name(pair)}: {value:.2f} %{between}, {words.ms(pair[2])} ms"
