"""Phones behind a running adb server, by its smart-socket protocol.

The server owns the USB devices, so most phones are reached this way. It is queried, and never
started, stopped or asked to connect. The protocol is that of AOSP's ``SERVICES.TXT`` and
``SYNC.TXT``.

It is written by hand because adbutils 2.12 starts a server itself when none answers, and its
timeouts limit each read of the socket, not a call. Its push ignores partial writes, reads the
phone's reply only after the last byte and drops the reason in it (no space left); every refusal of
the server is one ``AdbError`` with a text. It also requires Pillow and requests. The tests use it
as a second client of the fake phone.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import stat
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seaformer.android_bench.parse import AdbEntry, parse_devices
from seaformer.android_bench.states import state_error
from seaformer.android_bench.transport import (
    SERIAL,
    AttachedDevice,
    MarkedCommand,
    ShellResult,
    command_line,
)
from seaformer.core import files
from seaformer.core.errors import (
    DeviceError,
    DeviceFull,
    DeviceLost,
    DeviceTimeout,
    NoDevice,
    UsageError,
)

PORT = 5037
_CHUNK = 64 * 1024
_QUICK_S = 10.0
_STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = 1, 2, 3, 4
_WHY = "an adb server runs and lists it"
_MODE = stat.S_IFREG | 0o755


@dataclass(frozen=True)
class AdbServer:
    """The address of an adb server."""

    host: str = "127.0.0.1"
    port: int = PORT

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def find(cls, named: str = "") -> AdbServer:
        """The server named ``HOST[:PORT]``, else the one that adb itself would use.

        That is ``ADB_SERVER_SOCKET`` (``tcp:HOST:PORT``), else ``ANDROID_ADB_SERVER_ADDRESS`` and
        ``ANDROID_ADB_SERVER_PORT``, else 127.0.0.1:5037. Raises ``UsageError`` for another text.
        """
        if named:
            return cls._parse(named, "--adb-host")
        if variable := os.environ.get("ADB_SERVER_SOCKET", ""):
            return cls._parse(variable.removeprefix("tcp:"), "ADB_SERVER_SOCKET")
        host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS", "127.0.0.1")
        port = os.environ.get("ANDROID_ADB_SERVER_PORT", str(PORT))
        return cls._parse(f"{host}:{port}", "ANDROID_ADB_SERVER_PORT")

    @classmethod
    def _parse(cls, text: str, where: str) -> AdbServer:
        host, colon, port = text.rpartition(":")
        if not colon:
            host, port = ("127.0.0.1", text) if text.isdecimal() else (text, str(PORT))
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(
                f"{where} must be HOST or HOST:PORT (got {text!r}).",
                hint="For example: --adb-host lab1:5037",
            )
        return cls(host.strip("[]"), int(port))

    def devices(self) -> tuple[AttachedDevice, ...] | None:
        """Every phone the server lists, in its order; ``None`` where no server answers."""
        try:
            with _Wire.open(self, _QUICK_S) as wire:
                wire.request("host:devices-l")
                text = wire.counted().decode(errors="replace")
        except DeviceError:
            return None
        entries = parse_devices(text)
        serials = Counter(entry.serial for entry in entries)
        return tuple(
            _device(entry, f"adb server at {self}", alone=serials[entry.serial] == 1)
            for entry in entries
        )

    def features(self, serial: str, timeout_s: float = _QUICK_S) -> frozenset[str]:
        """The features of a phone's adb daemon. Raises the error of the phone's state."""
        number = _transport_id(serial)
        device = f"host-transport-id:{number}" if number else f"host-serial:{serial}"
        with _Wire.open(self, timeout_s, serial) as wire:
            wire.request(f"{device}:features")
            return frozenset(wire.counted().decode(errors="replace").split(","))


def _transport_id(serial: str) -> str:
    """``5`` of ``transport:5``, the name of a device that shares its serial; else empty."""
    match = re.fullmatch(r"transport:(\d{1,9})", serial, re.ASCII)
    return match[1] if match else ""


def _device(entry: AdbEntry, way: str, *, alone: bool) -> AttachedDevice:
    """A device whose serial another one has too is named by adb's number for its connection."""
    serial, properties = entry.serial, dict(entry.properties)
    remote = ":" in serial or serial.startswith("emulator-") or "._tcp" in serial
    link = "tcp" if remote and "usb" not in properties else "usb"
    number = properties.get("transport_id", "")
    if not alone and number.isdecimal():
        properties[SERIAL], serial = serial, f"transport:{number}"
    return AttachedDevice(serial, entry.state, link, way, _WHY, properties)


