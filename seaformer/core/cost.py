"""``StepCost``: what a step of an export took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepCost:
    """One step: wall time, and the most memory that the exporting process had resident in it.

    ``peak_bytes`` has no part of programs that the step starts (pnnx), and is 0 where the system
    does not report it. A step whose result another file of the same command left is short.
    """

    step: str
    seconds: float
    peak_bytes: int
