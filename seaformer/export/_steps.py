"""The steps of an export: each is announced as it begins, and its cost kept when it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from seaformer.core import memory
from seaformer.core.cost import StepCost

Progress = Callable[[str], None]
_DETAIL = re.compile(r"[,:].*")  # "search for modules in float, 3 of 40: stem"


class Steps:
    """Called with the name of each step; steps that differ in a detail are one in ``costs``."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self._costs: dict[str, StepCost] = {}
        self._step, self._start = "", 0.0

    def __call__(self, step: str) -> None:
        """End the step before, and begin this one."""
        self._end()
        if self._progress:
            self._progress(step)
        self._step, self._start = _DETAIL.sub("", step), time.monotonic()
        memory.reset_peak()

    def costs(self) -> tuple[StepCost, ...]:
        """Of every step so far, in the order they began; the last ends with this call."""
        self._end()
        return tuple(self._costs.values())

    def _end(self) -> None:
        if not self._step:
            return
        seconds, peak = time.monotonic() - self._start, memory.peak_bytes()
        if before := self._costs.get(self._step):
            seconds, peak = before.seconds + seconds, max(before.peak_bytes, peak)
        self._costs[self._step] = StepCost(self._step, round(seconds, 3), peak)
        self._step = ""
