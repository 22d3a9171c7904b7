"""The phones the double can be: rows of ``profiles.toml``, with their recorded properties."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROWS = Path(__file__).with_name("profiles.toml")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "adb"


@dataclass(frozen=True)
class FakeCluster:
    """Cores of one kind, as /proc/cpuinfo and cpufreq show them; the highest frequency is last."""

    cpus: tuple[int, ...]
    part: str
    variant: str
    revision: int
    capacity: int
    freqs_khz: tuple[int, ...]
    implementer: str = "0x41"


@dataclass(frozen=True)
class Profile:
    """One phone. ``battery`` and ``thermal`` are the texts of dumpsys that numbers go into."""

    name: str
    kernel: str
    hardware: str
    features: tuple[str, ...]
    crlf: bool
    cpu_features: str
    emulated_cpu: str
    memory_kb: int
    data_kb: int
    data_free_kb: int
    clusters: tuple[FakeCluster, ...]
    properties: dict[str, str]
    battery: str
    thermal: str

    @property
    def cpus(self) -> tuple[int, ...]:
        return tuple(sorted(cpu for cluster in self.clusters for cpu in cluster.cpus))


def names() -> tuple[str, ...]:
    """Every phone there is a row for."""
    return tuple(_rows())


def load(name: str) -> Profile:
    """One phone; raises ``KeyError`` with the names there are."""
    rows = _rows()
    if name not in rows:
        raise KeyError(f"no phone {name!r}: expected one of {', '.join(rows)}")
    row = rows[name]
    row = rows[row["like"]] | row if "like" in row else row
    folder = FIXTURES / row["fixture"]
    clusters = (
        FakeCluster(**cluster | {k: tuple(cluster[k]) for k in ("cpus", "freqs_khz")})
        for cluster in row["clusters"]
    )
    return Profile(
        name=name,
        kernel=row["kernel"],
        hardware=row["hardware"],
        features=tuple(row["features"]),
        crlf=row.get("crlf", False),
        cpu_features=row["cpu_features"],
        emulated_cpu=row["emulated_cpu"],
        memory_kb=row["memory_kb"],
        data_kb=row["data_kb"],
        data_free_kb=row["data_free_kb"],
        clusters=tuple(clusters),
        properties=_properties(folder) | row.get("properties", {}),
        battery=(folder / "battery.txt").read_text(encoding="utf-8"),
        thermal=(folder / "thermalservice.txt").read_text(encoding="utf-8"),
    )


def _rows() -> dict[str, Any]:
    return tomllib.loads(_ROWS.read_text(encoding="utf-8"))


def _properties(folder: Path) -> dict[str, str]:
    """``[name]: [value]`` lines; written apart from the parser that is tested with the phone."""
    properties = {}
    for line in (folder / "getprop.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and "]: [" in line:
            name, _, value = line[1:-1].partition("]: [")
            properties[name] = value
    return properties
