"""What the pictures of ``report.html`` are drawn with: a frame, axes, marks, bars.

Sources differ by shape as well as by colour: measured is a filled circle and a solid line, emulated
a hollow square and dashes, estimated a hollow diamond and dots, the paper a cross. Lengths are in
the picture's own units (a width of 960).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, ESTIMATED, MEASURED, PAPER
from seaformer.report.html.markup import join, number, tag

WIDTH = 960.0
SOURCES = (MEASURED, EMULATED, ESTIMATED, PAPER)


@dataclass(frozen=True)
class Axis:
    """A scale from ``low`` to ``high`` onto pixels ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value is drawn, kept within the axis."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values: on a logarithmic axis 1, 2 and 5 times powers of ten, or more of them."""
        if not self.log:
            step = nice((self.high - self.low) / 6)
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            return [round(i * step, 10) for i in range(first, last + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1, 2, 5), (1, 2, 3, 5, 7), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
            every = [m * 10.0**power for power in powers for m in steps]
            ticks = [value for value in every if self.low <= value <= self.high]
            if len(ticks) > 3:
                break
        return ticks


def nice(value: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    steps = (1.0, 2.0, 2.5, 5.0, 10.0)
    return next(step * power for step in steps if step * power >= value * (1 - 1e-9))


def picture(slug: str, title: str, description: str, height: float, *parts: str) -> Markup:
    """An ``svg`` that is one image to a screen reader, with its name and its figures in words."""
    return tag(
        "svg",
        tag("title", title, id=f"{slug}-title"),
        tag("desc", description, id=f"{slug}-desc"),
        *parts,
        viewBox=f"0 0 {number(WIDTH)} {number(height)}",
        role="img",
        aria_labelledby=f"{slug}-title {slug}-desc",
    )


def words(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> Markup:
    """Text with its baseline at ``y``."""
    return tag("text", text, class_=style or None, x=x, y=y, text_anchor=anchor)


def headed(x: float, y: float, name: str, figure: str, style: str = "") -> Markup:
    """A row's name and, behind it, its figure; above what is drawn, so that a phone shows both."""
    strong = tag("tspan", figure, class_="figure", dx=10)
    return tag("text", f"{name} ", strong, class_=style or None, x=x, y=y)


def line(x1: float, y1: float, x2: float, y2: float, style: str = "grid") -> Markup:
    return tag("line", class_=style, x1=x1, y1=y1, x2=x2, y2=y2)


def box(x: float, y: float, width: float, height: float, style: str) -> Markup:
    return tag("rect", class_=style, x=x, y=y, width=max(width, 0.0), height=height)


def mark(source: str, x: float, y: float, size: float = 5.0, doubt: bool = False) -> Markup:
    """The sign of a source; a doubtful (not valid) one is drawn hollow and dashed."""
    style = f"mark {source}{' doubt' if doubt else ''}"
    if source == MEASURED:
        return tag("circle", class_=style, cx=x, cy=y, r=size)
    if source == EMULATED:
        return tag("rect", class_=style, x=x - size, y=y - size, width=2 * size, height=2 * size)
    if source == ESTIMATED:
        way = [(x, y - size * 1.3), (x + size * 1.3, y), (x, y + size * 1.3), (x - size * 1.3, y)]
    else:
        d = f"M{_at(x - size, y - size)}L{_at(x + size, y + size)}"
        d += f"M{_at(x - size, y + size)}L{_at(x + size, y - size)}"
        return tag("path", class_=style, d=d)
    return tag("polygon", class_=style, points=" ".join(_at(*point) for point in way))


def sign(source: str) -> Markup:
    """The mark of a source for a line of text, 16 by 16."""
    return mark(source, 8.0, 8.0, 4.5)


def whisker(source: str, x1: float, x2: float, y: float) -> Markup:
    """A horizontal interval with ends."""
    d = f"M{_at(x1, y)}L{_at(x2, y)}M{_at(x1, y - 4)}L{_at(x1, y + 4)}"
    return tag("path", class_=f"whisker {source}", d=f"{d}M{_at(x2, y - 4)}L{_at(x2, y + 4)}")


def path(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A line through points."""
    return tag("path", class_=style, d="M" + "L".join(_at(*point) for point in points))


def strip(positions: Sequence[float], y: float, height: float, style: str) -> Markup:
    """A small upright stroke at each position; strokes that would cover each other are one."""
    seen = sorted({round(x * 2) / 2 for x in positions})
    d = "".join(f"M{_at(x, y)}v{number(height)}" for x in seen)
    return tag("path", class_=style, d=d)


def x_axis(axis: Axis, top: float, bottom: float, name: str, unit: str = "") -> Markup:
    """Grid lines, their values below ``bottom`` and the axis' name below those."""
    parts = []
    for value in axis.ticks():
        x = axis.at(value)
        parts += [
            line(x, top, x, bottom),
            words(x, bottom + 16, f"{value:g}{unit}", "quiet", "middle"),
        ]
    parts.append(words((axis.start + axis.end) / 2, bottom + 34, name, "quiet", "middle"))
    return join(*parts)


def y_axis(axis: Axis, left: float, right: float, name: str) -> Markup:
    """Grid lines, their values left of ``left`` and the axis' name above."""
    parts = []
    for value in axis.ticks():
        y = axis.at(value)
        parts += [line(left, y, right, y), words(left - 8, y + 4, f"{value:g}", "quiet", "end")]
    parts.append(words(left - 30, axis.end - 10, name, "quiet"))
    return join(*parts)


def opens(run: str, drawn: Markup, hint: str) -> Markup:
    """Something drawn that opens its run; the keyboard's way there is the table."""
    return tag("a", tag("title", hint), drawn, href=f"#run-{run}", data_run=run, tabindex="-1")


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _at(x: float, y: float) -> str:
    return f"{number(x)} {number(y)}"


def group(*parts: str) -> Markup:
    return tag("g", *parts)
