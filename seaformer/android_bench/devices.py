"""The attached phones and what each one is: the library call behind ``seaformer devices``.

``read_probe`` reads one phone in one call; ``list_phones`` reads all of them side by side. A phone
that cannot be used is reported with its own error and remedy, without effect on the others. The
state in which a measurement is made is in ``condition.py``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from seaformer.android_bench import parse, topology
from seaformer.android_bench.transport import AttachedDevice, ShellResult, Transport
from seaformer.core.cpu import rank_clusters
from seaformer.core.errors import DeviceError, SeaFormerError
from seaformer.core.measurement import Cluster, DeviceInfo
from seaformer.core.phone import PhoneReport
from seaformer.core.precision import arithmetic

T = TypeVar("T")
_TIMEOUT_S = 30.0
_AT_ONCE = 8
_ABI = "arm64-v8a"

# Only programs of every Android: shell built-ins, cat, df, getprop, dumpsys.
PROBE = (
    r"""
section() { echo; echo "@@seaformer $1"; }
section properties; getprop
"""
    + topology.PROBE
    + r"""
section android_id; settings get secure android_id 2>/dev/null
section battery; dumpsys battery
section thermal; dumpsys thermalservice
section space; df -k /data/local/tmp
section end
"""
)


class Script(Protocol):
    """Runs a constant script on a phone, with arguments as ``$1``, ``$2``... (``Phone.script``)."""

    def __call__(self, text: str, *arguments: str) -> ShellResult: ...


class Opener(Protocol):
    """Lists phones and connects to them: ``finder.Finder``."""

    def choose(self, names: str) -> tuple[AttachedDevice, ...]: ...

    def open(self, device: AttachedDevice) -> Transport: ...


@dataclass(frozen=True)
class Probe:
    """A phone and its state now. ``notes`` name what could not be read."""

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
    """Read a phone in one call.

    Raises ``DeviceError`` when its properties or processors cannot be read, since a bench requires
    both. Anything else that cannot be read becomes a note.
    """
    sections = parse.split_sections(script(PROBE).stdout)
    if "end" not in sections:
        raise DeviceError(
            f"Incomplete reply from {serial}: got {', '.join(sections) or 'nothing'}.",
            hint="Try again; if it fails again, check: adb shell getprop",
        )
    notes: list[str] = []

    def lenient(read: Callable[[str], T], name: str) -> T | None:
        try:
            return read(sections.get(name, ""))
        except DeviceError as error:
            notes.append(error.message)
            return None

    properties = parse.parse_getprop(sections.get("properties", ""))
    processors = topology.parse_cpuinfo(sections.get("processors", ""))
    values = parse.parse_values(sections.get("frequencies", ""))
    clusters = topology.clusters_of(processors, values)
    present = lenient(topology.parse_cpu_list, "present") or ()
    soc = topology.identify(properties, clusters)
    android_id = sections.get("android_id", "").strip()
    identity = _device_id(properties, serial, android_id)
    info = _device_info(properties, processors, clusters, soc, identity)
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
            memory_bytes=parse.parse_meminfo(sections.get("memory", "")).get("MemTotal"),
        ),
        soc=soc,
        offline=tuple(cpu for cpu in present if cpu not in online),
        battery=battery,
        thermal=thermal,
        space=space,
        notes=tuple(notes),
    )


def list_phones(
    finder: Opener, names: str = "all", timeout_s: float = _TIMEOUT_S
) -> tuple[PhoneReport, ...]:
    """Every phone that ``names`` selects (serials, or all), in the finder's order, ready or not.

    Raises ``NoDevice`` when there is none.
    """
    devices = finder.choose(names)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return tuple(pool.map(lambda device: _report(finder, device, timeout_s), devices))


def _report(finder: Opener, device: AttachedDevice, timeout_s: float) -> PhoneReport:
    report = PhoneReport(
        serial=device.serial,
        state=device.state,
        link=device.link,
        way=device.way,
        why=device.why,
        model=device.properties.get("model", "").replace("_", " "),
    )
    try:
        transport = finder.open(device)
        try:
            probe = read_probe(
                lambda text, *more: transport.shell(["sh", "-c", text, "sh", *more], timeout_s),
                device.serial,
            )
        finally:
            transport.close()
    except SeaFormerError as error:
        return replace(report, error=error.message, hint=error.hint)
    report = _with_probe(report, probe)
    try:
        check_abi(device.serial, probe.properties.get("ro.product.cpu.abi", ""))
    except DeviceError as error:
        return replace(report, error=error.message, hint=error.hint)
    return report


def _with_probe(report: PhoneReport, probe: Probe) -> PhoneReport:
    battery, thermal, space = probe.battery, probe.thermal, probe.space
    sdk = probe.properties.get("ro.build.version.sdk", "")
    cpu = prime_cpu(probe.info.clusters)
    return replace(
        report,
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
    identity: str,
) -> DeviceInfo:
    return DeviceInfo(
        id=identity,
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


def check_abi(serial: str, abi: str) -> None:
    """Raise ``DeviceError`` for a device whose programs are not those of 64-bit ARM."""
    if abi == _ABI:
        return
    wide = {"armeabi-v7a": "32-bit ARM", "armeabi": "32-bit ARM", "x86": "x86", "x86_64": "x86"}
    kind = f"{abi}, {wide[abi]}" if abi in wide else abi or "an unknown ABI"
    raise DeviceError(
        f"{serial} must be {_ABI} (got {kind}): the runner and the engines are built for it.",
        hint="Bench on a device with a 64-bit Android; this one cannot run the bundle.",
    )


def prime_cpu(clusters: tuple[Cluster, ...]) -> int:
    """The core of ``--core prime`` for one thread: the last one of the fastest cluster."""
    return rank_clusters(clusters)[-1].cpus[-1]


def _model(properties: dict[str, str]) -> str:
    """``Xiaomi Mi 10``; a model that starts with its maker's name is not given it twice."""
    maker = properties.get("ro.product.manufacturer", "")
    model = properties.get("ro.product.model", "") or "unknown phone"
    named = not maker or model.lower().startswith(maker.lower())
    return model if named else f"{maker[:1].upper()}{maker[1:]} {model}"


def _device_id(properties: dict[str, str], serial: str, android_id: str) -> str:
    """Stable for one phone, independent of how it is reached, and without its serial number.

    Makers ship thousands of phones and boards with one serial number; Android draws its own
    identifier at the first boot after a reset, which distinguishes them.
    """
    own = properties.get("ro.serialno") or properties.get("ro.boot.serialno") or serial
    if re.fullmatch(r"[0-9a-f]{8,16}", android_id):
        own = f"{own} {android_id}"
    name = re.sub(r"[^a-z0-9]+", "-", properties.get("ro.product.model", "phone").lower())
    return f"{name.strip('-') or 'phone'}-{hashlib.sha256(own.encode()).hexdigest()[:8]}"
