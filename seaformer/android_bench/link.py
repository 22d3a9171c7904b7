"""``Phone``: a transport that comes back.

Every call is repeated after a reconnect, so every call must be one that may run twice. How often
the phone had to be reached again is counted; a call that breaks the connection each time is not
repeated for ever. A reboot is told by the boot id, and waited out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from seaformer.android_bench.transport import Attached, ShellResult, Transport
from seaformer.core.errors import (
    DeviceError,
    DeviceLost,
    DeviceOffline,
    DeviceTimeout,
    NoDevice,
    NoPermission,
    NotBooted,
    SeaFormerError,
    Unauthorized,
)

T = TypeVar("T")
# The slowest link a push is waited for: USB 1 in practice, or a poor wireless network.
_BYTES_PER_S = 250_000
# What a call on a phone that was there ends with when it is not: a server names the state it sees.
_AWAY = (DeviceLost, DeviceTimeout, DeviceOffline, NoDevice, NotBooted, NoPermission, Unauthorized)
# A transfer that is over sooner than this needs no announcement.
_SOON_S = 5.0
_READY = "read id < /proc/sys/kernel/random/boot_id; echo $id; getprop sys.boot_completed"


class Opener(Protocol):
    """What makes connections: ``attach.Finder``, or a test's."""

    def open(self, phone: Attached, say: Callable[[str], None] = ...) -> Transport: ...

    def reopen(self, phone: Attached) -> Transport: ...


@dataclass(frozen=True)
class Patience:
    """How long a lost phone is waited for, a call answers, and how often one is repeated."""

    total_s: float = 120.0
    call_s: float = 30.0
    first_s: float = 0.25
    longest_s: float = 4.0
    repeats: int = 4


class Phone:
    """One phone for the length of a bench.

    Args:
        opener: makes the first and every later connection.
        attached: which phone.
        patience: how long to wait for it.
        say: called with a sentence when the phone is lost and when it is back.
        pause: sleeps; raises to end a wait (Ctrl-C of a bench in another thread).

    ``before_transfer`` is called before a file goes over, with the seconds that may take.

    Raises the error of the phone's state when it cannot be reached now.
    """

    def __init__(
        self,
        opener: Opener,
        attached: Attached,
        *,
        patience: Patience = Patience(),
        say: Callable[[str], None] = lambda sentence: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.attached = attached
        self.serial = attached.serial
        self.pause = pause
        self.say = say
        self.reconnects = 0
        self.reconnect_tries = 0
        self.gone = False
        self.before_transfer: Callable[[float], None] = lambda seconds: None
        self._patience = patience
        self._opener = opener
        self._pushed_before = 0
        self._transport: Transport | None = opener.open(attached, say)
        self.way, self.why = self._transport.way, self._transport.why
        self.boot_id = self._wait_for_android(self._transport)

    @property
    def bytes_pushed(self) -> int:
        """Bytes of files sent so far, over all connections."""
        return self._pushed_before + (self._transport.bytes_pushed if self._transport else 0)

    def run(self, argv: Sequence[str], timeout_s: float | None = None) -> ShellResult:
        """Run a command that may run twice; its exit code is the caller's to look at."""
        limit = self._patience.call_s if timeout_s is None else timeout_s
        return self._again(lambda transport: transport.shell(argv, limit))

    def script(self, text: str, *arguments: str, timeout_s: float | None = None) -> ShellResult:
        """Run a constant script with arguments ``$1``, ``$2``...; it may run twice."""
        return self.run(["sh", "-c", text, "sh", *arguments], timeout_s)

    def push(self, source: Path, target: str) -> None:
        """Copy a file to the phone; a broken push starts from the beginning."""
        limit = self._limit(source.stat().st_size)
        self._again(lambda transport: transport.push(source, target, limit))

    def pull(self, source: str, target: Path, size_bytes: int = 0) -> None:
        """Copy a file from the phone."""
        limit = self._limit(size_bytes)
        self._again(lambda transport: transport.pull(source, target, limit))

    def _limit(self, size_bytes: int) -> float:
        """Seconds that a file of this size may take, told to whoever wants to know."""
        seconds = size_bytes / _BYTES_PER_S
        if seconds > _SOON_S:
            self.before_transfer(seconds)
        return self._patience.call_s + seconds

    def close(self) -> None:
        """Leave the phone alone; the next call would connect again."""
        if self._transport is not None:
            self._pushed_before += self._transport.bytes_pushed
            self._transport.close()
            self._transport = None

    def _again(self, call: Callable[[Transport], T]) -> T:
        broken = 0
        while True:
            transport = self._transport or self._reconnect()
            try:
                return call(transport)
            except _AWAY as error:
                self.close()
                broken += 1
                if broken > self._patience.repeats:
                    raise DeviceLost(
                        f"{self.serial}: the same call broke {broken} times: {error.message}",
                        hint=error.hint,
                    ) from error
                self.say(f"{error.message} Connecting again.")

    def _reconnect(self) -> Transport:
        """Try until the patience is over, once when it was over before."""
        patience = self._patience
        wait, began, tries = patience.first_s, time.monotonic(), 0
        while True:
            tries += 1
            self.reconnect_tries += 1
            try:
                transport = self._opener.reopen(self.attached)
                boot_id = self._wait_for_android(transport)
            except (DeviceError, SeaFormerError) as error:
                waited = time.monotonic() - began
                if self.gone or waited > patience.total_s:
                    self.gone = True
                    raise self._lost(error, tries, waited) from error
                self.pause(wait)
                wait = min(2 * wait, patience.longest_s)
                continue
            self._transport, self.gone = transport, False
            self.reconnects += 1
            if boot_id != self.boot_id:
                self.boot_id = boot_id
                self.say(f"{self.serial} was restarted.")
            return transport

    def _wait_for_android(self, transport: Transport) -> str:
        """The boot id, once Android is up: the daemon answers before."""
        deadline = time.monotonic() + self._patience.total_s
        while True:
            done = transport.shell(["sh", "-c", _READY], self._patience.call_s)
            boot_id, _, completed = done.stdout.strip().partition("\n")
            if completed.strip() == "1":
                return boot_id
            if time.monotonic() > deadline:
                raise DeviceTimeout(f"{self.serial} did not finish starting Android.")
            self.pause(1.0)

    def _lost(self, error: SeaFormerError, tries: int, waited: float) -> DeviceLost:
        return DeviceLost(
            f"{self.serial} was lost and did not come back in {tries} tries over {waited:.0f} s: "
            f"{error.message}",
            hint=f"{error.hint} Then run the same command with --resume: what was measured is "
            "kept.".strip(),
        )
