"""A direct connection to a phone, without an adb server: TCP, or USB with the extra ``usb``.

The protocol is implemented by adb-shell (0.4). The socket is ours: the library's own socket sends
part of a block when the network is slow, waits ten seconds at an end of file, and has timeouts for
packets but none for a call. USB is not yet tested with a physical phone.
"""

from __future__ import annotations

import importlib.util
import io
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from adb_shell import exceptions as adb
from adb_shell.adb_device import AdbDevice
from adb_shell.transport.base_transport import BaseTransport

from seaformer.android_bench.adb_keys import AdbKey, adb_key
from seaformer.android_bench.states import state_error
from seaformer.android_bench.transport import AttachedDevice, MarkedCommand, ShellResult
from seaformer.core import files
from seaformer.core.errors import (
    DeviceError,
    DeviceFull,
    DeviceLost,
    DeviceTimeout,
    MissingExtra,
    NoDevice,
    NoPermission,
)

Progress = Callable[[str], None]
_CONNECT_S, _ALLOW_S = 10.0, 30.0
# The timeout for one block of a file to be sent or acknowledged.
_STALL_S = 20.0
_PROTOCOL_ERRORS = (
    adb.InvalidCommandError,
    adb.InvalidChecksumError,
    adb.InvalidResponseError,
    struct.error,
    KeyError,
)
_REFUSALS = (adb.AdbCommandFailureException, adb.PushFailedError)
_TIMEOUTS = (adb.AdbTimeoutError, adb.TcpTimeoutException, TimeoutError)
_CONNECTION_ERRORS = (
    OSError,
    adb.AdbConnectionError,
    adb.UsbReadFailedError,
    adb.UsbWriteFailedError,
    adb.UsbDeviceNotFoundError,
)


class _Tcp(BaseTransport):  # type: ignore[misc]
    """A socket with a deadline for a call, complete writes, and an error at an end of file."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self.deadline = 0.0
        self.stall_s: float | None = None
        self.pushing = False

    def connect(self, transport_timeout_s: float | None) -> None:
        self._socket = socket.create_connection(self._address, timeout=self._left())
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def bulk_read(self, numbytes: int, transport_timeout_s: float | None) -> bytes:
        connection = self._open()
        connection.settimeout(self._left())
        data = connection.recv(numbytes)
        if not data:
            raise ConnectionError("closed by the phone")
        if self.pushing and data.startswith(b"FAIL"):
            # adb-shell reads only after the last block, and would drop this reply.
            raise adb.PushFailedError(data[8:])
        return data

    def bulk_write(self, data: bytes, transport_timeout_s: float | None) -> int:
        connection = self._open()
        connection.settimeout(self._left())
        connection.sendall(data)
        return len(data)

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        return self._socket

    def _left(self) -> float:
        """Seconds left for the call, or for one block during a file transfer."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call timed out")
        return left if self.stall_s is None else min(left, self.stall_s)


class _Contents(io.BytesIO):
    """The bytes of a file; adb-shell would open any other type by itself."""


class DirectTransport:
    """One phone by adb-shell. ``link`` is a ``_Tcp``, or the USB transport of adb-shell."""

    def __init__(self, serial: str, way: str, why: str, link: Any, progress: Progress) -> None:
        self.serial = serial
        self.way = way
        self.why = why
        self.bytes_pushed = 0
        self._link = link
        self._device = AdbDevice(link, banner=b"seaformer")
        self._key = adb_key()
        self._connect(self._key, progress)

    def shell(self, argv: Sequence[str], timeout_s: float) -> ShellResult:
        command = MarkedCommand.of(argv)
        with self._errors(timeout_s):
            output = self._device.shell(command.line, timeout_s, timeout_s, timeout_s, decode=False)
        return command.parse(output.decode(errors="replace"))

    def push(self, source: Path, target: str, timeout_s: float) -> None:
        with files.os_errors(str(source)):
            contents = _Contents(source.read_bytes())
            mtime = int(source.stat().st_mtime)
        self._link.pushing = True
        try:
            with self._errors(timeout_s, stall_s=_STALL_S):
                self._device.push(contents, target, 0o100755, mtime, None, _STALL_S, timeout_s)
        except DeviceError as error:
            # The phone refused in the middle of a file: the next bytes on this connection are
            # undefined.
            if isinstance(error.__cause__, _REFUSALS):
                self.close()
                self._connect(self._key, lambda sentence: None)
            raise
        finally:
            self._link.pushing = False
            self.bytes_pushed += contents.tell()

    def pull(self, source: str, target: Path, timeout_s: float) -> None:
        contents = io.BytesIO()
        with self._errors(timeout_s, stall_s=_STALL_S):
            self._device.pull(source, contents, None, _STALL_S, timeout_s)
        with files.os_errors(str(target)):
            target.write_bytes(contents.getvalue())

    def close(self) -> None:
        with suppress(*_CONNECTION_ERRORS):
            self._device.close()

    def _connect(self, key: AdbKey, progress: Progress) -> None:
        def ask(device: object) -> None:
            self._asked = True
            self._link.deadline = time.monotonic() + _ALLOW_S
            progress(f"{self.serial}: accept this computer's key on the phone's screen")

        self._asked = False
        try:
            with self._errors(_CONNECT_S):
                self._device.connect([key], _CONNECT_S, _ALLOW_S, _ALLOW_S, auth_callback=ask)
        except DeviceTimeout as error:
            state = "unauthorized" if self._asked else "offline"
            raise state_error(self.serial, state) from error
        except DeviceLost as error:
            if self._asked:
                raise state_error(self.serial, "unauthorized") from error
            raise

    @contextmanager
    def _errors(self, timeout_s: float, stall_s: float | None = None) -> Iterator[None]:
        """One call: its timeout, and typed errors for those of adb-shell.

        The connection is closed after every error but a refusal by the phone, since the rest of a
        reply could be mistaken for the next one.
        """
        self._link.deadline = time.monotonic() + timeout_s
        self._link.stall_s = stall_s
        try:
            yield
        except BaseException as error:
            if not isinstance(error, _REFUSALS):
                self.close()
            raised = self._error(error, timeout_s)
            if raised is None:
                raise
            raise raised from error

    def _error(self, error: BaseException, timeout_s: float) -> DeviceError | None:
        if isinstance(error, _TIMEOUTS):
            return DeviceTimeout(f"{self.serial} did not answer within {timeout_s:g} s.")
        if isinstance(error, adb.DeviceAuthError):
            return state_error(self.serial, "unauthorized")
        if isinstance(error, _REFUSALS):
            return _refused(self.serial, error)
        if isinstance(error, _PROTOCOL_ERRORS):
            return DeviceLost(f"{self.serial}: the reply is not adb protocol.")
        if isinstance(error, _CONNECTION_ERRORS):
            return DeviceLost(f"{self.serial}: the connection broke ({error}).")
        return None