class ServerTransport:
    """One phone behind an adb server; each call is a connection of its own."""

    def __init__(self, server: AdbServer, serial: str) -> None:
        self.serial = serial
        self.way = f"adb server at {server}"
        self.why = _WHY
        self.bytes_pushed = 0
        self._server = server
        self._v2 = "shell_v2" in server.features(serial)

    def shell(self, argv: Sequence[str], timeout_s: float) -> ShellResult:
        with self._opened(timeout_s) as wire:
            if self._v2:
                wire.request(f"shell,v2,raw:{command_line(argv)}")
                return _shell_v2(wire)
            command = MarkedCommand.of(argv)
            wire.request(f"shell:{command.line}")
            return command.parse(wire.rest().decode(errors="replace"))

    def push(self, source: Path, target: str, timeout_s: float) -> None:
        with self._opened(timeout_s) as wire:
            wire.request("sync:")
            self._send(wire, source, target)

    def pull(self, source: str, target: Path, timeout_s: float) -> None:
        with self._opened(timeout_s) as wire, files.os_errors(str(target)), target.open("wb") as to:
            wire.request("sync:")
            name = source.encode()
            wire.send(b"RECV" + struct.pack("<I", len(name)) + name)
            while True:
                word, size = struct.unpack("<4sI", wire.exactly(8))
                if word == b"DONE":
                    return
                if word == b"FAIL":
                    raise _sync_failed(wire.exactly(size), self.serial, source)
                if word != b"DATA" or size > _CHUNK:
                    raise wire.protocol_error()
                to.write(wire.exactly(size))

    def close(self) -> None:
        """Nothing stays open between calls."""

    @contextmanager
    def _opened(self, timeout_s: float) -> Iterator[_Wire]:
        with _Wire.open(self._server, timeout_s, self.serial) as wire:
            number = _transport_id(self.serial)
            wire.request(f"host:transport{f'-id:{number}' if number else f':{self.serial}'}")
            yield wire

    def _send(self, wire: _Wire, source: Path, target: str) -> None:
        name = f"{target},{_MODE}".encode()
        try:
            wire.send(b"SEND" + struct.pack("<I", len(name)) + name)
            with files.os_errors(str(source)), source.open("rb") as stream:
                # A phone that cannot write reports it before the end of the file.
                while not wire.readable() and (chunk := stream.read(_CHUNK)):
                    wire.send(b"DATA" + struct.pack("<I", len(chunk)) + chunk)
                    self.bytes_pushed += len(chunk)
            if not wire.readable():
                wire.send(b"DONE" + struct.pack("<I", int(source.stat().st_mtime)))
        except DeviceLost:
            if not wire.readable():
                raise
        word, size = struct.unpack("<4sI", wire.exactly(8))
        if word == b"FAIL":
            raise _sync_failed(wire.exactly(min(size, _CHUNK)), self.serial, target)
        if word != b"OKAY":
            raise wire.protocol_error()


