"""Several devices side by side: a thread and a queue for each.

What happens to one device ends nothing of the others. One device alone runs in the calling thread,
where Ctrl-C arrives; with several, Ctrl-C sets an event that every wait on a phone looks at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from seaformer.bench.code_blocks import block_target, write_blocks_of
from seaformer.bench.profile import profile_each
from seaformer.bench.run import Bench
from seaformer.bench.target import Target, TargetOptions, open_target
from seaformer.core.artifact import Artifact
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import Measurement
from seaformer.core.plan import RunPlan
from seaformer.core.profile import Profile
from seaformer.store.results import ResultStore

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What every device is to do. ``profiles`` (``ops``, ``blocks``) add runs of each artifact."""

    plan: RunPlan
    store: ResultStore
    command: str = ""
    profiles: tuple[str, ...] = ()
    options: TargetOptions = TargetOptions()


@dataclass(frozen=True)
class Outcome:
    """What became of one device.

    ``refused`` are sentences about profiles that are not there, ``blocks`` about block profiles.
    """

    device: str
    measured: tuple[Measurement, ...] = ()
    profiles: tuple[Profile, ...] = ()
    refused: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    error: SeaFormerError | None = None
    interrupted: bool = False


class Lanes:
    """Devices that were opened, each with a target or the error it gave.

    Raises the error of the only device, or of the first one when none could be opened.
    """

    def __init__(self, devices: Sequence[str], order: Order, say: Say) -> None:
        self._stop = threading.Event()
        self._order = order
        self._say = say
        self._alone = len(devices) == 1
        if not self._alone:
            order = replace(order, options=replace(order.options, pause=self._pause))
            self._order = order
        self._targets = list(zip(devices, self._each(self._open, devices), strict=True))
        errors = [target for _, target in self._targets if isinstance(target, SeaFormerError)]
        if len(errors) == len(devices):
            raise errors[0]
        self._benches = self._each(self._bench, [name for name, _ in self._targets])
        if self._alone and isinstance(self._benches[0], SeaFormerError):
            raise self._benches[0]

    def run(self, artifacts: Sequence[Artifact]) -> tuple[Outcome, ...]:
        """Measure all artifacts on every device; the outcomes in the order of the devices."""
        names = [name for name, _ in self._targets]
        try:
            return tuple(self._each(lambda name: self._lane(name, artifacts), names))
        finally:
            for _, target in self._targets:
                if not isinstance(target, SeaFormerError):
                    target.close()

    def _each(self, work: Callable[[str], T], names: Sequence[str]) -> list[T]:
        if self._alone:
            return [work(names[0])]
        with ThreadPoolExecutor(max_workers=len(names)) as pool:
            waiting = [pool.submit(work, name) for name in names]
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

    def _open(self, name: str) -> Target | SeaFormerError:
        try:
            return open_target(name, self._named(name), self._order.options)
        except SeaFormerError as error:
            return error

    def _bench(self, name: str) -> Bench | SeaFormerError:
        target = dict(self._targets)[name]
        if isinstance(target, SeaFormerError):
            return target
        say, order = self._named(name), self._order

        def progress(what: str, done: int, total: int) -> None:
            say(f"process {min(done + 1, total)} of {total}: {what}")

        try:
            if "blocks" in order.profiles:
                block_target(target)
            return Bench(
                target, order.plan, order.store,
                command=order.command, progress=progress, resume=order.options.resume,
            )  # fmt: skip
        except SeaFormerError as error:
            return error

    def _lane(self, name: str, artifacts: Sequence[Artifact]) -> Outcome:
        at = [lane for lane, _ in self._targets].index(name)
        bench, target = self._benches[at], self._targets[at][1]
        if isinstance(bench, SeaFormerError) or isinstance(target, SeaFormerError):
            error = bench if isinstance(bench, SeaFormerError) else None
            return Outcome(name, error=error)
        try:
            measured = tuple(bench.run(artifacts))
            return replace(self._profiled(name, target, artifacts), measured=measured)
        except KeyboardInterrupt:
            return Outcome(name, bench.finished, interrupted=True)
        except SeaFormerError as error:
            if self._alone and not bench.finished:
                raise  # to be told as the one error it is
            return Outcome(name, bench.finished, error=error)

    def _profiled(self, name: str, target: Target, artifacts: Sequence[Artifact]) -> Outcome:
        """The runs that are no measurements, after those that are."""
        order, say = self._order, self._named(name)
        timed, counted = (artifacts if kind in order.profiles else () for kind in ("ops", "blocks"))
        profiles, refused = profile_each(target, order.plan, timed, order.command, say)
        blocks = write_blocks_of(
            target, order.plan, counted, order.store.root, command=order.command, progress=say
        )
        return Outcome(name, (), profiles, refused, tuple(blocks))

    def _named(self, name: str) -> Say:
        return self._say if self._alone else lambda what: self._say(f"[{name}] {what}")
