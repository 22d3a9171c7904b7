"""What a bench asks of a machine that runs the runner; ``targets/`` has one file per kind.

A target tells what it is, in which state, which core a plan means, and runs one request in one
fresh process. It holds no results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.core.blocks import Block
from seaformer.core.errors import UsageError
from seaformer.core.measurement import Cluster, Conditions, DeviceInfo, Flag
from seaformer.core.registry import Registry


@dataclass(frozen=True)
class Chosen:
    """The cores a plan means on one machine, and the cluster they are of."""

    cpus: tuple[int, ...]
    cluster: Cluster


class Target(Protocol):
    """A machine that can run the runner binary."""

    source: str
    runner: str
    runner_build: str

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

        Raises ``RunnerFailed`` with the runner's own sentence, or ``DeviceLost``.
        """
        ...


@runtime_checkable
class BlockTarget(Protocol):
    """A target that can also tell every block of code that an inference executed."""

    def run_blocks(self, request: RunnerRequest) -> tuple[RunnerReport, tuple[Block, ...]]:
        """As ``Target.run``, and the blocks of the last sample."""
        ...


TARGETS = Registry("seaformer.bench.targets", noun="device")


def open_target(device: str, progress: Callable[[str], None] | None = None) -> Target:
    """The target that ``--device`` names; ``NAME:DETAIL`` chooses within one (an emulated core).

    Raises ``UnknownName`` for one nobody registered.
    """
    name, _, detail = device.partition(":")
    target: Target
    if detail and name in TARGETS.names():
        target = TARGETS.load(name).open_target(progress, detail)
    else:
        target = TARGETS.load(device).open_target(progress)
    return target


def choose_cores(device: DeviceInfo, core: str, threads: int) -> Chosen:
    """Which cores ``--core`` means: ``prime``, ``big``, ``little`` or a number; one per thread.

    Clusters are ordered by their highest frequency. The last cores of a cluster are taken, since
    the first one of a machine serves its interrupts. Threads stay within one cluster.
    """
    ranked = sorted(device.clusters, key=lambda cluster: cluster.max_freq_khz or 0)
    if core.isdecimal():
        cluster = next((c for c in ranked if int(core) in c.cpus), None)
        if cluster is None:
            raise UsageError(
                f"--core {core} is not possible: {device.model} has cores 0 to {device.cores - 1}."
            )
        first = int(core)
        cpus = tuple(cpu for cpu in cluster.cpus if cpu >= first)[:threads]
    elif core in ("prime", "big", "little"):
        cluster = {"prime": ranked[-1], "big": ranked[max(len(ranked) - 2, 0)]}.get(core, ranked[0])
        cpus = cluster.cpus[-threads:]
    else:
        raise UsageError(
            f"--core {core!r} is not possible: expected prime, big, little or a core's number."
        )
    if len(cpus) < threads:
        raise UsageError(
            f"--threads {threads} does not fit on {len(cpus)} core(s) of {cluster.part}.",
            hint="Threads stay within one cluster: choose fewer, or another --core.",
        )
    return Chosen(cpus, cluster)
