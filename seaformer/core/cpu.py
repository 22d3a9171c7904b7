"""``Core``: one kind of ARM core, by its numbers and its name; the rows are ``cpus.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seaformer.core import codec, registry
from seaformer.core.measurement import Cluster

_ROWS = Path(__file__).with_name("cpus.toml")
_MOST_CPUS = 1024


@dataclass(frozen=True)
class Core:
    """A core as /proc/cpuinfo reports it: ``implementer`` ``0x41``, ``part`` ``0xd0d``.

    ``capacity`` is how fast it is at one clock, a Cortex-A53 is 100; 0 where it is unknown.
    The rest is of cores that QEMU can be: ``qemu`` is its name there (``-cpu``), ``features``,
    ``variant`` and ``revision`` are what /proc/cpuinfo lists, ``stands_for`` is the core that it
    replaces.
    """

    implementer: str
    part: str
    name: str
    capacity: int = 0
    qemu: str = ""
    variant: str = ""
    revision: int = 0
    stands_for: str = ""
    features: str = ""

    def cpuinfo(self, processors: int) -> str:
        """The text of /proc/cpuinfo on a machine of such cores, in the kernel's own layout."""
        lines = (
            "BogoMIPS\t: 38.40",
            f"Features\t: {self.features}",
            f"CPU implementer\t: {self.implementer}",
            "CPU architecture: 8",
            f"CPU variant\t: {self.variant}",
            f"CPU part\t: {self.part}",
            f"CPU revision\t: {self.revision}",
        )
        each = "\n".join(lines)
        return "".join(f"processor\t: {number}\n{each}\n\n" for number in range(processors))


@cache
def list_cores() -> tuple[Core, ...]:
    """Every core there is a row for."""
    rows: Sequence[object] = tomllib.loads(_ROWS.read_text(encoding="utf-8"))["core"]
    return tuple(codec.from_json(Core, row, where=_ROWS.name) for row in rows)


@cache
def emulated_cores() -> tuple[Core, ...]:
    """Those that QEMU can be; the first is the default."""
    return tuple(core for core in list_cores() if core.qemu)


def find_emulated(name: str) -> Core:
    """An emulated core by QEMU's name for it. Raises ``UnknownName`` with the nearest one."""
    by_name = {core.qemu: core for core in emulated_cores()}
    if name not in by_name:
        raise registry.unknown("emulated core", name, by_name)
    return by_name[name]


def core_name(implementer: str, part: str) -> str:
    """A core by the two numbers of /proc/cpuinfo: ``Cortex-A77``."""
    names = {(core.implementer, core.part): core.name for core in list_cores()}
    unknown = f"unknown core {implementer}:{part}" if implementer and part else "unknown core"
    return names.get((implementer, part), unknown)


def rank_clusters(clusters: Sequence[Cluster]) -> tuple[Cluster, ...]:
    """The clusters of one device, slowest first.

    Ranked by the kernel's capacities; where these are unknown or equal by what the cores are times
    their clocks; where a core is unknown by the clocks. A clock alone misleads: the Cortex-A53 of
    many chips has a higher one than the Cortex-A73 beside it, or the same.
    """
    by_name = {core.name: core.capacity for core in list_cores()}
    capacities = _all_or_equal([cluster.capacity for cluster in clusters])
    cores = _all_or_equal([by_name.get(cluster.part) for cluster in clusters])
    clocks = _all_or_equal([cluster.max_freq_khz for cluster in clusters])
    order = sorted(
        range(len(clusters)), key=lambda at: (capacities[at], cores[at] * clocks[at], clocks[at])
    )
    return tuple(clusters[at] for at in order)


def _all_or_equal(values: Sequence[int | None]) -> Sequence[int]:
    """The values, or the same for all where one of them is unknown: half of them rank nothing."""
    known = [value for value in values if value]
    return known if len(known) == len(values) else [1] * len(values)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """A list of cores as the kernel writes it, ``0-3,6`` or ``0 1 2 3``; empty text is empty.

    Raises ``ValueError`` for anything else, and for a number that no machine has.
    """
    cpus: set[int] = set()
    for item in text.replace(",", " ").split():
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", item, re.ASCII)
        if match is None:
            raise ValueError(f"{item!r} is not a core or a range of cores")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last >= _MOST_CPUS:
            raise ValueError(f"{item!r} is not a range of cores")
        cpus.update(range(first, last + 1))
    return tuple(sorted(cpus))


def format_cpu_list(cpus: Collection[int]) -> str:
    """The reverse of ``parse_cpu_list``: ``0-3,6``."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
