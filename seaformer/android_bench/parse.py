"""What a phone says of itself, as records: text in, record out, no I/O.

Each function names the command whose text it reads. A field that is not there is ``None``, since
phones differ; one that is there and cannot be read is a ``DeviceError`` that shows it. Line ends
may be CR LF (the legacy shell of old phones), the last one may be missing. Processors and clusters
are in ``topology.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from seaformer.core.errors import DeviceError

# Android's names of a temperature's type (android.os.Temperature) that are used here.
SKIN, BATTERY = 3, 2
THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_CHARGING, _FULL = 2, 5
_SHOWN = 60


@dataclass(frozen=True)
class Battery:
    """``dumpsys battery``. ``plugged`` is any source of power, ``charging`` what flows in."""

    level_percent: int | None
    temperature_c: float | None
    voltage_v: float | None
    charging: bool | None
    plugged: bool | None
    frozen: bool


@dataclass(frozen=True)
class Temperature:
    """One sensor: Android's type and status, ``name`` is the maker's."""

    name: str
    kind: int
    celsius: float
    status: int


@dataclass(frozen=True)
class Thermal:
    """``dumpsys thermalservice``. ``status`` is 0 (none) to 6 (shutdown).

    ``skin_limit_c`` is the skin temperature from which the first status holds, where the phone
    tells it. ``None`` everywhere: the phone has no such service (Android 9 and before).
    """

    status: int | None
    temperatures: tuple[Temperature, ...]
    cooling: Mapping[str, int]
    skin_limit_c: float | None

    def hottest_c(self, kind: int) -> float | None:
        """The hottest sensor of a type."""
        return max((t.celsius for t in self.temperatures if t.kind == kind), default=None)


@dataclass(frozen=True)
class Space:
    """One file system of ``df -k``."""

    total_bytes: int
    free_bytes: int
    mount: str


@dataclass(frozen=True)
class Listed:
    """One line of ``adb devices -l``. ``detail`` is adb's remark on a phone it may not open."""

    serial: str
    state: str
    properties: Mapping[str, str]
    detail: str = ""


