"""A picture of the losses of the runs behind the trained weights that come with seaformer.

``python tools/docs.py`` writes it to ``docs/pictures/training.svg``. The losses differ in kind (a
student's is a sum of four), so that curves show how each run fell, not which is better.
"""

from __future__ import annotations

import csv
import math
from xml.sax.saxutils import escape

from seaformer.models.trained import TrainedWeights, trained_weights

_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND, _BELOW = 44, 28, 520, 240, 220, 40
_TICKS = (0.5, 1.0, 2.0, 4.0, 8.0)
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
_STYLE = """
  svg { font: 12px system-ui, sans-serif; }
  .ground { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; } .curve { fill: none; stroke-width: 1.8; }
  .c0 { stroke: #2f6fb3; } .c1 { stroke: #9a6700; } .c2 { stroke: #1a7f37; }
  .c3 { stroke: #8250df; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .c0 { stroke: #4c8fd6; } .c1 { stroke: #d29922; } .c2 { stroke: #3fb950; }
    .c3 { stroke: #a371f7; }
  }
"""
Curve = list[tuple[int, float]]


def drawing() -> str:
    """An SVG document with a curve for each file."""
    curves = {row.name: read(row) for row in trained_weights().values()}
    last = max(points[-1][0] for points in curves.values())
    title = "Loss of each run by iteration (means of 20 iterations)"
    body = [_grid(last)]
    body += [_curve(i, name, points, last) for i, (name, points) in enumerate(curves.items())]
    width, height = _LEFT + _WIDTH + _LEGEND, _TOP + _HEIGHT + _BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n'
        f'<text x="{_LEFT}" y="18">{escape(title)}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )


def read(row: TrainedWeights) -> Curve:
    """Iteration and loss."""
    rows = csv.DictReader(row.curve.read_text(encoding="utf-8").splitlines())
    return [(int(each["iteration"]), float(each["loss"])) for each in rows]


def _x(iteration: float, last: int) -> float:
    return _LEFT + _WIDTH * iteration / last


def _y(loss: float) -> float:
    low, high = math.log(_TICKS[0]), math.log(_TICKS[-1])
    return _TOP + _HEIGHT * (high - math.log(loss)) / (high - low)


def _grid(last: int) -> str:
    lines = []
    for loss in _TICKS:
        y = _y(loss)
        lines.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_LEFT + _WIDTH}"/>')
        lines.append(
            f'<text class="quiet" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{loss:g}</text>'
        )
    foot = _TOP + _HEIGHT + 18
    for part in range(5):
        at = last * part // 4
        x = f"{_x(at, last):.1f}"
        lines.append(f'<text class="quiet" x="{x}" y="{foot}" text-anchor="middle">{at}</text>')
    return "\n".join(lines)


def _curve(number: int, name: str, points: Curve, last: int) -> str:
    path = "L".join(f"{_x(i, last):.1f} {_y(loss):.1f}" for i, loss in points)
    kind = f'class="curve c{number}" stroke-dasharray="{_DASHES[number]}"'
    x, y = _LEFT + _WIDTH + 10, _TOP + 14 + 20 * number
    words = f"{name}: {points[0][1]:g} to {points[-1][1]:g} in {points[-1][0]} iterations"
    return (
        f'<g><title>{escape(words)}</title><path {kind} d="M{path}"/>'
        f'<path {kind} d="M{x} {y - 4}h24"/><text x="{x + 30}" y="{y}">{escape(name)}</text></g>'
    )
