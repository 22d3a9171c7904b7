"""What is attached, and what each phone is: the library call behind ``seaformer devices``.

``read_probe`` asks a phone in one call what it is; ``list_phones`` does so for all of them, side
by side. A phone that cannot be used is reported with its own error and remedy, and hinders none of
the others. The state that a measurement is taken in is in ``condition.py``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from seaformer.android_bench import parse, topology
from seaformer.android_bench.transport import Attached, ShellResult, Transport
from seaformer.core.errors import DeviceError, SeaFormerError
from seaformer.core.measurement import Cluster, DeviceInfo
from seaformer.core.phone import PhoneReport
from seaformer.core.precision import arithmetic

T = TypeVar("T")
_TIMEOUT_S = 30.0
_AT_ONCE = 8

# Only what every Android has: the shell's own words, cat, df, getprop, dumpsys.
PROBE = r"""
say() { echo; echo "@@seaformer $1"; }
say properties; getprop
say processors; cat /proc/cpuinfo
say memory; cat /proc/meminfo
say present; cat /sys/devices/system/cpu/present
say frequencies
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
  for name in related_cpus scaling_governor cpuinfo_max_freq scaling_max_freq \
    scaling_min_freq scaling_cur_freq; do
    file=$cpu/cpufreq/$name
    if [ -r "$file" ] && read -r value < "$file"; then echo "$file:$value"; fi
  done
