"""Which phones there are, which one is meant, and a connection to it.

A running adb server comes first: it owns the phones on USB. ``HOST:PORT`` that no server lists is
talked to directly. With ``--adb-host`` only that server's phones are looked at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seaformer.android_bench.adb_server import AdbServer, ServerTransport
from seaformer.android_bench.states import state_error
from seaformer.android_bench.transport import Attached, Transport
from seaformer.core.errors import DeviceLost, ManyDevices, NoDevice

ALL = "all"
VARIABLE = "ANDROID_SERIAL"
Progress = Callable[[str], None]
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$")


@dataclass(frozen=True)
class Finder:
    """Where to look: the server named with ``--adb-host``, or the usual one and USB."""

    adb_host: str = ""

    def attached(self) -> tuple[Attached, ...]:
        """Every phone to be seen, in the server's order.

        Raises ``DeviceLost`` when the server that was named does not answer.
        """
        server = AdbServer.find(self.adb_host)
        listed = server.devices()
        if listed is not None:
            return listed
        if self.adb_host:
            raise DeviceLost(
                f"No adb server answers at {server}.",
                hint="On that machine: adb -a nodaemon server start (it then listens on all of "
                "its addresses), or tunnel its port: ssh -L 5038:localhost:5037 HOST",
            )
        from seaformer.android_bench.adb_direct import usb_phones

        return usb_phones()

    def choose(self, wanted: str) -> tuple[Attached, ...]:
        """The phones that ``--device`` means.

        ``wanted`` is serials with commas between, ``all``, or empty: ``ANDROID_SERIAL``, else the
        only phone that is ready. Raises ``NoDevice`` and ``ManyDevices`` listing what there is;
        what is wrong with one phone (not authorised, offline) is left to ``open``.
        """
        wanted = wanted or os.environ.get(VARIABLE, "")
        found = self.attached()
        if wanted == ALL:
            return found or _none(found)
        if wanted:
            serials = dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip())
            return tuple(self._named(serial, found) for serial in serials)
        ready = tuple(phone for phone in found if phone.ready)
        if len(ready) > 1:
            raise ManyDevices(
                f"{len(ready)} devices are ready: {_list(ready)}.",
                hint=f"Choose: --device {ready[0].serial}, several with commas, or --device all",
            )
        if len(found) == 1 or ready:
            return ready or found
        return _none(found)

    def _named(self, serial: str, found: Sequence[Attached]) -> Attached:
        for phone in found:
            if phone.serial == serial:
                return phone
        if _ADDRESS.match(serial) and not self.adb_host:
            why = "no adb server lists it, so it is talked to directly"
            return Attached(serial, "device", "tcp", "tcp", why)
        seen = f"There are: {_list(found)}." if found else "No phone is attached."
        raise NoDevice(f"No device {serial} is attached. {seen}", hint=_PLUG)

    def open(self, phone: Attached, say: Progress = lambda sentence: None) -> Transport:
        """A connection. Raises the error of the phone's state, with its remedy."""
        if not phone.ready:
            raise state_error(phone.serial, phone.state)
        if phone.way == "tcp":
            from seaformer.android_bench.adb_direct import open_tcp

            return open_tcp(phone.serial, say)
        if phone.way == "usb":
            from seaformer.android_bench.adb_direct import open_usb

            return open_usb(phone.serial, say)
        return ServerTransport(AdbServer.find(self.adb_host), phone.serial)

    def reopen(self, phone: Attached) -> Transport:
        """A new connection to a phone that was lost, the way it was reached before."""
        if phone.way in ("tcp", "usb"):
            return self.open(phone)
        return ServerTransport(AdbServer.find(self.adb_host), phone.serial)


_PLUG = (
    "Plug it in with USB debugging switched on (docs/phone.md), or name one on the network: "
    "--device HOST:PORT"
)


def _none(found: Sequence[Attached]) -> tuple[Attached, ...]:
    if found:
        raise NoDevice(
            f"No device is ready: {_list(found)}.", hint="What each needs: seaformer devices"
        )
    raise NoDevice("No phone is attached.", hint=_PLUG)


def _list(phones: Sequence[Attached]) -> str:
    return ", ".join(
        f"{phone.serial} ({', '.join(filter(None, (_model(phone), phone.link)))})"
        if phone.ready
        else f"{phone.serial} ({phone.state})"
        for phone in phones
    )


def _model(phone: Attached) -> str:
    return phone.properties.get("model", "").replace("_", " ")
