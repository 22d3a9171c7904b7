"""A bench on several devices side by side: a lane, with a thread of its own, for each.

What happens on one lane ends nothing on the others. One device alone runs in the calling thread,
where Ctrl-C arrives; with several, Ctrl-C sets an event that every wait on a phone looks at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from seaformer.bench.code_blocks import block_target, write_blocks_of
from seaformer.bench.operator_code import write_codes_of
from seaformer.bench.profile import profile_each
from seaformer.bench.run import Bench
from seaformer.bench.target import PartTarget, Target, TargetOptions, open_target
from seaformer.core.artifact import Artifact
from seaformer.core.errors import MeasurementRefused, SeaFormerError
from seaformer.core.measurement import Measurement
from seaformer.core.operator_code import OperatorCodes
from seaformer.core.plan import RunPlan
from seaformer.core.profile import Profile
from seaformer.store.results import ResultStore

S = TypeVar("S")
T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchOrder:
    """What every device is to do. ``profiles`` (``ops``, ``blocks``) add runs of each artifact."""

    plan: RunPlan
    store: ResultStore
    command: str = ""
    profiles: tuple[str, ...] = ()
    options: TargetOptions = TargetOptions()


@dataclass(frozen=True)
class Outcome:
    """What became of one device; ``not_stored`` are among ``measured``.

    ``profiles`` have the times of operators, ``codes`` their instructions where a core is emulated.
    ``refused`` are sentences about missing ones, ``blocks`` about block profiles.
    """

    device: str
    measured: tuple[Measurement, ...] = ()
    not_stored: tuple[Measurement, ...] = ()
    profiles: tuple[Profile, ...] = ()
    codes: tuple[OperatorCodes, ...] = ()
    refused: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    error: SeaFormerError | None = None
    interrupted: bool = False


@dataclass(frozen=True)
class Lane:
    """One device of a bench: ready to measure, or with the error that opening it gave."""

    name: str
    say: Say
    bench: Bench | None = None
    target: Target | None = None
    error: SeaFormerError | None = None

    def run(self, artifacts: Sequence[Artifact], order: BenchOrder) -> Outcome:
        """Measure and profile; an error or Ctrl-C keeps what was measured before it."""
        if self.bench is None or self.target is None:
            return Outcome(self.name, error=self.error)
        try:
            measured = tuple(self.bench.run(artifacts))
            return replace(self._profiled(self.target, artifacts, order), measured=measured)
        except KeyboardInterrupt:
            return self._ended(self.bench, interrupted=True)
        except SeaFormerError as error:
            return self._ended(self.bench, error=error)

    def _ended(
        self, bench: Bench, *, error: SeaFormerError | None = None, interrupted: bool = False
    ) -> Outcome:
        """What was measured before an error or Ctrl-C."""
        return Outcome(
            self.name, bench.finished, bench.not_stored, error=error, interrupted=interrupted
        )

    def close(self) -> None:
        """Leave the device, if it was opened."""
        if self.target is not None:
            self.target.close()

    def _profiled(
        self, target: Target, artifacts: Sequence[Artifact], order: BenchOrder
    ) -> Outcome:
        """The runs that are not measurements, after those that are."""
        timed, counted = (artifacts if kind in order.profiles else () for kind in ("ops", "blocks"))
        codes: tuple[OperatorCodes, ...] = ()
        profiles: tuple[Profile, ...] = ()
        if isinstance(target, PartTarget):  # emulated: times would be the emulator's
            codes, refused = write_codes_of(
                target,
                order.plan,
                timed,
                order.store.root,
                command=order.command,
                progress=self.say,
            )
        else:
            profiles, refused = profile_each(target, order.plan, timed, order.command, self.say)
        blocks = write_blocks_of(
            target, order.plan, counted, order.store.root, command=order.command, progress=self.say
        )
        return Outcome(self.name, (), (), profiles, codes, refused, tuple(blocks))


def open_lane(name: str, order: BenchOrder, say: Say) -> Lane:
    """Open one device and prepare its bench; an error becomes part of the lane."""
    target: Target | None = None
    try:
        target = open_target(name, say, order.options)
        if "blocks" in order.profiles:
            block_target(target)
        bench = Bench(
            target,
            order.plan,
            order.store,
            command=order.command,
            progress=lambda what, done, total: say(
                f"process {min(done + 1, total)} of {total}: {what}"
            ),
            resume=order.options.resume,
        )
    except SeaFormerError as error:
        if target is not None:
            target.close()
        return Lane(name, say, error=error)
    return Lane(name, say, bench, target)


class Fleet:
    """The devices of one bench, all opened at once.

    Raises the first error when no device could be opened.
    """

    def __init__(self, devices: Sequence[str], order: BenchOrder, say: Say) -> None:
        self._stop = threading.Event()
        self._order = order
        if len(devices) > 1:
            self._order = replace(order, options=replace(order.options, pause=self._pause))
        self._lanes = self._each(
            lambda name: open_lane(name, self._order, _named(name, say, len(devices))), devices
        )
        self._lanes = _without_doubles(self._lanes)
        errors = [lane.error for lane in self._lanes if lane.error is not None]
        if len(errors) == len(devices):
            raise errors[0]

    def run(self, artifacts: Sequence[Artifact]) -> tuple[Outcome, ...]:
        """Measure all artifacts on every device; the outcomes in the order of the devices.

        Raises the error of the only device when it measured nothing.
        """
        try:
            outcomes = self._each(lambda lane: lane.run(artifacts, self._order), self._lanes)
        finally:
            for lane in self._lanes:
                lane.close()
        (first, *others) = outcomes
        if first.error is not None and not first.measured and not others:
            raise first.error
        return tuple(outcomes)

    def _each(self, work: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """``work`` on every item side by side; the first Ctrl-C asks all of them to end."""
        if len(items) == 1:
            return [work(items[0])]
        with ThreadPoolExecutor(max_workers=len(items)) as pool:
            waiting = [pool.submit(work, item) for item in items]
            while True:
                try:
                    return [future.result() for future in waiting]
                except KeyboardInterrupt:
                    if self._stop.is_set():
                        raise
                    self._stop.set()

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise KeyboardInterrupt


def _without_doubles(lanes: Sequence[Lane]) -> list[Lane]:
    """The lanes; one whose device has the identity of an earlier one is closed and refused.

    Rows of two devices with one identity could not be separated afterwards.
    """
    names: dict[str, str] = {}
    return [
        lane if lane.target is None else _checked(lane, names, lane.target.device().id)
        for lane in lanes
    ]


def _checked(lane: Lane, names: dict[str, str], identity: str) -> Lane:
    first = names.setdefault(identity, lane.name)
    if first == lane.name:
        return lane
    lane.close()
    error = MeasurementRefused(
        f"{lane.name} and {first} have one identity ({identity}): they are one device, or report "
        "one serial number and no Android ID.",
        hint="Bench them one after the other, each with a --results folder of its own.",
    )
    return Lane(lane.name, lane.say, error=error)


def _named(name: str, say: Say, devices: int) -> Say:
    """Beside other devices a sentence begins with the device's name."""
    return say if devices == 1 else lambda what: say(f"[{name}] {what}")
