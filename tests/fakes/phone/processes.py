"""The processes of one fake phone among those of the host, recognised by their environment.

Used by the double and by ``ps_command.py``, which runs alone: nothing of ours is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process; the emulator and the phone's shell are named by what they run."""

    pid: int
    parent: int
    state: str
    size_bytes: int
    resident_pages: int
    argv: tuple[str, ...]

    @property
    def name(self) -> str:
        return Path(self.argv[0]).name if self.argv else "?"

    @property
    def line(self) -> str:
        return " ".join(self.argv)

    def column(self, name: str) -> str:
        """One cell of ``ps -o``."""
        known = {
            "USER": "shell", "UID": "2000", "PID": str(self.pid), "PPID": str(self.parent),
            "VSZ": str(self.size_bytes // 1024), "RSS": str(self.resident_pages * 4),
            "WCHAN": "0", "ADDR": "0", "S": self.state, "STAT": self.state, "NAME": self.name,
            "COMM": self.name[:15], "CMD": self.name, "ARGS": self.line, "CMDLINE": self.line,
            "%CPU": "0.0", "PCPU": "0.0", "TIME": "00:00:00", "TTY": "?",
        }  # fmt: skip
        return known.get(name, "-")


def processes(root: str) -> list[Process]:
    """Every live process of the phone whose ``/`` is the host's folder ``root``."""
    return sorted(_find(root), key=lambda process: process.pid)


def _find(root: str) -> Iterator[Process]:
    mark = b"FAKE_ROOT=" + os.fsencode(root) + b"\0"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            if mark not in (entry / "environ").read_bytes() + b"\0":
                continue
            stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            fields = stat[stat.rindex(")") + 2 :].split()
            if fields[0] in "ZX":
                continue
            argv = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            words = _as_seen(tuple(os.fsdecode(word).replace(root, "") for word in argv))
            yield Process(
                int(entry.name),
                int(fields[1]),
                fields[0],
                int(fields[20]),
                int(fields[21]),
                words,
            )


def _as_seen(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Without the emulator in front: ``qemu-aarch64 -cpu X -L ROOT program ...``."""
    if argv and Path(argv[0]).name.startswith("qemu-aarch64") and len(argv) > 5:
        return argv[5:]
    return argv
