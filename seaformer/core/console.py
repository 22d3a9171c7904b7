"""Text on its way to a terminal or a CI log, which may come from anywhere.

A path, a device's property or the content of a file may hold escape sequences that clear a screen
or rename a window, and lines that a CI service takes for commands. ``safe`` shows such characters
as escapes. ``prepare`` lets a stream print what its encoding lacks, replaced.
"""

from __future__ import annotations

import codecs
import re
import sys

_UNPRINTABLE = re.compile(r"[^\n -~]")  # for a look at each: most of them are printable
# GitHub reads ::command:: at the beginning of a line and ##[command] anywhere in one.
_COMMAND = re.compile(r"^(\s*)(::)|(##)(?=\[)", re.MULTILINE)
_DRAWN = {"─": "-", "═": "=", "║": "|", "│": "|", "–": "-", "—": "-", "✓": "v", "✗": "x", "…": "."}
_ERRORS = "seaformer.plain"


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
    """Let stdout and stderr print any text: what an encoding lacks becomes something like it."""
    codecs.register_error(_ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors=_ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(_DRAWN.get(each, "?") for each in part), error.end
