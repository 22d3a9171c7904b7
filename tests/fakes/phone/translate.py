"""A phone's paths in a command become the host's, and the host's in its output a phone's.

No namespace is needed for this: a command is text, and so are its paths. The rules: an absolute
path under a folder of the phone (``/data``, ``/sys``, ...) or a file of /proc that the phone
has its own of is prefixed by the phone's root. And a word in a command's place that is a path or
a variable is run through ``_run``, which knows aarch64 programs and scripts of ``/system/bin/sh``.

What that cannot do: a path that is put together from parts only at run time and starts with a
bare ``/``; an option that a path follows without a blank or ``=``; paths in files that are no
scripts. ``/`` itself is the host's. Good enough for a double, and no jail.
"""

from __future__ import annotations

import re
from pathlib import Path

# Files of /proc that the phone has its own of; /proc/self and /proc/PID are real ones.
PROC = ("cpuinfo", "loadavg", "meminfo", "stat", "sys", "uptime", "version")
_FOLDERS = "data|sys|system|vendor|product|sdcard|storage|apex|mnt"
_PATH = re.compile(
    r"(?<![\w./~})\]*-])(?=/(?:" + _FOLDERS + r"|proc/(?:" + "|".join(PROC) + r"))(?![\w.-]))"
)
_SAFE_ROOT = re.compile(r"/[\w./-]+")
_KEYWORDS = frozenset(("if", "then", "elif", "else", "while", "until", "do", "!", "{", "exec"))
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_SEPARATORS = ";&|\n()"
_RUN = "_run "


def to_host(command: str, root: Path) -> str:
    """A command of the phone as the host's ``/bin/sh`` shall run it."""
    if not _SAFE_ROOT.fullmatch(str(root)):
        raise ValueError(f"the folder of a fake phone must need no quotes: {root}")
    return _run_programs(_PATH.sub(str(root), command))


def _run_programs(command: str) -> str:
    """Put ``_run`` before each word in a command's place that is a path or a variable."""
    out, at, expects = [], 0, True
    while at < len(command):
        char = command[at]
        if char in _SEPARATORS:
            out.append(char)
            expects, at = True, at + 1
        elif char.isspace():
            out.append(char)
            at += 1
        elif char == "#":
            end = command.find("\n", at)
            end = len(command) if end < 0 else end
            out.append(command[at:end])
            at = end
        elif char in "<>":
            at = _copy_redirection(command, at, out)
        else:
            end = _word_end(command, at)
            word = command[at:end]
            if expects and _is_program(word):
                out.append(_RUN)
            expects = expects and (word in _KEYWORDS or bool(_ASSIGNMENT.match(word)))
            out.append(word)
            at = end
    return "".join(out)


def _is_program(word: str) -> bool:
    bare = word.lstrip("\"'")
    if _ASSIGNMENT.match(word) or word.startswith("$("):
        return False
    return "/" in bare or bare.startswith("$")


def _copy_redirection(command: str, at: int, out: list[str]) -> int:
    """``> file``, ``2>&1`` and so on: the word after it is in no command's place."""
    end = at
    while end < len(command) and command[end] in "<>&|-":
        end += 1
    while end < len(command) and command[end] in " \t":
        end += 1
    end = _word_end(command, end)
    out.append(command[at:end])
    return end


def _word_end(command: str, at: int) -> int:
    """Where the word that starts at ``at`` ends; quotes and ``$(...)`` are part of it."""
    while at < len(command):
        char = command[at]
        if char == "\\":
            at += 2
        elif char == "'":
            at = _after(command, "'", at + 1)
        elif char == '"':
            at = _double_quoted_end(command, at + 1)
        elif command.startswith("$(", at):
            at = _parenthesis_end(command, at + 2)
        elif char.isspace() or char in ";&|()<>":
            return at
        else:
            at += 1
    return len(command)


def _after(command: str, end: str, at: int) -> int:
    position = command.find(end, at)
    return len(command) if position < 0 else position + 1


def _double_quoted_end(command: str, at: int) -> int:
    while at < len(command) and command[at] != '"':
        if command[at] == "\\":
            at += 2
        elif command.startswith("$(", at):
            at = _parenthesis_end(command, at + 2)
        else:
            at += 1
    return at + 1


def _parenthesis_end(command: str, at: int) -> int:
    """After the ``)`` that closes a ``$(`` opened before ``at``."""
    while at < len(command) and command[at] != ")":
        if command[at] in "(" + _SEPARATORS or command[at].isspace() or command[at] in "<>":
            at += 1
        else:
            at = max(_word_end(command, at), at + 1)
    return at + 1


class Unrooter:
    """Takes the phone's root out of a stream of output, also where it is cut in two."""

    def __init__(self, root: Path) -> None:
        self._root = str(root).encode()
        # What follows the root must be known: then it is a folder's, or the end of its name.
        self._whole = re.compile(re.escape(self._root) + rb"(/|(?=[^/]))")
        self._held = b""

    def feed(self, data: bytes, *, last: bool = False) -> bytes:
        """The next piece as the phone would have written it; a possible part of the root waits."""
        text, self._held = self._held + data, b""
        done = max((match.end() for match in self._whole.finditer(text)), default=0)
        rest = text[done:]
        output = self._whole.sub(b"/", text)[: -len(rest) or None] if done else b""
        if last:
            return output + rest.replace(self._root, b"/")
        keep = self._tail(rest)
        self._held = rest[len(rest) - keep :]
        return output + rest[: len(rest) - keep]

    def _tail(self, text: bytes) -> int:
        longest = min(len(text), len(self._root))
        return next((n for n in range(longest, 0, -1) if self._root.startswith(text[-n:])), 0)
