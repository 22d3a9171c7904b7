"""``Care``: how a bench reads and judges the state of a device, and what it changes on it.

``PhoneCare`` is that of an Android phone (``condition.py``), ``board.BoardCare`` of a Linux board.
"""

from __future__ import annotations

from typing import Protocol

from seaformer.android_bench import condition
from seaformer.android_bench.condition import State
from seaformer.android_bench.connection import Phone
from seaformer.core.errors import MeasurementRefused
from seaformer.core.measurement import Flag


class Care(Protocol):
    """The state of one device around a measurement."""

    def read(self, cpu: int, *, busy: bool = False) -> State:
        """The state in one call; with ``busy`` also the share of the cores in use."""
        ...

    def refusals(self, state: State, cpus: tuple[int, ...]) -> list[MeasurementRefused]:
        """The reasons not to measure now, each with a remedy."""
        ...

    def too_hot(self, state: State) -> str:
        """The reason when the device is too hot to start, else empty; it passes by waiting."""
        ...

    def throttled(self, state: State) -> str:
        """The reason when the device slowed itself down since the last call, else empty."""
        ...

    def notes(self, state: State) -> list[Flag]:
        """Notes for the reader of the row that are not reasons to refuse."""
        ...

    def begin(self) -> None:
        """Change what a bench changes on the device."""
        ...

    def restore(self) -> tuple[str, ...]:
        """Undo it, also for a bench that was killed. Returns the settings put back.

        Raises ``DeviceError`` when the device refuses.
        """
        ...


class PhoneCare:
    """The state of an Android phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def read(self, cpu: int, *, busy: bool = False) -> State:
        return condition.read_state(self._phone, cpu, busy=busy)

    def refusals(self, state: State, cpus: tuple[int, ...]) -> list[MeasurementRefused]:
        return condition.refusals(state, cpus, self._phone.serial)

    def too_hot(self, state: State) -> str:
        return condition.too_hot(state)

    def throttled(self, state: State) -> str:
        return ""

    def notes(self, state: State) -> list[Flag]:
        return condition.notes(state)

    def begin(self) -> None:
        condition.stay_awake(self._phone)

    def restore(self) -> tuple[str, ...]:
        return condition.restore(self._phone)
