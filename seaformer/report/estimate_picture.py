"""A picture of estimates over published figures, each with its interval.

Both axes are logarithmic; the line is where both agree. Estimates are hollow marks, never the
filled ones that measurements have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_SIDE, _LEFT, _TOP, _BELOW = 520, 60, 30, 48
_STYLE = """
  svg { font: 12px system-ui, sans-serif; }
  .ground { fill: #ffffff; } text { fill: #1f2328; } .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; } .equal { stroke: #59636e; stroke-dasharray: 4 3; }
  .interval { stroke: #2f6fb3; } .mark { fill: none; stroke: #2f6fb3; stroke-width: 1.6; }
  .outside { stroke: #9a6700; stroke-dasharray: 2 2; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; } .equal { stroke: #9198a1; }
    .interval, .mark { stroke: #4c8fd6; } .outside { stroke: #d29922; }
  }
"""


@dataclass(frozen=True)
class Dot:
    """One model: the published figure, the estimate and its interval, in milliseconds."""

    name: str
    published_ms: float
    estimate_ms: float
    low_ms: float
    high_ms: float
    inside: bool


def picture(title: str, dots: Sequence[Dot]) -> str:
    """An SVG document; every figure in it is also its text alternative."""
    figures = [ms for dot in dots for ms in (dot.published_ms, dot.low_ms, dot.high_ms)]
    scale = _Scale(0.9 * min(figures), 1.1 * max(figures))
    body = [_grid(scale), *(_dot(dot, scale) for dot in dots)]
    width, height = _LEFT + _SIDE + 20, _TOP + _SIDE + _BELOW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n'
        f'<text x="{_LEFT}" y="18">{escape(title)}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def part(self, ms: float) -> float:
        return _SIDE * math.log(ms / self.low) / math.log(self.high / self.low)

    def x(self, ms: float) -> str:
        return f"{_LEFT + self.part(ms):.1f}"

    def y(self, ms: float) -> str:
        return f"{_TOP + _SIDE - self.part(ms):.1f}"


def _grid(scale: _Scale) -> str:
    ticks = [m * 10**e for e in range(-1, 5) for m in (1, 2, 5)]
    lines, foot = [], _TOP + _SIDE + 16
    for ms in (tick for tick in ticks if scale.low <= tick <= scale.high):
        x, y = scale.x(ms), scale.y(ms)
        lines += [
            f'<path class="grid" d="M{x} {_TOP}V{_TOP + _SIDE}M{_LEFT} {y}H{_LEFT + _SIDE}"/>',
            f'<text class="quiet" x="{x}" y="{foot}" text-anchor="middle">{ms:g}</text>',
            f'<text class="quiet" x="{_LEFT - 6}" y="{y}" dy="4" text-anchor="end">{ms:g}</text>',
        ]
    equal = f"M{_LEFT} {_TOP + _SIDE}L{_LEFT + _SIDE} {_TOP}"
    lines += [
        f'<path class="equal" d="{equal}"/>',
        f'<text x="{_LEFT + _SIDE / 2:g}" y="{_TOP + _SIDE + 36}" text-anchor="middle">'
        "published, ms</text>",
        f'<text transform="translate(16 {_TOP + _SIDE / 2:g}) rotate(-90)" text-anchor="middle">'
        "estimated, ms, and 90 % interval</text>",
    ]
    return "\n".join(lines)


def _dot(dot: Dot, scale: _Scale) -> str:
    x, y = scale.x(dot.published_ms), scale.y(dot.estimate_ms)
    kind = "" if dot.inside else " outside"
    words = f"{dot.name}: {dot.published_ms:g} published, {dot.estimate_ms:.1f} estimated"
    words += f" ({dot.low_ms:.1f} to {dot.high_ms:.1f})" + ("" if dot.inside else ", outside")
    return (
        f"<g><title>{escape(words)}</title>"
        f'<path class="interval{kind}" d="M{x} {scale.y(dot.low_ms)}V{scale.y(dot.high_ms)}"/>'
        f'<circle class="mark{kind}" cx="{x}" cy="{y}" r="4"/></g>'
    )
