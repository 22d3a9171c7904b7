"""A page in lines that fit a width, and the sentence about what did not fit."""

from __future__ import annotations

from collections.abc import Iterable

from seaformer.report.terminal.nouns import Block, Facts, Line, Painted, Span, Table
from seaformer.report.terminal.sheet import fit
from seaformer.report.terminal.text import length, pad, printable, sentence, wrap


def lines(page: Iterable[Block], width: int | None = None) -> list[Painted]:
    """Every block in lines of at most ``width`` cells; ``None`` is without an end."""
    painted: list[Painted] = []
    left_out: dict[str, None] = {}
    shortened: dict[str, None] = {}
    for block in page:
        if isinstance(block, Table):
            sheet = fit(block, width)
            painted += sheet.lines(width)
            left_out |= dict.fromkeys(sheet.left_out)
            shortened |= dict.fromkeys(sheet.shortened)
        else:
            painted += _facts(block, width) if isinstance(block, Facts) else sentence(block, width)
    return painted + _hint(list(left_out), list(shortened), width)


def plain(page: Iterable[Block], width: int | None = None) -> str:
    """The page as text without styles."""
    texts = ("".join(span.text for span in line).rstrip() for line in lines(page, width))
    return "".join(f"{text}\n" for text in texts)


def _facts(block: Facts, width: int | None) -> list[Painted]:
    """Name and text; further lines of a text are below its first one."""
    longest = max((length(name) for name, _ in block.pairs), default=0)
    hang = " " * (block.indent + longest + 2)
    painted: list[Painted] = []
    for name, text in block.pairs:
        first = f"{'':{block.indent}}{pad(printable(name), longest)}  "
        painted += [(Span(each),) for each in wrap(printable(text), width, first, hang)]
    return painted


def _hint(left_out: list[str], shortened: list[str], width: int | None) -> list[Painted]:
    hints = [f"Left out: {', '.join(left_out)}."] if left_out else []
    hints += [f"Shortened: {', '.join(shortened)}."] if shortened else []
    if not hints:
        return []
    return sentence(Line(" ".join([*hints, "--wide prints everything."]), "dim"), width)
