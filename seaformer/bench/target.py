"""What a bench asks of a machine that runs the runner; ``targets/`` has one file per kind.

A target reports what it is, in which state, which core a plan means, and runs one request in one
fresh process. It holds no results.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core.code_blocks import Block, CodePart
from seaformer.core.cpu import format_cpu_list, parse_cpu_list, rank_clusters
from seaformer.core.errors import NoDevice, UsageError
from seaformer.core.measurement import Conditions, DeviceInfo, Flag
from seaformer.core.plural import counted
from seaformer.core.registry import Registry, unknown

REDOS = 2


@dataclass(frozen=True)
class CoreChoice:
    """The cores a plan means on one machine, one for each thread."""

    cpus: tuple[int, ...]


@dataclass(frozen=True)
class TargetOptions:
    """What a user may ask of a machine that is not this one.

    Args:
        adb_host: the adb server to look for phones at, ``HOST[:PORT]``; empty: the usual one.
        resume: take up what an earlier bench of the same kind left.
        force: measure in a state that would be refused; the row has a flag for it.
        pause: sleeps between looks; raises to end a bench from outside.
        notice: called with a sentence that must not be missed.
        engines: those that will be run; the library of one that has none yet is built.
        misses: count cache misses on an emulated core too, which is slower.
    """

    adb_host: str = ""
    resume: bool = False
    force: bool = False
    pause: Callable[[float], None] | None = None
    notice: Callable[[str], None] | None = None
    engines: tuple[str, ...] = ()
    misses: bool = True


class Target(Protocol):
    """A machine that can run the runner; a block that slowed down is redone ``redos`` times."""

    redos: int
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

    redos = REDOS

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


@runtime_checkable
class AnswerTarget(Protocol):
    """A target that keeps nothing of a request that is for its outputs alone."""

    def answer(self, request: RunnerRequest) -> RunnerReport:
        """As ``Target.run``, in any state of the machine, and without a trace on it."""
        ...


@runtime_checkable
class PartTarget(Protocol):
    """A target that can also report the code between two readings of a clock."""

    def run_parts(self, request: RunnerRequest) -> tuple[RunnerReport, tuple[CodePart, ...]]:
        """As ``Target.run``, and the parts of the last sample in order; the first one ends with
        the engine's first reading."""
        ...


TARGETS = Registry("seaformer.bench.targets", noun="device")
# Those whose state a user's options are about: they are asked to resume, to force.
_REMOTE = ("phone", "ssh")


def open_target(
    device: str,
    progress: Callable[[str], None] | None = None,
    options: TargetOptions = TargetOptions(),
) -> Target:
    """The target that ``--device`` names; ``NAME:DETAIL`` chooses within one (an emulated core).

    ``ssh:HOST`` is a board.

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
    elif name in _REMOTE or detail:
        target = TARGETS.load(name).open_target(progress, detail, options=options)
    else:
        target = TARGETS.load(name).open_target(progress, options=options)
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
    """Which cores ``--core`` means: ``prime``, ``big``, ``little``, a number or a list of numbers.

    Clusters are ordered by ``rank_clusters``: prime is the fastest, little the slowest, big the one
    below prime, or prime's own where that would be the slowest. The last cores of a cluster are
    taken, since the first one of a machine serves its interrupts. Threads stay within one cluster
    unless a list (``4-7``, ``0,4``) names a core for each of them.
    """
    ranked = rank_clusters(device.clusters)
    if not core.isdecimal() and core[:1].isdecimal():
        return CoreChoice(_listed_cores(device, core, threads))
    if core.isdecimal():
        cluster = next((c for c in ranked if int(core) in c.cpus), None)
        if cluster is None:
            raise UsageError(
                f"--core must be 0 to {device.cores - 1} on {device.model} (got {core})."
            )
        first = int(core)
        cpus = tuple(cpu for cpu in cluster.cpus if cpu >= first)[:threads]
    elif core in ("prime", "big", "little"):
        big = ranked[-2] if len(ranked) > 2 else ranked[-1]
        cluster = {"prime": ranked[-1], "big": big}.get(core, ranked[0])
        cpus = cluster.cpus[-threads:]
    else:
        raise UsageError(
            f"--core must be prime, big, little, a core number or a list of them (got {core!r}).",
            hint=_as_list(threads),
        )
    if len(cpus) < threads:
        raise UsageError(
            f"--threads {threads} does not fit on {counted(len(cpus), 'core')} of {cluster.part}.",
            hint=_room_for(device, threads),
        )
    return CoreChoice(cpus)


def _listed_cores(device: DeviceInfo, text: str, threads: int) -> tuple[int, ...]:
    """``4-7`` or ``0,4``: cores of the device, one for each thread."""
    available = {cpu for cluster in device.clusters for cpu in cluster.cpus}
    try:
        cpus = parse_cpu_list(text)
    except ValueError as error:
        raise UsageError(f"--core must be a list like 4-7 or 0,4 (got {text!r}).") from error
    missing = sorted(set(cpus) - available)
    if missing:
        raise UsageError(
            f"--core {text}: {device.model} has no core {missing[0]} to use "
            f"(it has {format_cpu_list(available)})."
        )
    check_listed(text, cpus, threads)
    return cpus


def check_listed(text: str, cpus: Sequence[int], threads: int) -> None:
    """Raise ``UsageError`` unless a list has a core for each thread."""
    if len(cpus) != threads:
        raise UsageError(
            f"--core {text} has {counted(len(cpus), 'core')} for --threads {threads}.",
            hint=_as_list(threads),
        )


def _as_list(threads: int) -> str:
    cpus = format_cpu_list(range(threads))
    return f"A list has a core for each thread: --threads {threads} --core {cpus}"


def _room_for(device: DeviceInfo, threads: int) -> str:
    """The fastest cores that take ``threads``, as options to type."""
    fastest = [cpu for cluster in reversed(rank_clusters(device.clusters)) for cpu in cluster.cpus]
    if len(fastest) < threads:
        return f"{device.model} has {counted(len(fastest), 'core')} to use: choose fewer threads."
    cpus = format_cpu_list(fastest[:threads])
    return f"Threads stay within one cluster unless their cores are listed: --core {cpus}"
