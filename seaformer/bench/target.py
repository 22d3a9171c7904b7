"""What a bench asks of a machine that runs the runner; ``targets/`` has one file per kind.

A target reports what it is, in which state, which core a plan means, and runs one request in one
fresh process. It holds no results.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core.code_blocks import Block
from seaformer.core.errors import NoDevice, UsageError
from seaformer.core.measurement import Cluster, Conditions, DeviceInfo, Flag
from seaformer.core.registry import Registry, unknown


@dataclass(frozen=True)
class CoreChoice:
    """The cores a plan means on one machine, and the cluster they are of."""

    cpus: tuple[int, ...]
    cluster: Cluster


@dataclass(frozen=True)
class TargetOptions:
    """What a user may ask of a machine that is not this one.

    Args:
        adb_host: the adb server to look for phones at, ``HOST[:PORT]``; empty: the usual one.
        resume: take up what an earlier bench of the same kind left.
        force: measure in a state that would be refused; the row has a flag for it.
        pause: sleeps between looks; raises to end a bench from outside.
        notice: called with a sentence that must not be missed.
    """

    adb_host: str = ""
    resume: bool = False
    force: bool = False
    pause: Callable[[float], None] | None = None
    notice: Callable[[str], None] | None = None


class Target(Protocol):
    """A machine that can run the runner binary."""

    source: str
    runner: str
    runner_build: str

    def session(self, bench: str) -> AbstractContextManager[None]:
        """Have the machine for one bench, whose name is the same when it is repeated."""
        ...

    def device(self) -> DeviceInfo:
        """What the machine is; asked once."""
        ...

    def conditions(self, cpu: int) -> Conditions:
        """Its state now, seen from one core."""
        ...

    def preflight(self, cpus: tuple[int, ...]) -> tuple[Flag, ...]:
        """What would make a number less than trustworthy, found before anything is run."""
        ...

    def run(self, request: RunnerRequest) -> RunnerReport:
        """Run one request in a fresh process. Paths in it are this computer's.

        Raises ``RunnerFailed`` with the runner's own sentence, ``DeviceLost``, or another
        ``DeviceError`` or ``MeasurementRefused`` that ends this artifact's measurement.
        """
        ...

    def events(self) -> tuple[Flag, ...]:
        """Events since the last call that belong in the row."""
        ...

    def close(self) -> None:
        """Leave the machine; nothing is asked of it afterwards."""
        ...


class PlainTarget:
    """The answers of a machine without sessions and events."""

    def session(self, bench: str) -> AbstractContextManager[None]:
        return nullcontext()

    def events(self) -> tuple[Flag, ...]:
        return ()

    def close(self) -> None:
        pass


@runtime_checkable
class BlockTarget(Protocol):
    """A target that can also report every block of code that an inference executed."""

    def run_blocks(self, request: RunnerRequest) -> tuple[RunnerReport, tuple[Block, ...]]:
        """As ``Target.run``, and the blocks of the last sample."""
        ...


TARGETS = Registry("seaformer.bench.targets", noun="device")


def open_target(
    device: str,
    progress: Callable[[str], None] | None = None,
    options: TargetOptions = TargetOptions(),
) -> Target:
    """The target that ``--device`` names; ``NAME:DETAIL`` chooses within one (an emulated core).

    Any other name is a phone's serial. Where no phone has it, raises ``UnknownName`` with
    the target's name that is near, else ``NoDevice``; and the error of the phone's state.
    """
    name, _, detail = device.partition(":")
    target: Target
    if name not in TARGETS.names():
        try:
            target = TARGETS.load("phone").open_target(progress, device, options=options)
        except NoDevice as error:
            if difflib.get_close_matches(device, TARGETS.names(), n=1):
                raise unknown("device", device, TARGETS.names()) from error
            raise
    elif name == "phone":
        target = TARGETS.load(name).open_target(progress, detail, options=options)
    elif detail:
        target = TARGETS.load(name).open_target(progress, detail)
    else:
        target = TARGETS.load(name).open_target(progress)
    return target


def list_targets(device: str, options: TargetOptions = TargetOptions()) -> tuple[str, ...]:
    """The names behind ``--device A,B`` and ``--device all`` (every phone that is attached)."""
    names: list[str] = []
    for name in (part.strip() for part in device.split(",")):
        if name == "all":
            names += TARGETS.load("phone").serials(options)
        elif name:
            names.append(name)
    if not names:
        raise UsageError(
            "--device names nothing.", hint="For example: --device host, or a phone's serial"
        )
    return tuple(dict.fromkeys(names))


def choose_cores(device: DeviceInfo, core: str, threads: int) -> CoreChoice:
    """Which cores ``--core`` means: ``prime``, ``big``, ``little`` or a number; one per thread.

    Clusters are ordered by their highest frequency. The last cores of a cluster are taken, since
    the first one of a machine serves its interrupts. Threads stay within one cluster.
    """
    ranked = sorted(device.clusters, key=lambda cluster: cluster.max_freq_khz or 0)
    if core.isdecimal():
        cluster = next((c for c in ranked if int(core) in c.cpus), None)
        if cluster is None:
            raise UsageError(
                f"--core must be 0 to {device.cores - 1} on {device.model} (got {core})."
            )
        first = int(core)
        cpus = tuple(cpu for cpu in cluster.cpus if cpu >= first)[:threads]
    elif core in ("prime", "big", "little"):
        cluster = {"prime": ranked[-1], "big": ranked[max(len(ranked) - 2, 0)]}.get(core, ranked[0])
        cpus = cluster.cpus[-threads:]
    else:
        raise UsageError(f"--core must be prime, big, little or a core number (got {core!r}).")
    if len(cpus) < threads:
        raise UsageError(
            f"--threads {threads} does not fit on {len(cpus)} core(s) of {cluster.part}.",
            hint="Threads stay within one cluster: choose fewer, or another --core.",
        )
    return CoreChoice(cpus, cluster)