done
say battery; dumpsys battery
say thermal; dumpsys thermalservice
say space; df -k /data/local/tmp
say end
"""


class Script(Protocol):
    """Runs a constant script on a phone, its arguments as ``$1``, ``$2``... (``link.Phone``)."""

    def __call__(self, text: str, *arguments: str) -> ShellResult: ...


class Opener(Protocol):
    """Where phones come from: ``attach.Finder``."""

    def choose(self, wanted: str) -> tuple[Attached, ...]: ...

    def open(self, phone: Attached) -> Transport: ...


@dataclass(frozen=True)
class Probe:
    """What a phone is, and how it feels now. ``notes`` say what could not be read."""

    properties: dict[str, str]
    processors: tuple[topology.Processor, ...]
    info: DeviceInfo
    soc: topology.Soc | None
    offline: tuple[int, ...]
    battery: parse.Battery | None
    thermal: parse.Thermal | None
    space: parse.Space | None
    notes: tuple[str, ...]


def read_probe(script: Script, serial: str) -> Probe:
    """Ask a phone what it is, in one call.

    Raises ``DeviceError`` when its properties or processors cannot be read: then it is no phone
    that could be benched. Whatever else cannot be read is a note.
    """
    said = parse.split_sections(script(PROBE).stdout)
    if "end" not in said:
        raise DeviceError(
            f"{serial} did not answer to the end: seen {', '.join(said) or 'nothing'}.",
            hint="Try again; if it stays, look at: adb shell getprop",
        )
    notes: list[str] = []

    def lenient(read: Callable[[str], T], name: str) -> T | None:
        try:
            return read(said.get(name, ""))
        except DeviceError as error:
            notes.append(error.message)
            return None

    properties = parse.parse_getprop(said.get("properties", ""))
    processors = topology.parse_cpuinfo(said.get("processors", ""))
    values = parse.parse_values(said.get("frequencies", ""))
    clusters = topology.find_clusters(processors, topology.parse_frequencies(values))
    present = lenient(topology.parse_cpu_list, "present") or ()
    soc = topology.identify(properties, clusters)
    info = _device_info(properties, processors, clusters, soc, serial)
    online = {processor.number for processor in processors}
    battery = lenient(parse.parse_battery, "battery")
    thermal = lenient(parse.parse_thermal, "thermal")
    space = lenient(parse.parse_df, "space")
    notes += topology.surprises(soc, clusters) if soc else ()
    return Probe(
        properties=properties,
        processors=processors,
        info=replace(
            info,
            cores=len(set(present) | online),
            memory_bytes=parse.parse_meminfo(said.get("memory", "")).get("MemTotal"),
        ),
        soc=soc,
        offline=tuple(cpu for cpu in present if cpu not in online),
        battery=battery,
        thermal=thermal,
        space=space,
        notes=tuple(notes),
    )


def list_phones(
    finder: Opener, wanted: str = "all", timeout_s: float = _TIMEOUT_S
) -> tuple[PhoneReport, ...]:
    """Every phone that is meant, in the order it is listed in, ready or not.

    Raises ``NoDevice`` when there is none.
    """
    phones = finder.choose(wanted)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return tuple(pool.map(lambda phone: _report(finder, phone, timeout_s), phones))


def _report(finder: Opener, phone: Attached, timeout_s: float) -> PhoneReport:
    bare = PhoneReport(
        serial=phone.serial,
        state=phone.state,
        link=phone.link,
        way=phone.way,
        why=phone.why,
        model=phone.properties.get("model", "").replace("_", " "),
    )
    try:
        transport = finder.open(phone)
        try:
            probe = read_probe(
                lambda text, *more: transport.shell(["sh", "-c", text, "sh", *more], timeout_s),
                phone.serial,
            )
        finally:
            transport.close()
    except SeaFormerError as error:
        return replace(bare, error=error.message, hint=error.hint)
    return _filled(bare, probe)


def _filled(bare: PhoneReport, probe: Probe) -> PhoneReport:
    battery, thermal, space = probe.battery, probe.thermal, probe.space
    sdk = probe.properties.get("ro.build.version.sdk", "")
    cpu = prime_cpu(probe.info.clusters)
    return replace(
        bare,
        model=probe.info.model,
        android=probe.properties.get("ro.build.version.release", ""),
        sdk=int(sdk) if sdk.isdecimal() else None,
        soc=topology.soc_title(probe.properties, probe.soc),
        clusters=probe.info.clusters,
        offline=probe.offline,
        cpu=cpu,
        mask=f"{1 << cpu:x}",
        free_bytes=space.free_bytes if space else None,
        battery_percent=battery.level_percent if battery else None,
        battery_c=battery.temperature_c if battery else None,
        charging=battery.charging if battery else None,
        thermal_status=thermal.status if thermal else None,
        skin_c=thermal.hottest_c(parse.SKIN) if thermal else None,
        notes=probe.notes,
    )


def _device_info(
    properties: dict[str, str],
    processors: tuple[topology.Processor, ...],
    clusters: tuple[Cluster, ...],
    soc: topology.Soc | None,
    serial: str,
) -> DeviceInfo:
    return DeviceInfo(
        id=_device_id(properties, serial),
        target="phone",
        model=_model(properties),
        system=f"Android {properties.get('ro.build.version.release', 'of unknown version')}",
        architecture=properties.get("ro.product.cpu.abi", ""),
        cores=len(processors),
        clusters=clusters,
        properties={  # Linux lets programs see only the features that every core has
            "soc": topology.soc_title(properties, soc),
            "build": properties.get("ro.build.fingerprint", ""),
            "features": " ".join(processors[0].features),
            **arithmetic(processors[0].features),
        },
    )


def prime_cpu(clusters: tuple[Cluster, ...]) -> int:
    """The core that ``--core prime`` means for one thread: the fastest cluster's last."""
    return sorted(clusters, key=lambda cluster: cluster.max_freq_khz or 0)[-1].cpus[-1]


def _model(properties: dict[str, str]) -> str:
    """``Xiaomi Mi 10``; a model that starts with its maker's name has it once."""
    maker = properties.get("ro.product.manufacturer", "")
    model = properties.get("ro.product.model", "") or "unknown phone"
    named = not maker or model.lower().startswith(maker.lower())
    return model if named else f"{maker[:1].upper()}{maker[1:]} {model}"


def _device_id(properties: dict[str, str], serial: str) -> str:
    """Stable for one phone, whichever way it is reached, and without its serial number."""
    own = properties.get("ro.serialno") or properties.get("ro.boot.serialno") or serial
    name = re.sub(r"[^a-z0-9]+", "-", properties.get("ro.product.model", "phone").lower())
    return f"{name.strip('-') or 'phone'}-{hashlib.sha256(own.encode()).hexdigest()[:8]}"
