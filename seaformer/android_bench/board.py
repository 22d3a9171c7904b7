"""A Linux board behind ssh (a Raspberry Pi, any 64-bit ARM computer): what it is, and its state.

Cores, clusters and the kernel's values are read as those of a phone (``topology.py``,
``condition.py``). A board has no battery and no thermal status; its temperature is the hottest
thermal zone's, and a Raspberry Pi's firmware reports throttling and low voltage (``vcgencmd``).
Nothing is changed on a board.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from seaformer.android_bench import condition, parse, topology
from seaformer.android_bench.condition import State
from seaformer.android_bench.connection import Phone
from seaformer.android_bench.devices import Opener, Script, list_phones, prime_cpu
from seaformer.android_bench.ssh import PREFIX, SshAddress, SshOpener
from seaformer.core.errors import DeviceError, MeasurementRefused, SeaFormerError, Throttled
from seaformer.core.measurement import DeviceInfo, Flag
from seaformer.core.phone import PhoneReport
from seaformer.core.precision import arithmetic

MAX_CPU_C = 70.0
_TIMEOUT_S = 30.0
_MACHINES = ("aarch64", "arm64")
# Bits of the Raspberry Pi's get_throttled; the same 16 bits higher: since the board was started.
_NOW = {
    0: "low voltage",
    1: "its clock is capped",
    2: "it is throttled",
    3: "it is at its soft limit",
}
_SINCE_START = 16

# $1: the folder whose free space counts. Every section may be empty.
PROBE = (
    r"""
section() { echo; echo "@@seaformer $1"; }
text() { [ -r "$1" ] && tr '\000' '\n' < "$1"; }
section machine; uname -m
section kernel; uname -r
section system; cat /etc/os-release 2>/dev/null
section model; text /proc/device-tree/model || text /sys/class/dmi/id/product_name
section compatible; text /proc/device-tree/compatible
section serial; text /proc/device-tree/serial-number
section identifier; text /etc/machine-id || text /var/lib/dbus/machine-id
section addresses
for card in /sys/class/net/*; do
  { read -r kind < "$card/addr_assign_type"; } 2>/dev/null || continue
  [ "$kind" = 0 ] && [ -e "$card/device" ] && [ ! -e "$card/phy80211" ] || continue
  case $(readlink -f "$card/device") in */usb[0-9]*) continue;; esac
  cat "$card/address"
done
section page; getconf PAGESIZE 2>/dev/null
"""
    + topology.PROBE
    + r"""
section space; df -k "$1"
section throttled; vcgencmd get_throttled 2>/dev/null
section zones; grep -sH . /sys/class/thermal/thermal_zone*/temp
section end
"""
)
READ = (
    condition.READ_LINUX
    + r"""
