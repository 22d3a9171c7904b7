"""Elements of our SVG pictures as text. Whatever is not ``Markup`` already is escaped.

The page itself is made of templates (``templates/``). A picture is thousands of shapes at computed
places, drawn by functions that call each other: as templates each shape would be a macro call with
the same arguments, and the arithmetic would be split from what it places.
"""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from seaformer.report import words

Value = str | int | float | bool | None


def tag(name: str, /, *children: str, **attributes: Value) -> Markup:
    """``<name ...>children</name>``.

    ``class_`` and ``stroke_width`` are written ``class`` and ``stroke-width``; ``None`` and
    ``False`` leave an attribute out, ``True`` writes it without a value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Children one after the other, each escaped unless it is markup."""
    return Markup("".join(c if isinstance(c, Markup) else _text(c) for c in children))


def number(value: float) -> str:
    """A coordinate: two decimals at most, never an exponent."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    """Printable and escaped; spaces at its ends are kept."""
    return escape(words.printable(text))


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    shown = number(value) if isinstance(value, float) else words.clean(str(value))
    return f' {name}="{escape(shown)}"'
