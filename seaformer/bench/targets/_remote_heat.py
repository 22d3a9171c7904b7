"""``RemoteHeat``: a device's state around each run: a cool start, no throttling in a block."""

from __future__ import annotations

import time
from collections.abc import Callable

from seaformer.android_bench import condition
from seaformer.android_bench.care import Care
from seaformer.android_bench.connection import Phone
from seaformer.core.errors import TooHot
from seaformer.core.measurement import Flag

COOL_LIMIT_S, _COOL_POLL_S = 600.0, 5.0
# A reading of the phone's state is used for this long.
_FRESH_S = 2.0
# The core's frequency after a block, relative to the first block's.
SLOWER = 0.97


class RemoteHeat:
    """Readings of one device's state, and the decisions that depend on its temperature.

    Args:
        phone: the connection.
        care: reads and judges the state.
        progress: called with a sentence while the device cools down.
    """

    def __init__(self, phone: Phone, care: Care, progress: Callable[[str], None]) -> None:
        self._phone = phone
        self._care = care
        self._progress = progress
        self._first_khz: int | None = None
        self._last: tuple[float, condition.State] | None = None

    def state(self, cpu: int, fresh_s: float = _FRESH_S) -> condition.State:
        """The state now, at most ``fresh_s`` seconds old."""
        if self._last is not None and time.monotonic() - self._last[0] < fresh_s:
            return self._last[1]
        state = self._care.read(cpu)
        self._last = (time.monotonic(), state)
        return state

    def require_online(self, cpu: int, fresh_s: float = _FRESH_S) -> condition.State:
        """The state. Raises ``PinningBroken`` when the core went offline, also with ``--force``."""
        state = self.state(cpu, fresh_s)
        for error in condition.absent_refusal(state, (cpu,), self._phone.serial):
            raise error
        return state

    def wait_until_cool(self, cpu: int, keep_lock: Callable[[], None]) -> tuple[Flag, ...]:
        """Poll until the device is cool enough to start; a note when that took time.

        ``keep_lock`` is called at each poll. Raises ``TooHot`` after ten minutes.
        """
        began = time.monotonic()
        while reason := self._care.too_hot(self.state(cpu)):
            waited = time.monotonic() - began
            if waited > COOL_LIMIT_S:
                raise TooHot(
                    f"{self._phone.serial}: after {waited:.0f} s of waiting {reason}.",
                    hint="Let it cool down, then run the same command with --resume.",
                )
            self._progress(f"{self._phone.serial}: waiting for it to cool down, {reason}")
            keep_lock()
            self._phone.pause(_COOL_POLL_S)
        if (waited := time.monotonic() - began) > 1:
            return (Flag("cooled", False, f"waited {waited:.0f} s for a cooler device"),)
        return ()

    def throttled(self, cpu: int, freq_khz: int | None) -> str:
        """The reason to discard the block that just ended, else empty.

        ``freq_khz`` is the core's frequency after the block. Raises ``PinningBroken`` when the core
        went offline.
        """
        state = self.require_online(cpu, fresh_s=0)
        if reason := self._care.too_hot(state):
            return reason
        if reason := self._care.throttled(state):
            return reason
        limit, top = state.limit_khz, state.conditions.max_freq_khz
        if limit is not None and top is not None and limit < top:
            return f"core {cpu} is limited to {limit / 1e6:.2f} of {top / 1e6:.2f} GHz"
        self._first_khz = self._first_khz or freq_khz
        if freq_khz and self._first_khz and freq_khz < SLOWER * self._first_khz:
            first = self._first_khz / 1e6
            return f"core {cpu} ran at {freq_khz / 1e6:.2f} GHz, at first {first:.2f}"
        return ""

    def mean_power_mw(self, power_mw: tuple[float, ...]) -> float | None:
        """The mean of the battery gauge; ``None`` on a cable, where it measures the charging."""
        plugged = self._last is None or self._last[1].battery.plugged
        if plugged or not power_mw:
            return None
        return sum(power_mw) / len(power_mw)
