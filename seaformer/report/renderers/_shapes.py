"""What the parts of ``report.svg`` are drawn with: words and lines as text."""

from __future__ import annotations

import math
from xml.sax.saxutils import escape

from seaformer.report import words

LABEL, BAR, VALUE, PAPER, ROW, HEAD = 400, 300, 290, 110, 26, 58
WIDTH = LABEL + BAR + VALUE + PAPER + 20
_LONGEST_LABEL = 54


def text(x: float, y: float, content: str, style: str = "", anchor: str = "start") -> str:
    """One line of text; ``y`` is its base."""
    named = f' class="{style}"' if style else ""
    return f'<text{named} x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escaped(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str = "line") -> str:
    """A straight line of one of the classes of the style."""
    return f'<line class="{style}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def escaped(content: str) -> str:
    """Text from outside, for an element."""
    return escape(words.clean(content))


def shortened(label: str) -> str:
    """A label of a row, cut where it would leave the picture."""
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def nice_limit(value: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten: where an axis ends."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= value)
