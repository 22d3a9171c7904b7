"""The service ``sync:``: files to and from the phone.

After AOSP's adb/SYNC.TXT and adb/file_sync_protocol.h: an id of four letters, a little-endian
length, then data. STAT and LIST are the first version; STA2 and LST2 come with ``stat_v2``.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tests.fakes.phone.faults import Fault, Faults
from tests.fakes.phone.protocol import ConnectionLost, Stream
from tests.fakes.phone.quota import Quota

_CHUNK = 64 * 1024
_LONGEST_PATH = 1024


class Sync:
    """One sync session. ``pushes`` and ``pulls`` get a (path, bytes) for each whole file."""

    def __init__(
        self,
        stream: Stream,
        root: Path,
        faults: Faults,
        quota: Quota,
        journal: Journal,
    ) -> None:
        self._stream, self._root, self._faults = stream, root, faults
        self._quota, self._journal = quota, journal

    def serve(self) -> None:
        """Requests until QUIT."""
        while True:
            name, size = struct.unpack("<4sI", self._stream.read_exactly(8))
            if name == b"QUIT":
                return
            if size > _LONGEST_PATH:
                self._fail("path too long")
                return
            text = self._stream.read_exactly(size).decode("utf-8", "surrogateescape")
            handler = getattr(self, "_do_" + name.decode("ascii", "replace").lower(), None)
            if handler is None:
                self._fail(f"unknown command {name!r}")
                return
            self._journal.note(f"sync:{name.decode()} {text}")
            handler(text)

    def host_path(self, path: str) -> Path:
        """Where a file of the phone lies on the host; ``..`` ends at the phone's root."""
        return self._root / os.path.normpath("/" + path).lstrip("/")

    def _do_stat(self, path: str) -> None:
        mode = size = modified = 0
        with suppress(OSError):
            info = self.host_path(path).lstat()
            mode, size, modified = info.st_mode, info.st_size, int(info.st_mtime)
        self._stream.write(struct.pack("<4s3I", b"STAT", mode, size & 0xFFFFFFFF, modified))

    def _do_sta2(self, path: str) -> None:
        self._stat_v2(b"STA2", path, follow=True)

    def _do_lst2(self, path: str) -> None:
        self._stat_v2(b"LST2", path, follow=False)

    def _stat_v2(self, name: bytes, path: str, *, follow: bool) -> None:
        error, fields = 0, (0,) * 10
        try:
            info = self.host_path(path).stat() if follow else self.host_path(path).lstat()
            fields = (
                info.st_dev,
                info.st_ino,
                info.st_mode,
                info.st_nlink,
                2000,
                2000,
                info.st_size,
                int(info.st_atime),
                int(info.st_mtime),
                int(info.st_ctime),
            )
        except OSError as problem:
            error = problem.errno or errno.EIO
        self._stream.write(struct.pack("<4sIQQIIIIQqqq", name, error, *fields))

    def _do_list(self, path: str) -> None:
        with suppress(OSError):
            for entry in sorted(os.scandir(self.host_path(path)), key=lambda entry: entry.name):
                info, name = entry.stat(follow_symlinks=False), os.fsencode(entry.name)
                head = (info.st_mode, info.st_size & 0xFFFFFFFF, int(info.st_mtime), len(name))
                self._stream.write(struct.pack("<4s4I", b"DENT", *head) + name)
        self._stream.write(struct.pack("<4s4I", b"DONE", 0, 0, 0, 0))

    def _do_recv(self, path: str) -> None:
        corrupt, sent = self._faults.take("corrupt", path=path), 0
        try:
            with self.host_path(path).open("rb") as file:
                while data := file.read(_CHUNK):
                    if corrupt is not None:
                        data, corrupt = bytes((data[0] ^ 0x20,)) + data[1:], None
                    self._stream.write(struct.pack("<4sI", b"DATA", len(data)) + data)
                    sent += len(data)
        except OSError as error:
            self._fail(f"open failed: {os.strerror(error.errno or errno.EIO)}")
            return
        self._journal.pulls.append((path, sent))
        self._stream.write(struct.pack("<4sI", b"DONE", 0))

    def _do_send(self, text: str) -> None:
        """``path,mode`` in decimal; DATA until DONE, whose length is the modification time."""
        path, _, mode = text.rpartition(",")
        target, problem = self.host_path(path), ""
        fault = self._faults.take("truncate", path=path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                target.unlink()
            file = target.open("xb")
        except OSError as error:
            problem = f"couldn't create file: {os.strerror(error.errno or errno.EIO)}"
            file = Path(os.devnull).open("wb")  # noqa: SIM115 - closed by the with below
        with file:
            try:
                received, problem, modified = self._receive(file, problem, fault)
            except ConnectionLost:
                # A pulled cable leaves no half file: adbd takes it away again. A dead phone does.
                if fault is None and self._journal.alive():
                    target.unlink(missing_ok=True)
                raise
        if problem:
            with suppress(OSError):
                target.unlink()
            self._fail(problem)
            return
        target.chmod(stat.S_IMODE(int(mode)) or 0o644)
        os.utime(target, (modified, modified))
        self._journal.pushes.append((path, received))
        self._stream.write(struct.pack("<4sI", b"OKAY", 0))

    def _receive(self, file: BinaryIO, problem: str, fault: Fault | None) -> tuple[int, str, int]:
        """The chunks of one file: bytes received, what went wrong, and when it was modified."""
        received, room = 0, None if fault is None else int(fault.options["at"])
        while True:
            name, size = struct.unpack("<4sI", self._stream.read_exactly(8))
            if name == b"DONE":
                return received, problem, size
            if name != b"DATA" or size > _CHUNK:
                raise ConnectionLost
            data = self._stream.read_exactly(size)
            received += size
            if room is not None:
                data, room = data[:room], room - len(data[:room])
            if not problem and not self._quota.take(len(data)):
                problem = f"write failed: {os.strerror(errno.ENOSPC)}"
            if not problem:
                file.write(data)
            if room == 0 and fault is not None and not fault.options.get("silent"):
                file.flush()
                self._stream.drop()

    def _fail(self, why: str) -> None:
        text = why.encode()
        self._stream.write(struct.pack("<4sI", b"FAIL", len(text)) + text)


class Journal:
    """What clients did: services and sync requests in order, whole pushes and pulls."""

    def __init__(self) -> None:
        self.services: list[str] = []
        self.pushes: list[tuple[str, int]] = []
        self.pulls: list[tuple[str, int]] = []

        self.down = False

    def note(self, what: str) -> None:
        self.services.append(what)

    def alive(self) -> bool:
        """Whether the phone is up: what a dying one was writing stays as it is."""
        return not self.down
