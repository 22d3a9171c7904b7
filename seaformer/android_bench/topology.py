"""Processors, clusters and systems on a chip: what a phone's files say, and what is known.

``/proc/cpuinfo`` and cpufreq are read as text (no I/O here); names of cores are rows of
``core/cpus.toml``, known chips of ``devices.toml``. The probe decides; a known row is only compared
with it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seaformer.core.cpu import core_name
from seaformer.core.errors import DeviceError
from seaformer.core.measurement import Cluster

BASE = "/sys/devices/system/cpu"
_MOST_CPUS = 1024
_ROWS = Path(__file__).with_name("devices.toml")


@dataclass(frozen=True)
class Processor:
    """One block of ``/proc/cpuinfo``."""

    number: int
    implementer: str
    part: str
    features: tuple[str, ...]

    @property
    def core(self) -> str:
        """``Cortex-A77``, or its numbers where they are not known."""
        return core_name(self.implementer, self.part)


@dataclass(frozen=True)
class Frequency:
    """cpufreq of one core, in kHz; ``None`` where a file is absent or may not be read."""

    governor: str | None
    hardware_max_khz: int | None
    max_khz: int | None
    min_khz: int | None
    now_khz: int | None
    related: tuple[int, ...]


@dataclass(frozen=True)
class KnownCluster:
    """A cluster as the maker publishes it."""

    cores: int
    part: str
    max_khz: int


@dataclass(frozen=True)
class Soc:
    """One row of ``devices.toml``."""

    name: str
    model: str
    platforms: tuple[str, ...]
    clusters: tuple[KnownCluster, ...]


@cache
def _rows() -> dict[str, Any]:
    return tomllib.loads(_ROWS.read_text(encoding="utf-8"))


@cache
def known_socs() -> tuple[Soc, ...]:
    """Every chip there is a row for."""
    return tuple(
        Soc(
            row["name"],
            row["model"],
            tuple(row["platforms"]),
            tuple(KnownCluster(**cluster) for cluster in row["clusters"]),
        )
        for row in _rows()["soc"]
    )


def parse_cpuinfo(text: str) -> tuple[Processor, ...]:
    """``/proc/cpuinfo``: the cores that are online, by number.

    Kernels before 3.19 tell the part once, at the end, for all cores; it then holds for each.
    Raises ``DeviceError`` for a text without processors or with one twice.
    """
    blocks: list[dict[str, str]] = []
    common: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = (piece.strip() for piece in line.partition(":"))
        if not colon:
            continue
        if name == "processor" and value.isdecimal():
            blocks.append({})
        target = blocks[-1] if blocks else common
        target.setdefault(name, value)
    last = blocks[-1] if blocks else {}
    found = [_processor(block, common | last) for block in blocks]
    if not found or len({processor.number for processor in found}) < len(found):
        raise DeviceError(
            "The phone's /proc/cpuinfo cannot be read: expected one block for each core, "
            f"seen {len(found)} in {len(text)} characters."
        )
    return tuple(sorted(found, key=lambda processor: processor.number))


def _processor(block: Mapping[str, str], common: Mapping[str, str]) -> Processor:
    def field(name: str) -> str:
        return block.get(name) or common.get(name, "")

    return Processor(
        int(block["processor"]),
        field("CPU implementer").lower(),
        field("CPU part").lower(),
        tuple(field("Features").split()),
    )


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """A list of the kernel's, ``0-3,6`` or ``0 1 2 3``; nothing is an empty one."""
    cpus: set[int] = set()
    for item in text.replace(",", " ").split():
        found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", item)
        if found is None or int(found[2] or found[1]) >= _MOST_CPUS:
            raise DeviceError(f"The phone's list of cores cannot be read: seen {text.strip()!r}.")
        cpus.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return tuple(sorted(cpus))


FREQUENCY_FILES = (
    *("related_cpus", "scaling_governor", "cpuinfo_max_freq"),
    *("scaling_max_freq", "scaling_min_freq", "scaling_cur_freq"),
)


def frequency_paths(cpus: tuple[int, ...]) -> tuple[str, ...]:
    """The files to read for ``parse_frequencies``."""
    return tuple(f"{BASE}/cpu{cpu}/cpufreq/{name}" for cpu in cpus for name in FREQUENCY_FILES)


