"""``Core``: one kind of ARM core, by its numbers and its name; the rows are ``cpus.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seaformer.core import codec, registry

_ROWS = Path(__file__).with_name("cpus.toml")


@dataclass(frozen=True)
class Core:
    """A core as /proc/cpuinfo reports it: ``implementer`` ``0x41``, ``part`` ``0xd0d``.

    The rest is of cores that QEMU can be: ``qemu`` is its name there (``-cpu``), ``features``,
    ``variant`` and ``revision`` are what /proc/cpuinfo lists, ``stands_for`` is the core that it
    replaces.
    """

    implementer: str
    part: str
    name: str
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
    return names.get((implementer, part), f"unknown core {implementer}:{part}")
