"""``Transport``: the shell and the files of one phone, independent of the way to it.

There are two ways: a running adb server (``adb_server.py``), and directly to the phone over TCP or
USB (``adb_direct.py``); ``finder.py`` lists the phones and chooses. Commands are argv lists, quoted
once, here, for Android's sh. No call is retried here: the caller retries, and counts it.
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
# The property with the serial number of a device that shares it with another one.
SERIAL = "shared_serial"


@dataclass(frozen=True)
class ShellResult:
    """Output and exit code of a command on the phone.

    The shell of Android before 7, and that of adb-shell, has one stream: then ``stderr`` is empty
    and error messages are in ``stdout``.
    """

    stdout: str
    stderr: str
    exit_code: int

    @property
    def summary(self) -> str:
        """The command's own message in one line, for an error; without one, how it ended."""
        message = " ".join((self.stderr.strip() or self.stdout.strip()).split())[:300]
        if message or not self.exit_code:
            return message
        try:
            return f"killed by {signal.Signals(self.exit_code - 128).name}"
        except ValueError:
            return f"exit code {self.exit_code}"


@dataclass(frozen=True)
class AttachedDevice:
    """One phone as this computer sees it.

    ``state`` is adb's word: device, unauthorized, offline, recovery, sideload, bootloader,
    ``no permissions``; ``link`` is ``usb`` or ``tcp``; ``way`` is how it is
    reached (``adb server at 127.0.0.1:5037``, ``tcp``, ``usb``) and ``why`` the reason.
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

    All raise ``DeviceLost`` when the connection breaks and ``DeviceTimeout`` after a timeout;
    after either the connection is closed, and ``Finder.reopen`` makes another. ``bytes_pushed``
    counts the contents of files sent so far.
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
        """Copy a file from the phone. Raises ``DeviceError`` when it does not exist."""
        ...

    def close(self) -> None: ...


def command_line(argv: Sequence[str]) -> str:
    """An argv list as one line of Android's sh, each argument quoted.

    Raises ``UsageError`` for a NUL, which a command line cannot contain.
    """
    if any("\0" in argument for argument in argv):
        raise UsageError("A command for the phone contains a NUL character.")
    return shlex.join(argv)


@dataclass(frozen=True)
class MarkedCommand:
    """A command line for a shell without exit codes: it prints the code after a random marker."""

    line: str
    marker: str

    @classmethod
    def of(cls, argv: Sequence[str]) -> MarkedCommand:
        marker = f"seaformer-{secrets.token_hex(8)}-exit:"
        return cls(f"{command_line(argv)}; echo {marker}$?", marker)

    def parse(self, output: str) -> ShellResult:
        """The output before the marker, and the exit code after it.

        Line ends of a terminal (Android before 7) become plain ones. Raises ``DeviceLost`` when
        the marker is missing: the output is incomplete.
        """
        end = re.search(re.escape(self.marker) + r"(\d+)(\r?)\n", output)
        if end is None:
            raise DeviceLost(
                "The phone's output was cut short: its end marker is missing.",
                hint="Check the cable, then run the same command again with --resume.",
            )
        text = output[: end.start()]
        return ShellResult(text.replace("\r\n", "\n") if end[2] else text, "", int(end[1]))
