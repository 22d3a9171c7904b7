"""The phone's hardware as files: cores, frequencies, battery, heat and uptime under /proc and /sys.

``State`` is what is so, ``write`` puts it where a shell finds it. The layouts are the kernel's
(arch/arm64/kernel/cpuinfo.c, drivers/cpufreq/cpufreq.c, Documentation/ABI/testing) and those of
Android's BatteryService and ThermalManagerService.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.phone.profiles import FakeCluster, Profile

# Skin temperature from which a status holds, in degrees Celsius (status 1, 2, ... 6).
_STATUS_FROM_C = (40.0, 43.0, 45.0, 49.0, 52.0, 95.0)
_AMBIENT_C = 31.0


@dataclass
class State:
    """What changes while a phone runs. Temperatures in degrees Celsius, rates per second."""

    profile: Profile
    clock: Callable[[], float] = time.monotonic
    level: int = 87
    charging: bool = False
    mains: bool = False
    busy_share: float = 0.02
    screen_on: bool = False
    battery_c: float = 29.1
    offline: set[int] = field(default_factory=set)
    load: str = "0.21 0.18 0.15 1/812 4711"
    boot_id: str = ""
    _booted: float = 0.0
    _skin_c: float = _AMBIENT_C
    _rate: float = 0.0
    _until_c: float = _AMBIENT_C
    _since: float = 0.0

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        """A new boot: another id, uptime from naught, all cores online, a phone at rest."""
        self.boot_id = str(uuid.uuid4())
        self._booted = self.clock()
        self.offline.clear()
        self.set_heat(_AMBIENT_C)

    @property
    def uptime_s(self) -> float:
        return self.clock() - self._booted

    @property
    def skin_c(self) -> float:
        moved = self._skin_c + self._rate * (self.clock() - self._since)
        return min(moved, self._until_c) if self._rate >= 0 else max(moved, self._until_c)

    @property
    def thermal_status(self) -> int:
        return sum(self.skin_c >= bound for bound in _STATUS_FROM_C)

    def set_heat(self, to_c: float, rate_c_per_s: float | None = None) -> None:
        """Go to a skin temperature, at once or at a rate."""
        now = self.skin_c
        self._since, self._until_c = self.clock(), to_c
        self._skin_c = to_c if rate_c_per_s is None else now
        self._rate = abs(rate_c_per_s or 0.0) * (1 if to_c >= now else -1)

    def limit_khz(self, cluster: FakeCluster) -> int:
        """The highest frequency the heat leaves: a step of the table down for each status."""
        steps = cluster.freqs_khz
        return steps[max(len(steps) - 1 - self.thermal_status, 0)]


class Hardware:
    """Writes a state into a phone's root folder; files that do not change are left alone."""

    def __init__(self, root: Path, state: State) -> None:
        self._root, self._state = root, state
        self._written: dict[str, str] = {}

    def write(self) -> None:
        """Bring every file up to date, each at once."""
        for path, text in self._files():
            if self._written.get(path) != text:
                target = self._root / path
                target.parent.mkdir(parents=True, exist_ok=True)
                scratch = target.with_name(f".{target.name}.new")
                scratch.write_text(text, encoding="utf-8")
                scratch.replace(target)
                self._written[path] = text

    def _files(self) -> Iterator[tuple[str, str]]:
        state, profile = self._state, self._state.profile
        yield "proc/cpuinfo", _cpuinfo(state)
        yield "proc/uptime", f"{state.uptime_s:.2f} {state.uptime_s * 7:.2f}\n"
        yield "proc/loadavg", state.load + "\n"
        yield "proc/version", profile.kernel + "\n"
        yield "proc/stat", _stat(state)
        yield "proc/meminfo", _meminfo(profile.memory_kb)
        yield "proc/sys/kernel/random/boot_id", state.boot_id + "\n"
        yield "mnt/fake/battery", _battery(state)
        yield "mnt/fake/screen", "Awake\n" if state.screen_on else "Asleep\n"
        yield "mnt/fake/thermalservice", _thermal(state)
        yield from _cpu_files(state)
        yield from _power_files(state)

    def forget(self, path: str) -> None:
        """Write this one again, whoever changed it."""
        self._written.pop(path, None)


def _cpuinfo(state: State) -> str:
    blocks = []
    for cluster in state.profile.clusters:
        for cpu in cluster.cpus:
            if cpu in state.offline:
                continue
            blocks.append(
                f"processor\t: {cpu}\nBogoMIPS\t: 38.40\n"
                f"Features\t: {state.profile.cpu_features}\n"
                f"CPU implementer\t: {cluster.implementer}\nCPU architecture: 8\n"
                f"CPU variant\t: {cluster.variant}\nCPU part\t: {cluster.part}\n"
                f"CPU revision\t: {cluster.revision}\n\n"
            )
    return "".join(blocks) + f"Hardware\t: {state.profile.hardware}\n"


