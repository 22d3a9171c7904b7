"""The state of a phone, the reasons to refuse a measurement in it, and the setting a bench changes.

Everything is read with the shell user's rights; a value that a phone does not report is ``None``.
The one setting that is changed keeps the phone awake while it is plugged in. Its old value is
written to the phone first, so that the next bench restores it when this one is killed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from seaformer.android_bench import parse, topology
from seaformer.android_bench.connection import Phone
from seaformer.core.errors import (
    Charging,
    DeviceError,
    LowBattery,
    MeasurementRefused,
    PinningBroken,
    Throttled,
    TooHot,
)
from seaformer.core.measurement import Conditions, Flag

MIN_BATTERY_PERCENT = 30
MAX_BATTERY_C = 40.0
BUSY_SHARE = 0.25
_AWAKE = ("stay_on_while_plugged_in", "7")

# What every Linux device reports. $1: the core whose frequency is read; $2: "busy" to measure the
# load too, which takes 0.3 s; $3: where the space is. One call for all: each costs a round trip.
READ_LINUX = r"""
section() { echo; echo "@@seaformer $1"; }
section load; cat /proc/loadavg
section memory; cat /proc/meminfo
section space; df -k "$3"
section online; cat /sys/devices/system/cpu/online
section cpufreq; grep -sH . /sys/devices/system/cpu/cpu$1/cpufreq/*_freq \
  /sys/devices/system/cpu/cpu$1/cpufreq/scaling_governor
section user; id -u
section busy; if [ "$2" = busy ]; then head -n 1 /proc/stat; sleep 0.3; head -n 1 /proc/stat; fi
"""
_READ = (
    READ_LINUX
    + r"""
section battery; dumpsys battery
section thermal; dumpsys thermalservice 2>&1
section power; dumpsys power 2>&1 | grep -e mWakefulness= -e mScreenOn= -e 'Display Power'
section saver; settings get global low_power
"""
)
_CHANGE = r"""
old=$(settings get global "$2") || exit 1
[ "$old" = "$3" ] && exit 0
mkdir -p "$1" && echo "$2 $old" > "$1/changed.part" && mv "$1/changed.part" "$1/changed" || exit 1
settings put global "$2" "$3"
"""
_RESTORE = r"""
[ -f "$1/changed" ] || exit 0
while read key old; do
  if [ "$old" = null ]; then settings delete global "$key" >/dev/null
  else settings put global "$key" "$old"; fi || exit 1
  echo "$key"
done < "$1/changed"
rm -f "$1/changed"
"""


@dataclass(frozen=True)
class State:
    """One reading. ``mains`` is power from a charger or a pad, not from a computer's USB port.

    ``throttled_bits`` are those of a Raspberry Pi's firmware (``board.py``).
    """

    conditions: Conditions
    battery: parse.Battery
    mains: bool
    screen_on: bool | None
    power_saver: bool
    limit_khz: int | None
    online: tuple[int, ...]
    root: bool
    busy_share: float | None
    throttled_bits: int | None = None


def read_state(phone: Phone, cpu: int, *, busy: bool = False) -> State:
    """Read the state in one call; with ``busy`` also the share of the cores in use."""
    sections = read_sections(phone, _READ, cpu, busy=busy)
    common = linux_state(sections, cpu)
    battery = parse.parse_battery(sections["battery"])
    thermal = parse.parse_thermal(sections["thermal"])
    skin = thermal.hottest_c(parse.SKIN)
    conditions = replace(
        common.conditions,
        temperature_c=skin if skin is not None else battery.temperature_c,
        battery_percent=battery.level_percent,
        charging=battery.charging,
        thermal_status=thermal.status,
    )
    return replace(
        common,
        conditions=conditions,
        battery=battery,
        mains=bool(re.search(r"(AC|Wireless|Dock) powered: true", sections["battery"])),
        screen_on=_screen(sections["power"]),
        power_saver=sections["saver"] == "1",
    )


def read_sections(phone: Phone, script: str, cpu: int, *, busy: bool = False) -> dict[str, str]:
    """The output of a script that begins with ``READ_LINUX``, by section; a missing one: empty."""
    done = phone.script(script, str(cpu), "busy" if busy else "", phone.place.parent)
    empty = dict.fromkeys(re.findall(r"^section (\w+);", script, re.MULTILINE), "")
    sections = parse.split_sections(done.stdout)
    return empty | {name: part.strip() for name, part in sections.items()}


def linux_state(sections: Mapping[str, str], cpu: int) -> State:
    """What ``READ_LINUX`` reports: a device without a battery and without a screen."""
    frequency = topology.parse_frequencies(parse.parse_values(sections["cpufreq"])).get(cpu)
    memory = parse.parse_meminfo(sections["memory"])
    space = parse.parse_df(sections["space"])
    conditions = Conditions(
        at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        governor=frequency.governor if frequency else None,
        freq_khz=frequency.now_khz if frequency else None,
        max_freq_khz=frequency.hardware_max_khz if frequency else None,
        load=parse.parse_load(sections["load"]) if sections["load"][:1].isdigit() else None,
        free_memory_bytes=memory.get("MemAvailable"),
        free_space_bytes=space.free_bytes if space else None,
    )
    return State(
        conditions=conditions,
        battery=parse.NO_BATTERY,
        mains=False,
        screen_on=None,
        power_saver=False,
        limit_khz=frequency.max_khz if frequency else None,
        online=topology.parse_cpu_list(sections["online"]),
        root=sections["user"] == "0",
        busy_share=_busy(sections["busy"]),
    )


def refusals(state: State, cpus: tuple[int, ...], serial: str) -> list[MeasurementRefused]:
    """The reasons not to measure now, each with a remedy; ``--force`` measures anyway."""
    reasons: list[MeasurementRefused] = []
    battery = state.battery
    if battery.level_percent is not None and battery.level_percent < MIN_BATTERY_PERCENT:
        reasons.append(
            LowBattery(
                f"{serial}: the battery must be at {MIN_BATTERY_PERCENT} % or more (got "
                f"{battery.level_percent} %): a phone slows down on a low battery.",
                hint="Charge it first.",
            )
        )
    if hot := too_hot(state):
        reasons.append(TooHot(f"{serial}: {hot}.", hint="Let it cool down, out of its case."))
    if state.mains and battery.present and battery.level_percent != 100:
        reasons.append(
            Charging(
                f"{serial}: the phone is on a charger, which warms it.",
                hint="Unplug the charger; a computer's USB port is allowed, and noted in the row.",
            )
        )
    if state.power_saver:
        reasons.append(
            MeasurementRefused(
                f"{serial}: the battery saver is on, which limits the cores.",
                hint="Switch it off in the phone's settings.",
            )
        )
    reasons += absent_refusal(state, cpus, serial)
    reasons += limited_refusal(state, cpus, serial)
    return reasons


def limited_refusal(state: State, cpus: tuple[int, ...], serial: str) -> list[MeasurementRefused]:
    """The refusal for a core that may not reach its highest frequency."""
    limit, top = state.limit_khz, state.conditions.max_freq_khz
    if limit is None or top is None or limit >= top:
        return []
    return [
        Throttled(
            f"{serial}: core {cpus[0]} is limited to {limit / 1e6:.2f} of {top / 1e6:.2f} GHz.",
            hint="Let it cool down, and close what limits the cores.",
        )
    ]


def absent_refusal(state: State, cpus: tuple[int, ...], serial: str) -> list[MeasurementRefused]:
    """The refusal for a chosen core that is offline, before a run or after it."""
    missing = [cpu for cpu in cpus if cpu not in state.online]
    if not missing:
        return []
    return [
        PinningBroken(
            f"{serial}: core {', '.join(map(str, missing))} is offline; online: "
            f"{', '.join(map(str, state.online))}.",
            hint="Wait until it is online again, or choose another: --core big",
        )
    ]


def offline_refusal(offline: tuple[int, ...], serial: str) -> list[MeasurementRefused]:
    """The refusal for an offline core: it may be the fastest one, so ``prime`` is unknown."""
    if not offline:
        return []
    cores = ", ".join(map(str, offline))
    return [
        PinningBroken(
            f"{serial}: core {cores} is offline, so the clusters are unknown.",
            hint="Wake the device up and let it cool down: its cores come online again.",
        )
    ]


def too_hot(state: State) -> str:
    """The reason when the phone is too hot to start, else empty."""
    status, celsius = state.conditions.thermal_status, state.battery.temperature_c
    if status is not None and status > 0:
        word = parse.THERMAL_STATUS[min(status, len(parse.THERMAL_STATUS) - 1)]
        return f"the thermal status is {status} ({word}), must be 0"
    if celsius is not None and celsius > MAX_BATTERY_C:
        return f"the battery is at {celsius:.1f} °C, must be at most {MAX_BATTERY_C:.0f} °C"
    return ""


def notes(state: State) -> list[Flag]:
    """Notes for the reader of the row that are not reasons to refuse."""
    flags = []
    if state.battery.plugged and not state.mains:
        flags.append(Flag("usb power", False, "powered over USB during the measurement"))
    if not state.battery.present:
        flags.append(Flag("no battery", False, "the device has none; power and heat differ"))
    if state.battery.frozen:
        flags.append(Flag("battery frozen", False, "dumpsys battery is overridden on this phone"))
    if state.screen_on:
        flags.append(Flag("screen on", False, "the display warms the phone"))
    if state.conditions.thermal_status is None:
        flags.append(Flag("no thermal status", False, "Android before 10 does not report it"))
    flags += busy_note(state, "busy phone")
    if state.conditions.governor == "powersave":
        flags.append(Flag("governor", False, "powersave"))
    return flags


def busy_note(state: State, name: str) -> list[Flag]:
    """The note for a device whose cores were in use before the run."""
    if state.busy_share is None or state.busy_share <= BUSY_SHARE:
        return []
    detail = f"{100 * state.busy_share:.0f} % of all cores' time was in use before the run"
    return [Flag(name, False, detail)]


def stay_awake(phone: Phone) -> None:
    """Keep the phone awake while it is plugged in; the old value is written to the phone."""
    done = phone.script(_CHANGE, phone.place.root, *_AWAKE)
    if done.exit_code != 0:
        phone.progress(f"{phone.serial}: it could not be kept awake ({done.summary}).")


def restore(phone: Phone) -> tuple[str, ...]:
    """Restore what this bench, or one that was killed, has changed. Returns the settings.

    Raises ``DeviceError`` when the phone refuses.
    """
    done = phone.script(_RESTORE, phone.place.root)
    if done.exit_code != 0:
        raise DeviceError(f"{phone.serial}: {_AWAKE[0]} could not be put back: {done.summary}.")
    return tuple(done.stdout.split())


def _screen(text: str) -> bool | None:
    if not text:
        return None
    return "mWakefulness=Awake" in text or "state=ON" in text


def _busy(text: str) -> float | None:
    """The share of all cores' time between two first lines of /proc/stat that was not idle."""
    rows = [[int(word) for word in line.split()[1:]] for line in _stat_lines(text)]
    if len(rows) != 2 or len(rows[0]) < 5:
        return None
    spent = [late - early for early, late in zip(*rows, strict=False)]
    total = sum(spent[:8])
    return 1 - (spent[3] + spent[4]) / total if total > 0 else None


def _stat_lines(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if re.fullmatch(r"cpu(\s+\d+)+\s*", line))