section throttled; vcgencmd get_throttled 2>/dev/null
section zones; grep -sH . /sys/class/thermal/thermal_zone*/temp
"""
)


@dataclass(frozen=True)
class BoardProbe:
    """A board and its state now. ``notes`` name what could not be read."""

    info: DeviceInfo
    offline: tuple[int, ...]
    space: parse.Space | None
    cpu_c: float | None
    throttled_bits: int | None
    notes: tuple[str, ...]


def read_board(script: Script, name: str, folder: str = "/") -> BoardProbe:
    """Read a board in one call.

    Raises ``DeviceError`` for a board that is not 64-bit ARM, whose cores cannot be read, or that
    has nothing to be recognised by.
    """
    sections = parse.split_sections(script(PROBE, folder).stdout)
    if "end" not in sections:
        raise DeviceError(f"Incomplete reply from {name}: got {', '.join(sections) or 'nothing'}.")
    sections = {section: text.strip() for section, text in sections.items()}
    _check_machine(name, sections["machine"])
    notes: list[str] = []
    processors = topology.parse_cpuinfo(sections["processors"])
    clusters = topology.clusters_of(processors, parse.parse_values(sections["frequencies"]))
    online = {processor.number for processor in processors}
    present: tuple[int, ...] = ()
    try:
        present = topology.parse_cpu_list(sections["present"])
    except DeviceError as error:
        notes.append(error.message)
    model = _line(sections["model"]) or "ARM board"
    info = DeviceInfo(
        id=_board_id(name, model, sections),
        target="board",
        model=model,
        system=_system(sections),
        architecture="aarch64",
        cores=len(set(present) | online),
        clusters=clusters,
        memory_bytes=parse.parse_meminfo(sections["memory"]).get("MemTotal"),
        properties={
            "soc": (sections["compatible"].splitlines() or ["unknown"])[-1].strip(),
            "kernel": _line(sections["kernel"]),
            "page_bytes": _line(sections["page"]),
            "features": " ".join(processors[0].features),
            **arithmetic(processors[0].features),
        },
    )
    return BoardProbe(
        info=info,
        offline=tuple(cpu for cpu in present if cpu not in online),
        space=parse.parse_df(sections["space"]),
        cpu_c=parse_zones(sections["zones"]),
        throttled_bits=parse_throttled(sections["throttled"]),
        notes=tuple(notes),
    )


class BoardCare:
    """The state of a board around a measurement; nothing is changed on it."""

    def __init__(self, board: Phone) -> None:
        self._board = board
        self._seen_bits: int | None = None

    def read(self, cpu: int, *, busy: bool = False) -> State:
        sections = condition.read_sections(self._board, READ, cpu, busy=busy)
        state = condition.linux_state(sections, cpu)
        bits = parse_throttled(sections["throttled"])
        if self._seen_bits is None:
            self._seen_bits = bits
        celsius = parse_zones(sections["zones"])
        return replace(
            state,
            conditions=replace(state.conditions, temperature_c=celsius),
            throttled_bits=bits,
        )

    def refusals(self, state: State, cpus: tuple[int, ...]) -> list[MeasurementRefused]:
        name = self._board.serial
        reasons: list[MeasurementRefused] = []
        if why := self.too_hot(state):
            reasons.append(
                Throttled(f"{name}: {why}.", hint="Cool it, and use the power supply made for it.")
            )
        reasons += condition.absent_refusal(state, cpus, name)
        return reasons + condition.limited_refusal(state, cpus, name)

    def too_hot(self, state: State) -> str:
        if reasons := describe_bits(state.throttled_bits):
            return f"the firmware reports: {', '.join(reasons)}"
        celsius = state.conditions.temperature_c
        if celsius is not None and celsius > MAX_CPU_C:
            return f"the CPU is at {celsius:.1f} °C, must be at most {MAX_CPU_C:.0f} °C"
        return ""

    def throttled(self, state: State) -> str:
        bits = state.throttled_bits
        if bits is None:
            return ""
        new, self._seen_bits = bits & ~(self._seen_bits or 0), bits
        happened = describe_bits(new >> _SINCE_START)
        return f"during the block the firmware reported: {', '.join(happened)}" if happened else ""

    def notes(self, state: State) -> list[Flag]:
        flags = condition.busy_note(state, "busy board")
        if state.throttled_bits is None:
            flags.append(Flag("throttling unknown", False, "no vcgencmd: heat is judged by clocks"))
        elif earlier := describe_bits(state.throttled_bits >> _SINCE_START):
            detail = f"since its start, before the run: {', '.join(earlier)}"
            flags.append(Flag("throttled before", False, detail))
        governor = state.conditions.governor
        if governor not in (None, "performance"):
            flags.append(Flag("governor", False, f"{governor}, not performance"))
        return flags

    def begin(self) -> None:
        """Nothing is changed."""

    def restore(self) -> tuple[str, ...]:
        return ()


def list_devices(finder: Opener, names: str) -> tuple[PhoneReport, ...]:
    """Every phone and board that ``names`` selects (serials, ``ssh:HOST``, or all phones).

    Phones come first. Raises ``NoDevice`` when a phone was asked for and there is none,
    ``UsageError`` for a board's name that is not an address.
    """
    each = [name.strip() for name in names.split(",") if name.strip()]
    boards = [name for name in each if name.startswith(PREFIX)]
    phones = ",".join(name for name in each if name not in boards)
    addresses = [SshAddress.parse(name.removeprefix(PREFIX)) for name in boards]
    listed = () if boards and not phones else list_phones(finder, phones)
    return (*listed, *map(_report, addresses))


def _report(address: SshAddress) -> PhoneReport:
    opener = SshOpener(address)
    device = opener.device
    report = PhoneReport(
        serial=device.serial, state=device.state, link=device.link, way=device.way, why=device.why
    )
    try:
        place = opener.place()
        transport = opener.open(device)
        try:
            probe = read_board(
                lambda text, *more: transport.shell(["sh", "-c", text, "sh", *more], _TIMEOUT_S),
                address.name,
                place.parent if place.parent else "/",
            )
        finally:
            transport.close()
    except SeaFormerError as error:
        return replace(report, state="offline", error=error.message, hint=error.hint)
    cpu = prime_cpu(probe.info.clusters)
    return replace(
        report,
        model=probe.info.model,
        system=probe.info.system,
        soc=(probe.info.properties or {}).get("soc", ""),
        clusters=probe.info.clusters,
        offline=probe.offline,
        cpu=cpu,
        mask=f"{1 << cpu:x}",
        free_bytes=probe.space.free_bytes if probe.space else None,
        folder=place.root,
        cpu_c=probe.cpu_c,
        throttling=None if probe.throttled_bits is None else describe_bits(probe.throttled_bits),
        notes=probe.notes,
    )


def parse_throttled(text: str) -> int | None:
    """``throttled=0x50000`` of ``vcgencmd get_throttled``; ``None`` on boards without it."""
    match = re.search(r"throttled=0x([0-9a-fA-F]{1,8})\b", text)
    return int(match[1], 16) if match else None


def describe_bits(bits: int | None) -> tuple[str, ...]:
    """The firmware's words for the lowest four bits."""
    return tuple(word for bit, word in _NOW.items() if (bits or 0) >> bit & 1)


