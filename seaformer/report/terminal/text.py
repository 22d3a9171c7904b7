"""Text in cells of a terminal: how wide it is, how it is padded and wrapped."""

from __future__ import annotations

import re

from rich.cells import cell_len

from seaformer.report.terminal.nouns import Line, Painted, Span


def length(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def printable(text: str) -> str:
    """``text`` with a blank for everything that moves a cursor, ends a line or is unprintable."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """``text`` with blanks behind it, or before it, up to ``width`` cells."""
    room = " " * (width - length(text))
    return room + text if right else text + room


def wrap(text: str, width: int | None, first: str = "", hang: str = "") -> list[str]:
    """``text`` in lines of whole words, ``first`` before the first line, ``hang`` before others.

    A word too long for that, such as a path, has a line of its own with less or nothing before it.
    """
    if width is None:
        return [first + text]
    done: list[str] = []
    line, begun = first, False
    for word in re.split(" (?!%)", text):  # a figure stays with its percent sign
        if length(line) + begun + length(word) > width and line.strip():
            done.append(line.rstrip())
            line, begun = hang[: max(width - length(word), 0)], False
        line += f" {word}" if begun else word
        begun = True
    return [*done, line]


def sentence(line: Line, width: int | None) -> list[Painted]:
    """A ``Line`` as it is printed."""
    indent, hang = " " * line.indent, " " * max(line.indent, line.hang)
    return [(Span(text, line.style),) for text in wrap(printable(line.text), width, indent, hang)]
