"""A command in a real terminal of a chosen width: what a person sees of it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
from dataclasses import dataclass
from pathlib import Path

from tests.commands.program import PROGRAM

_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Screen:
    """What a command wrote to a terminal, without styles; ``raw`` has them."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return _STYLE.sub("", self.raw).replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def on_terminal(
    *arguments: object, columns: int, cwd: Path, answer: str = "", **variables: str
) -> Screen:
    """Run a command whose input and stdout are a terminal; ``answer`` is typed into it.

    stderr is no terminal: its text follows what was written to the terminal.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    environment |= {"TERM": "xterm-256color", "SEAFORMER_RESULTS": str(cwd / "results")}
    argv = [*PROGRAM, *map(str, arguments)]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=errors, cwd=cwd, env=environment | variables
        ) as process,
    ):
        os.close(theirs)
        os.write(ours, answer.encode())
        written = _read(ours)
        code = process.wait(timeout=60)
        errors.seek(0)
        return Screen(code, (written + errors.read()).decode())


def _read(handle: int) -> bytes:
    """Everything until the other side is closed."""
    written = b""
    while True:
        try:
            chunk = os.read(handle, 1 << 16)
        except OSError:  # how Linux says that the terminal has no other side any more
            chunk = b""
        if not chunk:
            os.close(handle)
            return written
        written += chunk
