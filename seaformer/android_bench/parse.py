"""The text output of a phone's commands as records: text in, record out, no I/O.

Each function names the command whose output it parses. A missing field is ``None``, since phones
differ; a field that cannot be parsed is a ``DeviceError`` that shows it. Line ends may be CR LF
(the legacy shell of old phones), the last one may be missing. Processors and clusters are in
``topology.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from seaformer.core import codec
from seaformer.core.errors import DeviceError

# The types of temperature (android.os.Temperature) that are used here.
SKIN, BATTERY = 3, 2
THERMAL_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_CHARGING, _FULL = 2, 5
_SENSIBLE_C = (-100.0, 200.0)  # what is outside is not a temperature of a phone


@dataclass(frozen=True)
class Battery:
    """``dumpsys battery``. ``plugged``: any source of power; ``charging``: charging or full.

    A device without a battery (a board, a TV box, a kiosk) is not ``present``; its level, its
    temperature and whether it charges are ``None``.
    """

    level_percent: int | None
    temperature_c: float | None
    voltage_v: float | None
    charging: bool | None
    plugged: bool | None
    frozen: bool
    present: bool = True


NO_BATTERY = Battery(None, None, None, None, None, False, present=False)


@dataclass(frozen=True)
class Temperature:
    """One sensor. ``kind`` and ``status`` are Android's numbers, ``name`` is the maker's."""

    name: str
    kind: int
    celsius: float
    status: int


@dataclass(frozen=True)
class Thermal:
    """``dumpsys thermalservice``. ``status`` is 0 (none) to 6 (shutdown).

    ``skin_limit_c`` is the skin temperature of the first status above 0, where the phone reports
    it. All fields are empty when the phone has no such service (Android 9 and before).
    """

    status: int | None
    temperatures: tuple[Temperature, ...]
    cooling: Mapping[str, int]
    skin_limit_c: float | None

    def hottest_c(self, kind: int) -> float | None:
        """The hottest sensor of a type; one that reports NaN or no temperature is passed over."""
        kinds = (t.celsius for t in self.temperatures if t.kind == kind)
        low, high = _SENSIBLE_C
        return max((celsius for celsius in kinds if low < celsius < high), default=None)


@dataclass(frozen=True)
class Space:
    """One file system of ``df -k``."""

    total_bytes: int
    free_bytes: int
    mount: str


@dataclass(frozen=True)
class AdbEntry:
    """One line of ``adb devices -l``. ``detail`` is adb's remark on a phone it cannot open."""

    serial: str
    state: str
    properties: Mapping[str, str]
    detail: str = ""


