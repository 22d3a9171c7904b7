"""``Phone``: a connection that survives a lost cable, a restarted adb server and a reboot.

Every call is repeated after a reconnect, so every call must be safe to run twice. Reconnects are
counted; a call that breaks the connection each time fails after a few repeats. A reboot is
recognised by the boot id, and the phone is given time to start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from seaformer.android_bench.place import ANDROID, Place
from seaformer.android_bench.transport import AttachedDevice, ShellResult, Transport
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
# The slowest transfer that is not a timeout: USB 1 in practice, or a poor wireless network.
_BYTES_PER_S = 250_000
# The errors of a call on a phone that went away: an adb server reports the state it sees.
_LOST = (DeviceLost, DeviceTimeout, DeviceOffline, NoDevice, NotBooted, NoPermission, Unauthorized)
# A shorter transfer needs no announcement to the lock.
_SHORT_S = 5.0


class Opener(Protocol):
    """Makes connections: ``finder.Finder``, or one of a test."""

    def open(self, device: AttachedDevice, progress: Callable[[str], None] = ...) -> Transport: ...

    def reopen(self, device: AttachedDevice) -> Transport: ...


@dataclass(frozen=True)
class ConnectionPolicy:
    """How long a call may take, how long reconnecting is tried, and how often a call is repeated.

    ``total_s`` is the time for reconnecting, with pauses from ``first_s`` to ``longest_s``.
    """

    total_s: float = 120.0
    call_s: float = 30.0
    first_s: float = 0.25
    longest_s: float = 4.0
    repeats: int = 4


class Phone:
    """One phone for the length of a bench.

    Args:
        opener: makes the first and every later connection.
        device: which phone.
        place: the folder on it, and how it reports that it has started.
        policy: timeouts and repeats.
        progress: called with a sentence when the phone is lost and after it was restarted.
        pause: sleeps; raises to end a wait (Ctrl-C of a bench in another thread).

    ``before_transfer`` is called before a long transfer, with the seconds it may take.

    Raises the error of the phone's state when it cannot be reached now.
    """

    def __init__(
        self,
        opener: Opener,
        device: AttachedDevice,
        *,
        place: Place = ANDROID,
        policy: ConnectionPolicy = ConnectionPolicy(),
        progress: Callable[[str], None] = lambda sentence: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.device = device
        self.place = place
        self.serial = device.serial
        self.pause = pause
        self.progress = progress
        self.reconnects = 0
        self.reconnect_tries = 0
        self.gone = False
        self.before_transfer: Callable[[float], None] = lambda seconds: None
        self._policy = policy
        self._opener = opener
        self._pushed_before = 0
        self._transport: Transport | None = opener.open(device, progress)
        self.way, self.why = self._transport.way, self._transport.why
        self.boot_id = self._wait_for_start(self._transport)

    @property
    def bytes_pushed(self) -> int:
        """Bytes of files sent so far, in all connections."""
        return self._pushed_before + (self._transport.bytes_pushed if self._transport else 0)

    def run(self, argv: Sequence[str], timeout_s: float | None = None) -> ShellResult:
        """Run a command that is safe to run twice; the caller checks its exit code."""
        limit = self._policy.call_s if timeout_s is None else timeout_s
        return self._repeat(lambda transport: transport.shell(argv, limit))

    def script(self, text: str, *arguments: str, timeout_s: float | None = None) -> ShellResult:
        """Run a constant script with arguments ``$1``, ``$2``...; it must be safe to run twice."""
        return self.run(["sh", "-c", text, "sh", *arguments], timeout_s)

    def push(self, source: Path, target: str) -> None:
        """Copy a file to the phone; after a broken connection the push starts again."""
        limit = self._transfer_limit(source.stat().st_size)
        self._repeat(lambda transport: transport.push(source, target, limit))

    def pull(self, source: str, target: Path, size_bytes: int = 0) -> None:
        """Copy a file from the phone."""
        limit = self._transfer_limit(size_bytes)
        self._repeat(lambda transport: transport.pull(source, target, limit))

    def _transfer_limit(self, size_bytes: int) -> float:
        """The timeout for a file of this size; a long transfer is announced first."""
        seconds = size_bytes / _BYTES_PER_S
        if seconds > _SHORT_S:
            self.before_transfer(seconds)
        return self._policy.call_s + seconds

    def close(self) -> None:
        """Close the connection; another call would connect again."""
        if self._transport is not None:
            self._pushed_before += self._transport.bytes_pushed
            self._transport.close()
            self._transport = None

    def _repeat(self, call: Callable[[Transport], T]) -> T:
        broken = 0
        while True:
            transport = self._transport or self._reconnect()
            try:
                return call(transport)
            except _LOST as error:
                self.close()
                broken += 1
                if broken > self._policy.repeats:
                    raise DeviceLost(
                        f"{self.serial}: the connection broke {broken} times in the same call: "
                        f"{error.message}",
                        hint=error.hint,
                    ) from error
                self.progress(f"{error.message} Connecting again.")

    def _reconnect(self) -> Transport:
        """Try until the time is over; only once when it was over in an earlier call."""
        policy = self._policy
        wait, began, tries = policy.first_s, time.monotonic(), 0
        while True:
            tries += 1
            self.reconnect_tries += 1
            try:
                transport = self._opener.reopen(self.device)
                boot_id = self._wait_for_start(transport)
            except (DeviceError, SeaFormerError) as error:
                waited = time.monotonic() - began
                if self.gone or waited > policy.total_s:
                    self.gone = True
                    raise self._lost(error, tries, waited) from error
                self.pause(wait)
                wait = min(2 * wait, policy.longest_s)
                continue
            self._transport, self.gone = transport, False
            self.reconnects += 1
            if boot_id != self.boot_id:
                self.boot_id = boot_id
                self.progress(f"{self.serial} was restarted.")
            return transport

    def _wait_for_start(self, transport: Transport) -> str:
        """The boot id, once the system has started: the adb daemon answers earlier."""
        deadline = time.monotonic() + self._policy.total_s
        while True:
            done = transport.shell(["sh", "-c", self.place.ready], self._policy.call_s)
            boot_id, _, completed = done.stdout.strip().partition("\n")
            if completed.strip() == "1":
                return boot_id
            if time.monotonic() > deadline:
                raise DeviceTimeout(f"{self.serial}: the system did not finish starting.")
            self.pause(1.0)

    def _lost(self, error: SeaFormerError, tries: int, waited: float) -> DeviceLost:
        return DeviceLost(
            f"{self.serial} was lost and did not come back in {tries} attempts over "
            f"{waited:.0f} s: {error.message}",
            hint=f"{error.hint} Then run the same command with --resume: finished runs are "
            "kept.".strip(),
        )
