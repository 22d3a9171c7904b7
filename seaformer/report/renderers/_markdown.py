"""Markdown that shows exactly what it was given: cells, code spans, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seaformer.report import words


def grid(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [f"| {' | '.join(map(cell, header))} |", f"|{'---|' * len(header)}"]
    rows += [f"| {' | '.join(map(cell, line))} |" for line in lines]
    return "\n".join(rows)


def cell(text: str) -> str:
    """``text`` as Markdown that shows exactly these characters, on one line."""
    plain = words.clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    marked = re.sub(r"([\\`*\[\]|~]|^#)", r"\\\1", plain)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", marked)


def code(text: str) -> str:
    """``text`` inside a code span, which knows no escapes."""
    return words.clean(text).replace("`", "'")