class _Wire:
    """A socket to the server with a deadline for the whole call and typed errors."""

    def __init__(self, connection: socket.socket, timeout_s: float, serial: str) -> None:
        self._socket = connection
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._serial = serial

    @classmethod
    @contextmanager
    def open(cls, server: AdbServer, timeout_s: float, serial: str = "") -> Iterator[_Wire]:
        try:
            connection = socket.create_connection((server.host, server.port), min(timeout_s, 10))
        except OSError as error:
            raise DeviceLost(
                f"No adb server answers at {server}: {error.strerror or error}.",
                hint="Start it on the computer with the phone: adb start-server",
            ) from error
        with connection:
            yield cls(connection, timeout_s, serial)

    def request(self, service: str) -> None:
        """Request a service. Raises a typed error for the server's refusal."""
        payload = service.encode()
        if len(payload) > 0xFFFF:
            raise UsageError(
                f"The command is too long for adb: {len(payload)} bytes, at most {0xFFFF}."
            )
        self.send(f"{len(payload):04x}".encode() + payload)
        status = self.exactly(4)
        if status == b"FAIL":
            raise _refused(self.counted().decode(errors="replace"), self._serial)
        if status != b"OKAY":
            raise self.protocol_error()

    def counted(self) -> bytes:
        """A text that follows its length in four hex digits."""
        try:
            return self.exactly(int(self.exactly(4), 16))
        except ValueError as error:
            raise self.protocol_error() from error

    def exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            data += self._receive(count - len(data)) or self._closed()
        return bytes(data)

    def rest(self) -> bytes:
        """Everything until the server closes the connection."""
        data = bytearray()
        while chunk := self._receive(_CHUNK):
            data += chunk
        return bytes(data)

    def send(self, data: bytes) -> None:
        with self._errors():
            self._socket.sendall(data)

    def readable(self) -> bool:
        """True when a read would not wait."""
        with (
            selectors.DefaultSelector() as selector
        ):  # select() is limited to descriptors below 1024
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(timeout=0))

    def protocol_error(self) -> DeviceLost:
        return DeviceLost(f"{self._serial or 'The adb server'}: the reply is not adb protocol.")

    def _receive(self, count: int) -> bytes:
        with self._errors():
            return self._socket.recv(count)

    def _closed(self) -> bytes:
        raise DeviceLost(f"{self._serial or 'The adb server'}: the connection was closed.")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        left = self._deadline - time.monotonic()
        name = self._serial or "The adb server"
        late = DeviceTimeout(f"{name} did not answer within {self._timeout_s:g} s.")
        if left <= 0:
            raise late
        try:
            self._socket.settimeout(left)
            yield
        except TimeoutError as error:
            raise late from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise DeviceLost(f"{name}: the connection broke ({reason}).") from error


def _shell_v2(wire: _Wire) -> ShellResult:
    """Reads packets (kind, length, bytes) until the one with the exit code."""
    wire.send(struct.pack("<BI", _CLOSE_STDIN, 0))
    streams = {_STDOUT: bytearray(), _STDERR: bytearray()}
    while True:
        kind, size = struct.unpack("<BI", wire.exactly(5))
        data = wire.exactly(size)
        if kind == _EXIT and size == 1:
            out, err = (streams[name].decode(errors="replace") for name in (_STDOUT, _STDERR))
            return ShellResult(out, err, data[0])
        if kind not in streams:
            raise wire.protocol_error()
        streams[kind] += data


def _refused(message: str, serial: str) -> DeviceError:
    """The typed error for a FAIL reply of the server."""
    text = message.lower()
    for word, state in (
        ("unauthorized", "unauthorized"),
        ("authorizing", "authorizing"),
        ("offline", "offline"),
        ("connecting", "connecting"),
        ("permission", "no permissions"),
    ):
        if word in text:
            return state_error(serial, state)
    if "not found" in text or "no devices" in text:
        return NoDevice(f"{serial} is not attached.", hint="Check: seaformer devices")
    if text.strip() == "closed":  # the server's reply for a phone that went away meanwhile
        return DeviceLost(f"{serial}: the connection was closed.")
    return DeviceLost(f"{serial}: the adb server reports: {message.strip()}.")


def _sync_failed(message: bytes, serial: str, path: str) -> DeviceError:
    reason = message.decode(errors="replace").strip()
    if "no space" in reason.lower():
        return DeviceFull(
            f"{serial} has no space left for {path}.", hint="Free some space on the phone."
        )
    return DeviceError(f"{serial}: {path}: {reason}.")
