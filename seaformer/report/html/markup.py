"""HTML and SVG elements as text. Whatever is not ``Markup`` already is escaped: nothing is trusted.

Text that came from a device or a file is cleaned as everywhere (``words.clean``) and can never
become an element, an attribute or a script.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from seaformer.report import words

_VOID = ("input", "meta", "link", "br", "hr")
Value = str | int | float | bool | None


class Markup(str):
    """Text that is HTML already and is put in as it stands."""

    __slots__ = ()


NOTHING = Markup("")


def tag(name: str, /, *children: str, **attributes: Value) -> Markup:
    """``<name ...>children</name>``.

    ``class_`` and ``stroke_width`` are written ``class`` and ``stroke-width``; ``None`` and
    ``False`` leave an attribute out, ``True`` writes it without a value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Children one after the other, each escaped unless it is markup."""
    return Markup(
        "".join(child if isinstance(child, Markup) else text(child) for child in children)
    )


def lines(*children: str) -> Markup:
    """As ``join``, a line each; empty ones are left out."""
    return Markup("\n".join(join(child) for child in children if child))


def text(words: str) -> Markup:
    """``words`` as text: printable and escaped; spaces at its ends are kept."""
    if not words.isprintable():
        words = "".join(c if c.isprintable() else " " for c in words)
    return Markup(escape(words))


def number(value: float) -> str:
    """A coordinate: two decimals at most, never an exponent."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def data_island(name: str, document: Any) -> Markup:
    """JSON that a script of the page reads and no browser runs; ``<`` is never written in it."""
    told = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        told = told.replace(character, f"\\u{ord(character):04x}")
    told = told.encode("utf-8", "replace").decode()  # a lone surrogate is no character
    return Markup(f'<script type="application/json" id="{escape(name)}">{told}</script>')


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = number(value) if isinstance(value, float) else words.clean(str(value))
    return f' {name}="{escape(shown)}"'
