"""The device's side of adb's wire protocol: packets, the handshake, and streams.

After AOSP's packages/modules/adb/protocol.txt (earlier: system/core/adb). A packet is six
little-endian words (command, two arguments, length, checksum, command ^ 0xffffffff) and its data.
What runs in a stream is in ``services.py``.
"""

from __future__ import annotations

import os
import queue
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Protocol

from tests.fakes.phone.auth import TOKEN_BYTES, PublicKey
from tests.fakes.phone.faults import Fault, Faults

VERSION = 0x01000001  # from this one on, checksums are not looked at
MAX_PAYLOAD = 1 << 20
AUTH_TOKEN, AUTH_SIGNATURE, AUTH_KEY = 1, 2, 3
_HEADER = struct.Struct("<6I")
_MASK = 0xFFFFFFFF


def command_word(name: bytes) -> int:
    """``CNXN`` and the others as they are sent."""
    return int.from_bytes(name, "little")


CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = map(
    command_word, (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)


class ConnectionLost(Exception):
    """The other side went away, or a fault took it away."""


class Owner(Protocol):
    """What a connection asks of the phone it belongs to."""

    faults: Faults
    keys: list[PublicKey]

    def banner(self) -> bytes: ...
    def auth_mode(self) -> str: ...
    def note(self, service: str) -> None: ...
    def serve(self, service: str, stream: Stream) -> None: ...
    def knows(self, service: str) -> bool: ...
    def start_reboot(self, fault: Fault) -> None: ...
    def forget(self, connection: Connection) -> None: ...


class Connection:
    """One TCP connection, served by a thread of its own."""

    def __init__(self, owner: Owner, sock: socket.socket) -> None:
        self._owner, self._sock, self._faults = owner, sock, owner.faults
        self._write_lock, self._close_lock = threading.Lock(), threading.Lock()
        self._streams: dict[int, Stream] = {}
        self._count = 0
        self._token = b""
        self._version, self.payload = 0x01000000, 4096
        self.online = self.lost = False
        self._quiet_until = 0.0
        self._offered: PublicKey | None = None

    def run(self) -> None:
        """Serve until either side goes away."""
        with suppress(ConnectionLost, OSError):
            while True:
                self._dispatch(*self._read_packet())
        self.close()
        self._owner.forget(self)

    def close(self, *, reset: bool = False) -> None:
        """End the connection; ``reset`` as a pulled cable's TCP does, losing what is unsent."""
        with self._close_lock:
            if self.lost:
                return
            self.lost = True
        with suppress(OSError):
            if reset:
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                self._sock.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)
        self._sock.close()
        for stream in list(self._streams.values()):
            stream.shut()

    def grant(self) -> None:
        """The phone's owner taps "allow": the key offered last is accepted."""
        if self._offered is not None:
            self._owner.keys.append(self._offered)
            self._welcome()

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        """One packet, atomically among the threads of the connection."""
        checksum = sum(data) & _MASK if self._version < VERSION or command in (CNXN, AUTH) else 0
        header = _HEADER.pack(command, first, second, len(data), checksum, command ^ _MASK)
        with self._write_lock:
            self._send_bytes(header + data)

    def end(self, stream: Stream) -> None:
        """A stream's service is done; who still waits for input of it is let go."""
        stream.shut()
        if self._streams.pop(stream.local, None) is not None:
            with suppress(ConnectionLost):
                self.send(CLSE, stream.local, stream.remote)

    # The wire, with the faults that count its bytes.

    def _send_bytes(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._faults.armed("offline") is None:
            self._wait_out_stall()
            piece = view[: self._faults.room()]
            try:
                self._sock.sendall(piece)
            except OSError as error:
                raise ConnectionLost from error
            view = view[len(piece) :]
            self._passed(len(piece))

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                piece = self._sock.recv(min(size - len(data), self._faults.room()))
            except OSError as error:
                raise ConnectionLost from error
            if not piece:
                raise ConnectionLost
            data += piece
            self._passed(len(piece))
            self._wait_out_stall()
        return bytes(data)

    def _passed(self, count: int) -> None:
        self._faults.pass_bytes(count)
        while (fault := self._faults.take_due()) is not None:
            self.suffer(fault)

    def suffer(self, fault: Fault) -> None:
        """What a fault of the wire does. Raises ``ConnectionLost`` for a drop."""
        if fault.name == "stall":
            self._quiet_until = time.monotonic() + fault.options.get("seconds", 5.0)
        elif fault.name == "garbage":
            noise = random.Random(0).randbytes(fault.options.get("count", 64))
            with suppress(OSError):
                self._sock.sendall(noise)
        elif fault.name == "reboot":
            self._owner.start_reboot(fault)
        else:
            self.close(reset=True)
            raise ConnectionLost

    def _wait_out_stall(self) -> None:
        while not self.lost and (left := self._quiet_until - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    # Packets.

    def _read_packet(self) -> tuple[int, int, int, bytes]:
        command, first, second, size, checksum, magic = _HEADER.unpack(self._read(_HEADER.size))
        if magic != command ^ _MASK or size > MAX_PAYLOAD:
            raise ConnectionLost
        data = self._read(size)
        # adb 29 leaves the checksum of its first CNXN out when it connects again by itself.
        checked = self._version < VERSION and command != CNXN
        if checked and checksum != sum(data) & _MASK:
            raise ConnectionLost
        return command, first, second, data

    def _dispatch(self, command: int, first: int, second: int, data: bytes) -> None:
        if command == CNXN:
            self._version, self.payload = min(first, VERSION), min(second, MAX_PAYLOAD)
            self._owner.note("CNXN " + data.rstrip(b"\0").decode(errors="replace"))
            if self._owner.auth_mode() == "none":
                self._welcome()
            else:
                self._challenge()
        elif command == AUTH:
            self._authenticate(first, data)
        elif not self.online:
            return
        elif command == OPEN:
            self._open(first, data.rstrip(b"\0").decode("utf-8", "surrogateescape"))
        elif (stream := self._streams.get(second)) is not None:
            stream.hear(command, data)
        elif command == WRTE:
            self.send(CLSE, 0, first)

    def _challenge(self) -> None:
        self._token = os.urandom(TOKEN_BYTES)
        self.send(AUTH, AUTH_TOKEN, 0, self._token)

    def _authenticate(self, kind: int, data: bytes) -> None:
        mode, token = self._owner.auth_mode(), self._token
        if kind == AUTH_SIGNATURE and token:
            known = any(key.verifies(token, data) for key in self._owner.keys)
            if known and mode != "refuse":
                self._welcome()
            else:
                self._challenge()
        elif kind == AUTH_KEY:
            with suppress(ValueError):
                self._offered = PublicKey.parse(data)
            self._owner.note("AUTH key offered")
            if mode == "refuse":
                self.close(reset=True)
                raise ConnectionLost
            if mode == "accept":
                self.grant()

    def _welcome(self) -> None:
        self._token, self.online = b"", True
        self.send(CNXN, VERSION, MAX_PAYLOAD, self._owner.banner())

    def _open(self, remote: int, service: str) -> None:
        self._owner.note(service)
        late = self._fault_at(service)
        if not self._owner.knows(service):
            self.send(CLSE, 0, remote)
            return
        self._count += 1
        stream = self._streams[self._count] = Stream(self, self._count, remote)
        self.send(OKAY, stream.local, remote)
        if late is not None:  # the command runs and its answer is lost
            self._quiet_until = time.monotonic() + late.options["after_s"] + 1
        serve = threading.Thread(target=self._serve, args=(service, stream), daemon=True)
        serve.start()
        if late is not None:
            time.sleep(late.options["after_s"])
            self.suffer(late)

    def _fault_at(self, service: str) -> Fault | None:
        """Faults that wait for a command; one that strikes later is given back."""
        for name in ("stall", "garbage", "drop", "reboot"):
            fault = self._faults.take(name, command=service)
            if fault is not None and fault.options.get("after_s"):
                return fault
            if fault is not None:
                self.suffer(fault)
        return None

    def _serve(self, service: str, stream: Stream) -> None:
        with suppress(ConnectionLost, OSError):
            self._owner.serve(service, stream)
        self.end(stream)


class Stream:
    """One opened service: bytes in order, one packet under way each way."""

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
        self._connection, self.local, self.remote = connection, local, remote
        self._inbox: queue.Queue[bytes] = queue.Queue()
        self._credit = threading.Semaphore(1)
        self._rest = bytearray()
        self.closed = False

    def hear(self, command: int, data: bytes) -> None:
        """A packet of the other side."""
        if command == OKAY:
            self._credit.release()
        elif command == WRTE and data:
            self._inbox.put(data)
        elif command == CLSE:
            self.shut()

    def shut(self) -> None:
        """The other side closed: end the input and refuse output."""
        self.closed = True
        self._inbox.put(b"")
        self._credit.release()

    def read(self) -> bytes:
        """The next piece, or nothing at the end."""
        if self._rest:
            rest, self._rest = bytes(self._rest), bytearray()
            return rest
        data = self._inbox.get()
        if not data:
            self._inbox.put(b"")
        elif not self.closed:
            self._connection.send(OKAY, self.local, self.remote)
        return data

    def read_exactly(self, size: int) -> bytes:
        """Raises ``ConnectionLost`` when the stream ends before."""
        data = bytearray()
        while len(data) < size:
            piece = self.read()
            if not piece:
                raise ConnectionLost
            data += piece
        self._rest[:0] = data[size:]
        return bytes(data[:size])

    def write(self, data: bytes) -> None:
        """Raises ``ConnectionLost`` when the other side has closed."""
        for start in range(0, len(data), self._connection.payload):
            self._credit.acquire()
            if self.closed or self._connection.lost:
                raise ConnectionLost
            piece = data[start : start + self._connection.payload]
            self._connection.send(WRTE, self.local, self.remote, piece)

    def drop(self) -> None:
        """A fault met inside the service: the cable is pulled."""
        self._connection.close(reset=True)
        raise ConnectionLost