def open_tcp(serial: str, progress: Progress) -> DirectTransport:
    """A phone at ``host:port``. Raises ``NoDevice`` when nothing listens there."""
    host, _, port = serial.rpartition(":")
    why = "no adb server lists it, so the connection is direct"
    try:
        return DirectTransport(serial, "tcp", why, _Tcp(host.strip("[]"), int(port)), progress)
    except DeviceLost as error:
        if isinstance(error.__cause__, (ConnectionRefusedError, socket.gaierror)):
            raise NoDevice(
                f"Nothing listens at {serial}.",
                hint="On the phone: Developer options, Wireless debugging; or with a cable: "
                "adb tcpip 5555",
            ) from error
        raise


def usb_phones() -> tuple[AttachedDevice, ...]:
    """Phones on USB, listed without an adb server; empty without the extra ``usb``."""
    if importlib.util.find_spec("usb1") is None:
        return ()
    why = "no adb server runs"
    return tuple(
        AttachedDevice(serial, state, "usb", "usb", why) for _, serial, state in _usb_links()
    )


def open_usb(serial: str, progress: Progress) -> DirectTransport:
    """A phone on USB. Raises ``MissingExtra``, ``NoDevice``, ``NoPermission``.

    Not yet tested with a physical phone.
    """
    if importlib.util.find_spec("usb1") is None:
        raise MissingExtra(
            f"{serial} may be on USB, which requires libusb1 when no adb server runs.",
            hint="Start a server (adb start-server), or: pip install 'seaformer[usb]'",
        )
    import usb1

    for link, name, state in _usb_links():
        if name != serial:
            continue
        if state == "no permissions":
            raise state_error(serial, state)
        try:
            return DirectTransport(serial, "usb", "no adb server runs", link, progress)
        except usb1.USBErrorAccess as error:
            raise state_error(serial, "no permissions") from error
        except usb1.USBErrorBusy as error:
            raise NoPermission(
                f"{serial} is in use by another program.",
                hint="Probably an adb server of another user: connect to it with --adb-host.",
            ) from error
    raise NoDevice(f"{serial} is not on USB.", hint="Check: seaformer devices")


def _usb_links() -> Iterator[tuple[Any, str, str]]:
    """Each phone on USB with its serial and state; the serial of a locked one is its USB path."""
    import usb1
    from adb_shell.transport.usb_transport import UsbTransport

    for link in UsbTransport.find_all_adb_devices(default_transport_timeout_s=_CONNECT_S):
        try:
            yield link, link.serial_number, "device"
        except usb1.USBError:
            yield link, "usb:" + "-".join(map(str, link.port_path)), "no permissions"


def _refused(serial: str, error: Exception) -> DeviceError:
    """The typed error for a FAIL reply of the phone's file service."""
    last = error.args[0] if error.args else ""
    text = last.decode(errors="replace") if isinstance(last, (bytes, bytearray)) else str(last)
    reason = text.removeprefix("Command failed: ").strip()
    if "no space" in reason.lower():
        return DeviceFull(f"{serial} has no space left.", hint="Free some space on the phone.")
    return DeviceError(f"{serial}: {reason}.")
