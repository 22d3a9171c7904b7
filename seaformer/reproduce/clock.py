"""How far a reproduction is, and a guess of the seconds that are left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from seaformer.core.measurement import MEASURED
from seaformer.core.plan import RunPlan
from seaformer.reproduce.plan import Work

# Seconds an export and its measurement take where nothing better is known, for the time left:
# fixed, per 10^9 multiply-accumulates in three processes. They are corrected by what the finished
# ones took.
_HOST_S, _EMULATED_S = (90.0, 10.0), (60.0, 250.0)


@dataclass(frozen=True)
class Progress:
    """How far a reproduction is. ``left_s`` is a guess in seconds, better with every row."""

    what: str
    done: int
    total: int
    left_s: float


def expected_s(work: Work, processes: int, source: str) -> float:
    """Seconds to export and measure one file where nothing better is known."""
    fixed, per_gmac = _HOST_S if source == MEASURED else _EMULATED_S
    per_gmac *= processes / RunPlan().processes
    return fixed + per_gmac * work.macs / 1e9 * (2 if work.components else 1)


class Clock:
    """What is left to do, in seconds: expected ones, scaled by how the finished ones went."""

    def __init__(self, expected: dict[Work, float]) -> None:
        self._open = dict(expected)
        self._expected = 0.0
        self._taken = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        self._since = time.monotonic()

    def end(self, works: Sequence[Work]) -> None:
        """``works`` were measured; an export that nothing was measured of tells no pace."""
        if self._since is not None and works:
            self._taken += time.monotonic() - self._since
        self._since = None
        self._expected += sum(self._open.pop(work, 0.0) for work in works)

    def skip(self, works: Sequence[Work]) -> None:
        """What takes no time after all."""
        for work in works:
            self._open.pop(work, None)

    def left_s(self) -> float:
        scale = self._taken / self._expected if self._expected else 1.0
        running = time.monotonic() - self._since if self._since is not None else 0.0
        return max(sum(self._open.values()) * scale - running, 0.0)
