"""Phones and boards for a terminal: a few lines for each."""

from __future__ import annotations

from collections.abc import Iterator

from seaformer.core.cpu import format_cpu_list
from seaformer.core.measurement import Cluster
from seaformer.core.phone import PhoneReport
from seaformer.report.terminal import Block, Facts, Line

_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


def phone_page(phone: PhoneReport) -> list[Block]:
    """The serial and the model, then a line for each value that the phone reports."""
    system = f"Android {phone.android}" if phone.android else phone.system
    title = [phone.model, system, phone.soc]
    head = f"{phone.serial}  {', '.join(filter(None, title)) or phone.state}"
    facts = tuple((name, text) for name, text in _rows(phone) if text)
    return [Line(head, "bold", hang=2), Facts(facts, indent=2)]


def _rows(phone: PhoneReport) -> Iterator[tuple[str, str]]:
    yield "state", f"{phone.state}, {phone.link}"
    yield "through", f"{phone.way} ({phone.why})" if phone.why else phone.way
    yield "cores", ", ".join(map(_cluster, phone.clusters))
    yield "offline", ", ".join(f"cpu{cpu}" for cpu in phone.offline)
    if phone.cpu is not None:
        yield "pinned", f"cpu{phone.cpu} (taskset {phone.mask}), unless --core is given"
    if phone.free_bytes is not None:
        yield "free", f"{phone.free_bytes / 1e9:.1f} GB in {phone.folder}"
    yield "battery", _battery(phone)
    yield "heat", _heat(phone)
    for note in phone.notes:
        yield "note", note
    yield "error", phone.error
    yield "do", phone.hint


def _cluster(cluster: Cluster) -> str:
    speed = f" {cluster.max_freq_khz / 1e6:.2f} GHz" if cluster.max_freq_khz else ""
    return f"{format_cpu_list(cluster.cpus)} {cluster.part}{speed}"


def _battery(phone: PhoneReport) -> str:
    pieces = [
        "" if phone.battery_percent is None else f"{phone.battery_percent} %",
        "" if phone.battery_c is None else f"{phone.battery_c:.1f} °C",
        "charging" if phone.charging else "",
    ]
    return ", ".join(filter(None, pieces))


def _heat(phone: PhoneReport) -> str:
    status = phone.thermal_status
    if status is None:
        return _board_heat(phone)
    name = _STATUS[status] if 0 <= status < len(_STATUS) else str(status)
    skin = "" if phone.skin_c is None else f", skin {phone.skin_c:.1f} °C"
    return f"thermal status {status} ({name}){skin}"


def _board_heat(phone: PhoneReport) -> str:
    celsius = "" if phone.cpu_c is None else f"CPU {phone.cpu_c:.1f} °C"
    throttling = "" if phone.throttling is None else ", ".join(phone.throttling) or "not throttled"
    return ", ".join(filter(None, (celsius, throttling)))
