"""``Transport``: one phone's shell and files, whichever way the bytes go.

Two ways: the adb server that runs already (``adb_server.py``) and straight to the phone, over TCP
or USB (``adb_direct.py``); ``attach.py`` finds phones and chooses. Commands are argv lists, quoted
once, here, for Android's sh. No call is retried here: a retry is the caller's, who counts it.
"""

from __future__ import annotations

import re
import secrets
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from seaformer.core.errors import DeviceLost, UsageError

# What ``adb devices`` calls a phone that can be used.
READY = "device"


@dataclass(frozen=True)
class ShellResult:
    """What a command on the phone ended with.

    The shell of Android before 7, and adb-shell's, has one stream: then ``stderr`` is empty and
    what a command complained of is in ``stdout``.
    """

    stdout: str
    stderr: str
    exit_code: int

    @property
    def said(self) -> str:
        """The command's own sentence, for an error message; else how it ended."""
        said = " ".join((self.stderr.strip() or self.stdout.strip()).split())[:300]
        if said or not self.exit_code:
            return said
        try:
            return f"killed by {signal.Signals(self.exit_code - 128).name}"
        except ValueError:
            return f"exit code {self.exit_code}"


@dataclass(frozen=True)
class Attached:
    """One phone as it is seen from here.

    ``state`` is adb's word: device, unauthorized, offline, recovery, sideload, bootloader,
    ``no permissions``; ``link`` is ``usb`` or ``tcp``; ``way`` how it would be talked to
    (``adb server at 127.0.0.1:5037``, ``tcp``, ``usb``) and ``why``.
    """

    serial: str
    state: str
    link: str
    way: str
    why: str
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return self.state == READY


class Transport(Protocol):
    """A connection to one phone. Every call has a time limit; none is repeated.

    All raise ``DeviceLost`` when the connection breaks and ``DeviceTimeout`` when the time is
    over; after either the connection is closed, and ``open_transport`` makes another.
    ``bytes_pushed`` counts the contents of files sent so far.
    """

    serial: str
    way: str
    why: str
    bytes_pushed: int

    def shell(self, argv: Sequence[str], timeout_s: float) -> ShellResult:
        """Run one command. A script is ``["sh", "-c", TEXT, "sh", *ARGUMENTS]``, TEXT constant."""
        ...

    def push(self, source: Path, target: str, timeout_s: float) -> None:
        """Copy a file to the phone, mode 0755. Raises ``DeviceFull`` when it does not fit.

        A push that fails may leave a part of the file at ``target``.
        """
        ...

    def pull(self, source: str, target: Path, timeout_s: float) -> None:
        """Copy a file from the phone. Raises ``DeviceError`` when it is not there."""
        ...

    def close(self) -> None: ...


def command_line(argv: Sequence[str]) -> str:
    """An argv list as one line of Android's sh, each argument quoted.

    Raises ``UsageError`` for a NUL, which no command line can carry.
    """
    if any("\0" in argument for argument in argv):
        raise UsageError("A command for the phone has a NUL character in it.")
    return shlex.join(argv)


@dataclass(frozen=True)
class Marked:
    """A command line for a shell that tells no exit code: it is printed behind a random marker."""

    line: str
    marker: str

    @classmethod
    def of(cls, argv: Sequence[str]) -> Marked:
        marker = f"seaformer-{secrets.token_hex(8)}-exit:"
        return cls(f"{command_line(argv)}; echo {marker}$?", marker)

    def parse(self, output: str) -> ShellResult:
        """What was printed before the marker, and the exit code behind it.

        A terminal's line ends (Android before 7) are made plain ones. Raises ``DeviceLost`` when
        the marker is not there: the answer was cut.
        """
        found = re.search(re.escape(self.marker) + r"(\d+)(\r?)\n", output)
        if found is None:
            raise DeviceLost(
                "The phone's answer was cut short: its end marker did not arrive.",
                hint="Check the cable, then run the same command again with --resume.",
            )
        text = output[: found.start()]
        return ShellResult(text.replace("\r\n", "\n") if found[2] else text, "", int(found[1]))
