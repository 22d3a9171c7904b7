"""``Finder``: the attached phones, the ones that ``--device`` names, and a connection to each.

A running adb server comes first, since it owns the phones on USB. A ``HOST:PORT`` that no server
lists is reached directly. With ``--adb-host`` only the phones of that server are considered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seaformer.android_bench.adb_server import AdbServer, ServerTransport
from seaformer.android_bench.states import state_error
from seaformer.android_bench.transport import SERIAL, AttachedDevice, Transport
from seaformer.core.errors import DeviceLost, ManyDevices, NoDevice

ALL = "all"
VARIABLE = "ANDROID_SERIAL"
Progress = Callable[[str], None]
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$")


@dataclass(frozen=True)
class Finder:
    """Where to look: the server named with ``--adb-host``, or the default server and USB."""

    adb_host: str = ""

    def devices(self) -> tuple[AttachedDevice, ...]:
        """Every attached phone, in the server's order.

        Raises ``DeviceLost`` when the server that was named does not answer.
        """
        server = AdbServer.find(self.adb_host)
        devices = server.devices()
        if devices is not None:
            return devices
        if self.adb_host:
            raise DeviceLost(
                f"No adb server answers at {server}.",
                hint="On that machine: adb -a nodaemon server start (it then listens on all of "
                "its addresses), or tunnel its port: ssh -L 5038:localhost:5037 HOST",
            )
        from seaformer.android_bench.adb_direct import usb_phones

        return usb_phones()

    def choose(self, names: str) -> tuple[AttachedDevice, ...]:
        """The phones that ``--device`` names.

        ``names`` is serials separated by commas, ``all``, or empty: then ``ANDROID_SERIAL``, else
        the only phone that is ready. Raises ``NoDevice`` and ``ManyDevices``, which list the
        attached phones; a phone that is not authorised or offline is left to ``open``.
        """
        names = names or os.environ.get(VARIABLE, "")
        devices = self.devices()
        if names == ALL:
            return devices or _no_device(devices)
        if names:
            serials = dict.fromkeys(name.strip() for name in names.split(",") if name.strip())
            return tuple(self._named(serial, devices) for serial in serials)
        ready = tuple(device for device in devices if device.ready)
        if len(ready) > 1:
            raise ManyDevices(
                f"{len(ready)} devices are ready: {_list(ready)}.",
                hint=f"Choose one: --device {ready[0].serial}; several: separate them by commas, "
                "or --device all",
            )
        if len(devices) == 1 or ready:
            return ready or devices
        return _no_device(devices)

    def _named(self, serial: str, devices: Sequence[AttachedDevice]) -> AttachedDevice:
        for device in devices:
            if device.serial == serial:
                return device
        sharing = [each for each in devices if each.properties.get(SERIAL) == serial]
        if sharing:
            raise ManyDevices(
                f"{len(sharing)} devices have the serial number {serial}: {_list(sharing)}.",
                hint=f"Choose one by adb's number for its connection: --device {sharing[0].serial}",
            )
        if _ADDRESS.match(serial) and not self.adb_host:
            why = "no adb server lists it, so the connection is direct"
            return AttachedDevice(serial, "device", "tcp", "tcp", why)
        attached = f"Attached: {_list(devices)}." if devices else "No phone is attached."
        raise NoDevice(f"No device {serial} is attached. {attached}", hint=_ATTACH)

    def open(self, device: AttachedDevice, progress: Progress = lambda sentence: None) -> Transport:
        """A connection. Raises the error of the phone's state, with its remedy."""
        if not device.ready:
            raise state_error(device.serial, device.state)
        if device.way == "tcp":
            from seaformer.android_bench.adb_direct import open_tcp

            return open_tcp(device.serial, progress)
        if device.way == "usb":
            from seaformer.android_bench.adb_direct import open_usb

            return open_usb(device.serial, progress)
        return ServerTransport(AdbServer.find(self.adb_host), device.serial)

    def reopen(self, device: AttachedDevice) -> Transport:
        """A new connection to a phone that was lost, by the same way as before."""
        if device.way in ("tcp", "usb"):
            return self.open(device)
        return ServerTransport(AdbServer.find(self.adb_host), device.serial)


_ATTACH = (
    "Enable USB debugging and plug the phone in (docs/phone.md), or name one on the network: "
    "--device HOST:PORT"
)


def _no_device(devices: Sequence[AttachedDevice]) -> tuple[AttachedDevice, ...]:
    if devices:
        raise NoDevice(
            f"No device is ready: {_list(devices)}.",
            hint="List what each one needs: seaformer devices",
        )
    raise NoDevice("No phone is attached.", hint=_ATTACH)


def _list(devices: Sequence[AttachedDevice]) -> str:
    return ", ".join(
        f"{device.serial} ({', '.join(filter(None, (_model(device), device.link)))})"
        if device.ready
        else f"{device.serial} ({device.state})"
        for device in devices
    )


def _model(device: AttachedDevice) -> str:
    return device.properties.get("model", "").replace("_", " ")