def parse_zones(text: str) -> float | None:
    """The hottest thermal zone in °C; a zone that reports no sensible value is passed over."""
    values = parse.parse_values(text).values()
    degrees = [int(value) / 1000 for value in values if re.fullmatch(r"-?\d{1,6}", value)]
    return max((celsius for celsius in degrees if 0 < celsius < 150), default=None)


def _check_machine(name: str, machine: str) -> None:
    if machine not in _MACHINES:
        raise DeviceError(
            f"{name} must be 64-bit ARM (got {machine or 'an unknown machine'}): the runner and "
            "the engines are built for it.",
            hint="A Raspberry Pi 3 or newer is, with a 64-bit kernel.",
        )


def _board_id(name: str, model: str, sections: dict[str, str]) -> str:
    """The model and a digest of what only this board has.

    Copied cards share the machine's identifier, so the serial number of the board and the addresses
    of its built-in network cards count as well; none of them is stored.
    """
    own = list(_words(sections["identifier"], r"[0-9a-f]{32}"))
    own += _words(sections["serial"], r"[0-9A-Za-z-]{4,64}")
    own += sorted(_words(sections["addresses"], r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"))
    if not own:
        raise DeviceError(
            f"{name} has neither /etc/machine-id nor a serial number: its rows could not be "
            "separated from those of another board.",
            hint="On the board: sudo systemd-machine-id-setup",
        )
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:48] or "board"
    return f"board-{slug}-{hashlib.sha256(' '.join(own).encode()).hexdigest()[:8]}"


def _words(text: str, pattern: str) -> Iterator[str]:
    return (word for word in text.split() if re.fullmatch(pattern, word))


def _system(sections: dict[str, str]) -> str:
    """``Debian GNU/Linux 12 (bookworm), Linux 6.6``."""
    named = re.search(r'^PRETTY_NAME="?([^"\n]*)"?$', sections["system"], re.MULTILINE)
    series = ".".join(_line(sections["kernel"]).split(".")[:2])
    return f"{named[1] if named else 'Linux'}, Linux {series or 'of unknown version'}"


def _line(text: str) -> str:
    return " ".join((text.splitlines() or [""])[0].split())