def split_sections(text: str) -> dict[str, str]:
    """The output of a script that prints ``@@seaformer NAME`` before each part: text by name."""
    pieces = re.split(r"(?m)^@@seaformer (\w+)\r?\n", text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def parse_getprop(text: str) -> dict[str, str]:
    """``getprop``: ``[name]: [value]``; a value may span several lines."""
    properties: dict[str, str] = {}
    name, value = "", ""
    for line in _lines(text):
        if name:
            value += "\n" + line
        elif (start := re.match(r"\[([^\]]+)\]: \[(.*)$", line)) is not None:
            name, value = start[1], start[2]
        if name and value.endswith("]"):
            properties[name] = value[:-1]
            name = ""
    return properties


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
    present = fields.get("present", "").lower() != "false"
    level = number("level")
    return Battery(
        level_percent=level if present and level is not None and 0 <= level <= 100 else None,
        temperature_c=tenths / 10 if present and tenths is not None else None,
        voltage_v=None if millivolts is None else millivolts / 1000,
        charging=status in (_CHARGING, _FULL) if present and status is not None else None,
        plugged=any(sources) if sources else None,
        frozen="UPDATES STOPPED" in text,
        present=present,
    )


_SENSOR = re.compile(
    r"Temperature\{mValue=([^,]*), mType=(-?\d+), mName=([^,}]*), mStatus=([^,}]+)\}"
)
_NO_VALUE = ("", "null")  # what a sensor answers that measures nothing
_COOLING = re.compile(r"CoolingDevice\{mValue=(\d+), mType=-?\d+, mName=([^,}]*)\}")
# Android 14 and later; before, in the format of the HAL.
_LIMITS = re.compile(
    r"TemperatureThreshold\{mType=3, .*?mHotThrottlingThresholds=\[([^\]]*)\]"
    r"|\{\.type = SKIN, .*?\.hotThrottlingThresholds = \[([^\]]*)\]"
)


def parse_thermal(text: str) -> Thermal:
    """``dumpsys thermalservice``: the current sensors, else the cached ones."""
    status = re.search(r"^Thermal Status: *(\S+)\r?$", text, re.MULTILINE)
    before, _, now = text.partition("Current temperatures from HAL:")
    sensors = tuple(map(_sensor, _SENSOR.finditer(now))) or tuple(
        map(_sensor, _SENSOR.finditer(before))
    )
    limits = _LIMITS.search(text)
    return Thermal(
        status=None if status is None else _integer(status[1], "Thermal Status"),
        temperatures=sensors,
        cooling={match[2]: int(match[1]) for match in _COOLING.finditer(text)},
        skin_limit_c=None if limits is None else _first_limit(limits[1] or limits[2] or ""),
    )


def parse_df(text: str) -> Space | None:
    """``df -k PATH``: its file system; a long device name has a line of its own."""
    lines = [line for line in _lines(text) if line.strip()]
    cells = " ".join(lines[1:]).split()
    if len(cells) < 6 or not lines[0].startswith("Filesystem"):
        return None
    total, _, free = (_integer(cell, "df") for cell in cells[1:4])
    return Space(total * 1024, free * 1024, " ".join(cells[5:]))


def parse_devices(text: str) -> tuple[AdbEntry, ...]:
    """``adb devices -l``, without adb's other lines."""
    return tuple(
        _entry(line)
        for line in _lines(text)
        if line.strip() and not line.startswith(("*", "List of devices", "adb server"))
    )


def parse_uptime(text: str) -> float:
    """``/proc/uptime``: seconds since the boot."""
    return _number(_only_line(text, "/proc/uptime").split()[0], "/proc/uptime")


def parse_boot_id(text: str) -> str:
    """``/proc/sys/kernel/random/boot_id``: a new one after each boot."""
    line = _only_line(text, "boot_id")
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", line):
        raise _unreadable("boot_id", line)
    return line


def parse_meminfo(text: str) -> dict[str, int]:
    """``/proc/meminfo``: bytes by name."""
    rows = re.findall(r"^(\w+):\s+(\d+) kB\r?$", text, re.MULTILINE)
    return {name: int(kilobytes) * 1024 for name, kilobytes in rows}


def parse_load(text: str) -> float:
    """``/proc/loadavg``: the mean number of runnable tasks in the last minute."""
    return _number(_only_line(text, "/proc/loadavg").split()[0], "/proc/loadavg")


def parse_values(text: str) -> dict[str, str]:
    """``grep -sH . FILE...``: the first line of each file by its path."""
    values: dict[str, str] = {}
    for line in _lines(text):
        path, colon, value = line.partition(":")
        if colon and path.startswith("/"):
            values.setdefault(path, value.strip())
    return values


# AOSP's packages/modules/adb/adb.cpp (to_string of a connection's state), and adb's own remark.
_ENTRY = re.compile(
    r"(.+?)\s+((?:device|offline|unauthorized|authorizing|connecting|recovery|sideload|rescue|"
    r"bootloader|host|detached|unknown|no permissions)\b.*)$"
)


def _entry(line: str) -> AdbEntry:
    """A serial, a state that may contain blanks and a remark, and ``key:value`` words.

    A serial may contain blanks too: the first state that adb has ends it.
    """
    match = _ENTRY.match(line.strip())
    serial, rest = match.groups() if match else line.strip().partition(" ")[::2]
    rest = rest.strip()
    refused = re.match(r"(no permissions)\s*(.*?)((?:\s(?:\S+:\S+))*)$", rest)
    if refused is not None:
        words = refused[3].split()
        remark = refused[2].strip()
        return AdbEntry(serial, refused[1], _pairs(words), remark)
    state, _, words = rest.partition(" ")
    return AdbEntry(serial, state, _pairs(words.split()))


def _pairs(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (w.partition(":") for w in words) if value}


def _sensor(match: re.Match[str]) -> Temperature:
    nothing = match[1].strip().lower() in _NO_VALUE
    celsius = math.nan if nothing else _number(match[1], f"the temperature of {match[3]}")
    return Temperature(
        match[3], int(match[2]), celsius, _integer(match[4], f"status of {match[3]}")
    )


def _first_limit(text: str) -> float | None:
    items = [item.strip() for item in text.split(",")]
    numbers = [_number(i, "a thermal threshold") for i in items if i.lower() not in _NO_VALUE]
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
    return DeviceError(
        f"The phone's output for {what} cannot be read: expected a value, "
        f"got {codec.shortened(seen)!r}.",
        hint="Try again; if it fails again, report this text.",
    )