def split_sections(text: str) -> dict[str, str]:
    """The answer of a script that says ``@@seaformer NAME`` before each part: text by name."""
    pieces = re.split(r"(?m)^@@seaformer (\w+)\r?\n", text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def parse_getprop(text: str) -> dict[str, str]:
    """``getprop``: ``[name]: [value]``; a value may go on over several lines."""
    found: dict[str, str] = {}
    name, value = "", ""
    for line in _lines(text):
        if name:
            value += "\n" + line
        elif (start := re.match(r"\[([^\]]+)\]: \[(.*)$", line)) is not None:
            name, value = start[1], start[2]
        if name and value.endswith("]"):
            found[name] = value[:-1]
            name = ""
    return found


def parse_battery(text: str) -> Battery:
    """``dumpsys battery``."""
    fields = {
        name.strip(): value.strip()
        for name, colon, value in (line.partition(":") for line in _lines(text))
        if colon
    }

    def number(name: str) -> int | None:
        value = fields.get(name)
        return None if value is None else _integer(value, f"dumpsys battery: {name}")

    tenths, millivolts, status = number("temperature"), number("voltage"), number("status")
    sources = [value == "true" for name, value in fields.items() if name.endswith(" powered")]
    return Battery(
        level_percent=number("level"),
        temperature_c=None if tenths is None else tenths / 10,
        voltage_v=None if millivolts is None else millivolts / 1000,
        charging=None if status is None else status in (_CHARGING, _FULL),
        plugged=any(sources) if sources else None,
        frozen="UPDATES STOPPED" in text,
    )


_SENSOR = re.compile(
    r"Temperature\{mValue=([^,]+), mType=(-?\d+), mName=([^,}]*), mStatus=([^,}]+)\}"
)
_COOLING = re.compile(r"CoolingDevice\{mValue=(\d+), mType=-?\d+, mName=([^,}]*)\}")
# Android 14 and later, and before: the HAL's own way to print itself.
_LIMITS = re.compile(
    r"TemperatureThreshold\{mType=3, .*?mHotThrottlingThresholds=\[([^\]]*)\]"
    r"|\{\.type = SKIN, .*?\.hotThrottlingThresholds = \[([^\]]*)\]"
)


def parse_thermal(text: str) -> Thermal:
    """``dumpsys thermalservice``: the sensors as they are now, else as they were cached."""
    status = re.search(r"^Thermal Status: *(\S+)\r?$", text, re.MULTILINE)
    before, _, now = text.partition("Current temperatures from HAL:")
    sensors = tuple(map(_sensor, _SENSOR.finditer(now))) or tuple(
        map(_sensor, _SENSOR.finditer(before))
    )
    limits = _LIMITS.search(text)
    return Thermal(
        status=None if status is None else _integer(status[1], "Thermal Status"),
        temperatures=sensors,
        cooling={found[2]: int(found[1]) for found in _COOLING.finditer(text)},
        skin_limit_c=None if limits is None else _first_limit(limits[1] or limits[2] or ""),
    )


def parse_df(text: str) -> Space | None:
    """``df -k PATH``: the one file system; a long device name has a line of its own."""
    lines = [line for line in _lines(text) if line.strip()]
    cells = " ".join(lines[1:]).split()
    if len(cells) < 6 or not lines[0].startswith("Filesystem"):
        return None
    total, _, free = (_integer(cell, "df") for cell in cells[1:4])
    return Space(total * 1024, free * 1024, " ".join(cells[5:]))


def parse_devices(text: str) -> tuple[Listed, ...]:
    """``adb devices -l``, whatever adb says around it."""
    return tuple(
        _listed(line)
        for line in _lines(text)
        if line.strip() and not line.startswith(("*", "List of devices", "adb server"))
    )


def parse_uptime(text: str) -> float:
    """``/proc/uptime``: seconds since the boot."""
    return _number(_only_line(text, "/proc/uptime").split()[0], "/proc/uptime")


def parse_boot_id(text: str) -> str:
    """``/proc/sys/kernel/random/boot_id``: another one after each boot."""
    line = _only_line(text, "boot_id")
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", line):
        raise _unreadable("boot_id", line)
    return line


def parse_meminfo(text: str) -> dict[str, int]:
    """``/proc/meminfo``: bytes by name."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB\r?$", text, re.MULTILINE)
    return {name: int(kilobytes) * 1024 for name, kilobytes in rows}


def parse_load(text: str) -> float:
    """``/proc/loadavg``: the mean number of tasks that wanted to run in the last minute."""
    return _number(_only_line(text, "/proc/loadavg").split()[0], "/proc/loadavg")


def parse_values(text: str) -> dict[str, str]:
    """``grep -sH . FILE...``: the first line of each file by its path."""
    found: dict[str, str] = {}
    for line in _lines(text):
        path, colon, value = line.partition(":")
        if colon and path.startswith("/"):
            found.setdefault(path, value.strip())
    return found


# AOSP's packages/modules/adb/adb.cpp (to_string of a connection's state), and adb's own remark.
_LISTED = re.compile(
    r"(.+?)\s+((?:device|offline|unauthorized|authorizing|connecting|recovery|sideload|rescue|"
    r"bootloader|host|detached|unknown|no permissions)\b.*)$"
)


def _listed(line: str) -> Listed:
    """A serial, a state that may have blanks and a remark, and ``key:value`` words.

    A serial may have blanks too: then what comes first of the states adb knows ends it.
    """
    found = _LISTED.match(line.strip())
    serial, rest = found.groups() if found else line.strip().partition(" ")[::2]
    rest = rest.strip()
    refused = re.match(r"(no permissions)\s*(.*?)((?:\s(?:\S+:\S+))*)$", rest)
    if refused is not None:
        words = refused[3].split()
        remark = refused[2].strip()
        return Listed(serial, refused[1], _pairs(words), remark)
    state, _, words = rest.partition(" ")
    return Listed(serial, state, _pairs(words.split()))


def _pairs(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (w.partition(":") for w in words) if value}


def _sensor(found: re.Match[str]) -> Temperature:
    celsius = _number(found[1], f"the temperature of {found[3]}")
    return Temperature(
        found[3], int(found[2]), celsius, _integer(found[4], f"status of {found[3]}")
    )


def _first_limit(text: str) -> float | None:
    numbers = [_number(item.strip(), "a thermal threshold") for item in text.split(",") if item]
    return next((number for number in numbers if not math.isnan(number)), None)


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in text.split("\n")]


def _only_line(text: str, what: str) -> str:
    line = text.strip()
    if not line or "\n" in line:
        raise _unreadable(what, line)
    return line


def _integer(text: str, what: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise _unreadable(what, text)
    return int(text)


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _unreadable(what, text) from None


def _unreadable(what: str, seen: str) -> DeviceError:
    shown = seen if len(seen) <= _SHOWN else seen[: _SHOWN - 3] + "..."
    return DeviceError(
        f"The phone's answer for {what} cannot be read: expected a value, seen {shown!r}.",
        hint="Try again; if it stays, report this text.",
    )
