"""Data that the page's script reads: JSON in a script element that no browser runs.

    shared = Shared()
    shared.ref("Linux 6.1")        its number: a text that many runs have is written once
    island("runs", document)       <script type="application/json" id="runs">...</script>

In a document an integer is such a number, and means what ``Shared.values`` has there. ``<`` is
never written, so that nothing in the data ends its element; nor is a character beyond ASCII, which
would double what a browser keeps of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

import msgspec
from markupsafe import Markup

from seaformer.report import words

# Of intervals: the characters beyond ASCII that are in every line of a table.
_IN_EVERY_LINE = (
    ("\N{EN DASH}".encode(), b"\\u2013"),
    ("\N{PLUS-MINUS SIGN}".encode(), b"\\u00b1"),
)
_NEVER_WRITTEN = re.compile(r"[<>&\x7f-\U0010ffff]")


class Shared:
    """What several places of a document have in common, numbered in the order of first use."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}
        self._texts: dict[str, int] = {}

    def ref(self, text: str) -> int:
        """The number of a text that is printable already."""
        number = self._numbers.get(text)
        return self._added(text, text) if number is None else number

    def text(self, text: str) -> int:
        """The number of a text from a device or a file, which is cleaned when it is first met."""
        number = self._texts.get(text)
        if number is None:
            self._texts[text] = number = self.ref(words.clean(text))
        return number

    def made(self, key: Hashable, make: Callable[..., Any], *arguments: Any) -> int:
        """The number of what ``make`` gives, called once for a key. A key is not a text."""
        number = self._numbers.get(key)
        return self._added(key, make(*arguments)) if number is None else number

    def _added(self, key: Hashable, value: Any) -> int:
        self._numbers[key] = number = len(self.values)
        self.values.append(value)
        return number


def encoded(value: Any) -> msgspec.Raw:
    """JSON that is put into a document as it is, and whose length is known."""
    return msgspec.Raw(msgspec.json.encode(value))


def island(name: str, document: Any) -> Markup:
    """The element; a number that JSON does not have is ``null``. Texts are printable already."""
    content = msgspec.json.encode(document)
    for character, escaped in _IN_EVERY_LINE:
        content = content.replace(character, escaped)
    text = _unmarked(content.decode())
    return Markup('<script type="application/json" id="{}">{}</script>').format(name, Markup(text))


def _unmarked(text: str) -> str:
    """The text without what is never written. Ten megabytes are searched for it in no time where
    there is nothing to find."""
    if text.isascii() and not any(mark in text for mark in "<>&\x7f"):
        return text
    return _NEVER_WRITTEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    """A character as JSON escapes it; beyond the first plane these are two."""
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