def _stat(state: State) -> str:
    """The first line of /proc/stat: ticks of user, nice, system and idle since the boot."""
    ticks = round(state.uptime_s * 100) * len(state.profile.cpus)
    busy = round(ticks * state.busy_share)
    return f"cpu  {busy} 0 0 {ticks - busy} 0 0 0 0 0 0\n"


def _meminfo(total_kb: int) -> str:
    rows = {"MemTotal": total_kb, "MemFree": total_kb // 5, "MemAvailable": total_kb // 2}
    return "".join(f"{name + ':':<15} {value:>8} kB\n" for name, value in rows.items())


def _cpu_files(state: State) -> Iterator[tuple[str, str]]:
    base, cpus = "sys/devices/system/cpu", state.profile.cpus
    everything = f"0-{cpus[-1]}\n" if len(cpus) > 1 else "0\n"
    yield f"{base}/possible", everything
    yield f"{base}/present", everything
    yield f"{base}/online", _ranges([cpu for cpu in cpus if cpu not in state.offline]) + "\n"
    yield f"{base}/offline", _ranges(sorted(state.offline)) + "\n"
    for number, cluster in enumerate(state.profile.clusters):
        related = " ".join(map(str, cluster.cpus))
        limit = state.limit_khz(cluster)
        for cpu in cluster.cpus:
            if cpu:
                yield f"{base}/cpu{cpu}/online", f"{int(cpu not in state.offline)}\n"
            yield f"{base}/cpu{cpu}/cpu_capacity", f"{cluster.capacity}\n"
            yield f"{base}/cpu{cpu}/topology/physical_package_id", f"{number}\n"
            yield from (
                (f"{base}/cpu{cpu}/cpufreq/{name}", f"{value}\n")
                for name, value in {
                    "affected_cpus": related,
                    "related_cpus": related,
                    "cpuinfo_max_freq": cluster.freqs_khz[-1],
                    "cpuinfo_min_freq": cluster.freqs_khz[0],
                    "scaling_available_frequencies": " ".join(map(str, cluster.freqs_khz)) + " ",
                    "scaling_available_governors": "performance powersave schedutil ",
                    "scaling_governor": "schedutil",
                    "scaling_max_freq": limit,
                    "scaling_min_freq": cluster.freqs_khz[0],
                    "scaling_cur_freq": limit,
                }.items()
            )


def _power_files(state: State) -> Iterator[tuple[str, str]]:
    battery = "sys/class/power_supply/battery"
    yield f"{battery}/capacity", f"{state.level}\n"
    yield f"{battery}/status", "Charging\n" if state.charging else "Discharging\n"
    yield f"{battery}/temp", f"{state.battery_c * 10:.0f}\n"
    yield f"{battery}/voltage_now", "4265000\n"
    yield f"{battery}/current_now", "-415000\n" if state.charging else "382000\n"
    zone = "sys/class/thermal/thermal_zone"
    for number, (name, celsius) in enumerate(
        (("cpu-1-3-usr", state.skin_c + 9), ("battery", state.battery_c), ("skin", state.skin_c))
    ):
        yield f"{zone}{number}/type", name + "\n"
        yield f"{zone}{number}/temp", f"{celsius * 1000:.0f}\n"


def _battery(state: State) -> str:
    text = state.profile.battery
    for name, value in {
        "AC powered": str(state.charging and state.mains).lower(),
        "USB powered": str(state.charging and not state.mains).lower(),
        "status": 2 if state.charging else 3,
        "level": state.level,
        "temperature": round(state.battery_c * 10),
    }.items():
        text = re.sub(rf"(?m)^(  {name}: ).*$", rf"\g<1>{value}", text)
    return text


def _thermal(state: State) -> str:
    status = state.thermal_status
    text = re.sub(r"(?m)^Thermal Status: \d+", f"Thermal Status: {status}", state.profile.thermal)
    skin = rf"Temperature{{mValue={state.skin_c:.1f}, mType=3, mName=\1, mStatus={status}}}"
    return re.sub(r"Temperature\{mValue=[\d.]+, mType=3, mName=([^,]*), mStatus=\d+\}", skin, text)


def _ranges(cpus: list[int]) -> str:
    """``0-3,5`` as the kernel lists CPUs."""
    parts: list[list[int]] = []
    for cpu in cpus:
        if parts and cpu == parts[-1][-1] + 1:
            parts[-1].append(cpu)
        else:
            parts.append([cpu])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
