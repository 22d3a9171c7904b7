"""Processors, clusters and chips: from the text of a phone's files, and from tables.

``/proc/cpuinfo`` and cpufreq are parsed from text (no I/O here); names of cores are rows of
``core/cpus.toml``, chips those of ``devices.toml``. The phone decides; its chip's row is only
compared with it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seaformer.core import cpu
from seaformer.core.errors import DeviceError
from seaformer.core.measurement import Cluster

BASE = "/sys/devices/system/cpu"
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
        """``Cortex-A77``, or the numbers of an unknown core."""
        return cpu.core_name(self.implementer, self.part)


@dataclass(frozen=True)
class Frequency:
    """cpufreq of one core, in kHz; ``None`` where a file is missing or cannot be read."""

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
    """Every chip of ``devices.toml``."""
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

    Kernels before 3.19 give the part once, at the end, for all cores.
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
    processors = [_processor(block, common | last) for block in blocks]
    if not processors or len({each.number for each in processors}) < len(processors):
        raise DeviceError(
            "The phone's /proc/cpuinfo cannot be read: expected one block for each core, "
            f"got {len(processors)} in {len(text)} characters."
        )
    return tuple(sorted(processors, key=lambda processor: processor.number))


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
    """A phone's list of cores, ``0-3,6`` or ``0 1 2 3``; empty text is an empty list.

    Raises ``DeviceError`` for anything else.
    """
    try:
        return cpu.parse_cpu_list(text)
    except ValueError as error:
        raise DeviceError(
            f"The phone's list of cores cannot be read: got {text.strip()!r}."
        ) from error


# The sections of a probe that describe the cores; shell built-ins and cat.
PROBE = r"""
section processors; cat /proc/cpuinfo
section memory; cat /proc/meminfo
section present; cat /sys/devices/system/cpu/present
section frequencies
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  for name in related_cpus scaling_governor cpuinfo_max_freq scaling_max_freq \
    scaling_min_freq scaling_cur_freq; do
    file=$cpu/cpufreq/$name
    if [ -r "$file" ] && read -r value < "$file"; then echo "$file:$value"; fi
  done
  file=$cpu/cpu_capacity
  if [ -r "$file" ] && read -r value < "$file"; then echo "$file:$value"; fi
done
"""
FREQUENCY_FILES = (
    "related_cpus",
    "scaling_governor",
    "cpuinfo_max_freq",
    "scaling_max_freq",
    "scaling_min_freq",
    "scaling_cur_freq",
)


def frequency_paths(cpus: tuple[int, ...]) -> tuple[str, ...]:
    """The files to read for ``parse_frequencies``."""
    return tuple(f"{BASE}/cpu{cpu}/cpufreq/{name}" for cpu in cpus for name in FREQUENCY_FILES)


def parse_frequencies(values: Mapping[str, str]) -> dict[int, Frequency]:
    """cpufreq by core, from paths and their contents (``parse.parse_values``)."""
    pattern = re.compile(re.escape(BASE) + r"/cpu(\d+)/cpufreq/\w+")
    numbers = {int(match[1]) for path in values if (match := pattern.fullmatch(path))}

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


def parse_capacities(values: Mapping[str, str]) -> dict[int, int]:
    """``cpu_capacity`` by core, where the kernel reports one, from paths and their contents."""
    pattern = re.compile(re.escape(BASE) + r"/cpu(\d{1,4})/cpu_capacity")
    return {
        int(match[1]): int(value)
        for path, value in values.items()
        if (match := pattern.fullmatch(path)) and re.fullmatch(r"\d{1,4}", value, re.ASCII)
    }


def clusters_of(
    processors: tuple[Processor, ...], values: Mapping[str, str]
) -> tuple[Cluster, ...]:
    """The clusters, from the ``processors`` and the ``frequencies`` of a probe."""
    return find_clusters(processors, parse_frequencies(values), parse_capacities(values))


def find_clusters(
    processors: tuple[Processor, ...],
    frequencies: Mapping[int, Frequency],
    capacities: Mapping[int, int] = MappingProxyType({}),
) -> tuple[Cluster, ...]:
    """Online cores grouped by part, highest frequency and capacity, in order of their numbers.

    ``related_cpus`` of cpufreq divides further: two policies are two clusters.
    """
    groups: dict[tuple[str, int | None, int | None, tuple[int, ...]], list[int]] = {}
    for processor in processors:
        frequency = frequencies.get(processor.number)
        key = (
            processor.core,
            frequency.hardware_max_khz if frequency else None,
            capacities.get(processor.number),
            frequency.related if frequency else (),
        )
        groups.setdefault(key, []).append(processor.number)
    clusters = [
        Cluster(tuple(cpus), part, khz, capacity)
        for (part, khz, capacity, _), cpus in groups.items()
    ]
    return tuple(sorted(clusters, key=lambda cluster: cluster.cpus))


def identify(properties: Mapping[str, str], clusters: tuple[Cluster, ...]) -> Soc | None:
    """The row of the chip: by ``ro.soc.model``, else by platform and then by its fastest core."""
    model = properties.get("ro.soc.model", "").upper()
    platform = properties.get("ro.board.platform", "").lower()
    rows = [soc for soc in known_socs() if model and model == soc.model.upper()]
    rows = rows or [soc for soc in known_socs() if platform in soc.platforms]
    fastest = max((cluster.max_freq_khz or 0 for cluster in clusters), default=0)
    return min(rows, key=lambda soc: abs(_fastest_khz(soc) - fastest), default=None)


def soc_title(properties: Mapping[str, str], soc: Soc | None) -> str:
    """``Snapdragon 865 (SM8250, kona)``; an unknown chip as the phone names it."""
    names = [properties.get(name, "") for name in ("ro.soc.model", "ro.board.platform")]
    if soc is None:
        return " ".join(dict.fromkeys(filter(None, names))) or "unknown"
    details = dict.fromkeys(filter(None, [soc.model, names[1]]))
    return f"{soc.name} ({', '.join(details)})" if details else soc.name


def surprises(soc: Soc, clusters: tuple[Cluster, ...]) -> tuple[str, ...]:
    """A sentence for each difference between the phone and the row of its chip."""
    expected = sorted((_arm_name(c.part), c.max_khz, c.cores) for c in soc.clusters)
    seen = sorted((_arm_name(c.part), c.max_freq_khz or 0, len(c.cpus)) for c in clusters)
    if expected == seen:
        return ()

    def listed(rows: list[tuple[str, int, int]]) -> str:
        return ", ".join(f"{count} {part} at {khz / 1e6:.2f} GHz" for part, khz, count in rows)

    return (f"{soc.name} has {listed(expected)}; online: {listed(seen)}.",)


def _arm_name(part: str) -> str:
    """``Cortex-A55`` of ``Kryo 4xx Silver (Cortex-A55)``: the same core under either name."""
    match = re.search(r"\((Cortex-\w+)\)", part)
    return match[1] if match else part


def _fastest_khz(soc: Soc) -> int:
    return max(cluster.max_khz for cluster in soc.clusters)