def parse_frequencies(values: Mapping[str, str]) -> dict[int, Frequency]:
    """cpufreq by core, from paths and their contents (``parse.parse_values``)."""
    pattern = re.compile(re.escape(BASE) + r"/cpu(\d+)/cpufreq/\w+")
    numbers = {int(found[1]) for path in values if (found := pattern.fullmatch(path))}

    def one(cpu: int) -> Frequency:
        def text(name: str) -> str | None:
            return values.get(f"{BASE}/cpu{cpu}/cpufreq/{name}")

        def khz(name: str) -> int | None:
            value = text(name)
            return int(value) if value is not None and value.isdecimal() else None

        return Frequency(
            governor=text("scaling_governor"),
            hardware_max_khz=khz("cpuinfo_max_freq"),
            max_khz=khz("scaling_max_freq"),
            min_khz=khz("scaling_min_freq"),
            now_khz=khz("scaling_cur_freq"),
            related=parse_cpu_list(text("related_cpus") or str(cpu)),
        )

    return {cpu: one(cpu) for cpu in sorted(numbers)}


def find_clusters(
    processors: tuple[Processor, ...], frequencies: Mapping[int, Frequency]
) -> tuple[Cluster, ...]:
    """Online cores of one part and one highest frequency together, in order of their numbers.

    cpufreq's own ``related_cpus`` divides further: two policies are two clusters.
    """
    groups: dict[tuple[str, int | None, tuple[int, ...]], list[int]] = {}
    for processor in processors:
        frequency = frequencies.get(processor.number)
        key = (
            processor.core,
            frequency.hardware_max_khz if frequency else None,
            frequency.related if frequency else (),
        )
        groups.setdefault(key, []).append(processor.number)
    made = [Cluster(tuple(cpus), part, khz) for (part, khz, _), cpus in groups.items()]
    return tuple(sorted(made, key=lambda cluster: cluster.cpus))


def identify(properties: Mapping[str, str], clusters: tuple[Cluster, ...]) -> Soc | None:
    """The known chip: by ``ro.soc.model``, else by platform; several by their fastest core."""
    model = properties.get("ro.soc.model", "").upper()
    platform = properties.get("ro.board.platform", "").lower()
    found = [soc for soc in known_socs() if model and model == soc.model.upper()]
    found = found or [soc for soc in known_socs() if platform in soc.platforms]
    fastest = max((cluster.max_freq_khz or 0 for cluster in clusters), default=0)
    return min(found, key=lambda soc: abs(_fastest_khz(soc) - fastest), default=None)


def soc_title(properties: Mapping[str, str], soc: Soc | None) -> str:
    """``Snapdragon 865 (SM8250, kona)``, or what the phone says of an unknown one."""
    said = [properties.get(name, "") for name in ("ro.soc.model", "ro.board.platform")]
    if soc is None:
        return " ".join(dict.fromkeys(filter(None, said))) or "unknown"
    inside = dict.fromkeys(filter(None, [soc.model, said[1]]))
    return f"{soc.name} ({', '.join(inside)})" if inside else soc.name


def surprises(soc: Soc, clusters: tuple[Cluster, ...]) -> tuple[str, ...]:
    """Where the probe differs from what is known of the chip: one sentence each."""
    expected = sorted((_arm_name(c.part), c.max_khz, c.cores) for c in soc.clusters)
    seen = sorted((_arm_name(c.part), c.max_freq_khz or 0, len(c.cpus)) for c in clusters)
    if expected == seen:
        return ()

    def listed(rows: list[tuple[str, int, int]]) -> str:
        return ", ".join(f"{count} {part} at {khz / 1e6:.2f} GHz" for part, khz, count in rows)

    return (f"{soc.name} has {listed(expected)}; seen online: {listed(seen)}.",)


def _arm_name(part: str) -> str:
    """``Cortex-A55`` of ``Kryo 4xx Silver (Cortex-A55)``: the same core under either name."""
    found = re.search(r"\((Cortex-\w+)\)", part)
    return found[1] if found else part


def _fastest_khz(soc: Soc) -> int:
    return max(cluster.max_khz for cluster in soc.clusters)
