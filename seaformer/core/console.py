"""Text on its way to a terminal or a CI log, which may come from anywhere.

A path, a device's property or the content of a file may hold escape sequences that clear a screen
or rename a window, and lines that a CI service takes for commands. ``safe`` shows such characters
as escapes. ``prepare`` lets a stream print what its encoding lacks, replaced.
"""

from __future__ import annotations

import codecs
import io
import re
import sys

_UNPRINTABLE = re.compile(r"[^\n -~]")  # for a look at each: most of them are printable
# GitHub reads ::command:: at the beginning of a line and ##[command] anywhere in one.
_COMMAND = re.compile(r"^(\s*)(::)|(##)(?=\[)", re.MULTILINE)
_DRAWN = {"─": "-", "═": "=", "║": "|", "│": "|", "–": "-", "—": "-", "✓": "v", "✗": "x", "…": "."}
_ERRORS = "seaformer.plain"
# Directions of text, and the controls of ISO 6429 that are one character.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\x80-\x9f]")


def safe(text: str, *, lines: bool = False) -> str:
    """``text`` with an escape for each character that is not printable.

    With ``lines`` it may have several; without, an end of line is escaped too.
    """
    shown = text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub(_shown, text)
    shown = shown if lines else shown.replace("\n", "\\n")
    return _COMMAND.sub(r"\1\\\2\3", shown) if "::" in shown or "##[" in shown else shown


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    return character if character.isprintable() else ascii(character)[1:-1]


def prepare() -> None:
    """Let stdout and stderr print any text: what an encoding lacks becomes something like it.

    On stderr the characters that turn the direction of a line are escapes in every text: the panel
    for an unknown option is not ours, and quotes the option as it is.
    """
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=_ERRORS)
    if type(sys.stderr) is io.TextIOWrapper:
        encoding = sys.stderr.encoding
        sys.stderr = _Straight(sys.stderr.detach(), encoding, _ERRORS, line_buffering=True)


class _Straight(io.TextIOWrapper):
    """A stream on which no character turns the direction of a line."""

    def write(self, text: str) -> int:
        return super().write(text if text.isascii() else _TURNING.sub(_shown, text))


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(_DRAWN.get(each, "?") for each in part), error.end
