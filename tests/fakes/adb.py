"""Debian's real adb with a server and keys of its own: nobody's running server is touched.

A test that needs it is skipped where it is not installed, and fails in CI.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from tests.requirements import require

ADB = shutil.which("adb")
_TIMEOUT_S = 60


class PrivateAdb:
    """A context manager: a home folder with keys, a server port; ``run`` is ``adb ARGUMENTS``."""

    def __enter__(self) -> PrivateAdb:
        require(ADB, "no adb", "sudo apt-get install adb")
        self._home = tempfile.TemporaryDirectory(prefix="adb-home-", ignore_cleanup_errors=True)
        self.home = Path(self._home.name)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = dict(os.environ, HOME=self._home.name, TMPDIR=self._home.name)
        for name in ("ANDROID_SERIAL", "ADB_VENDOR_KEYS", "ANDROID_ADB_SERVER_PORT"):
            self.environment.pop(name, None)
        self.run("start-server")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run("kill-server", check=False)
        self._home.cleanup()

    def run(
        self, *arguments: str, check: bool = True, input: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """One command of adb; with ``check`` its exit code must be 0."""
        assert ADB is not None
        done = subprocess.run(
            [ADB, "-P", str(self.port), *arguments],
            env=self.environment, capture_output=True, timeout=_TIMEOUT_S, check=False, input=input,
        )  # fmt: skip
        assert not check or done.returncode == 0, (arguments, done)
        return done

    def shell(self, serial: str, command: str) -> subprocess.CompletedProcess[bytes]:
        """``adb -s SERIAL shell COMMAND``, whatever its exit code."""
        return self.run("-s", serial, "shell", command, check=False)

    def state(self, serial: str) -> str:
        """What ``adb devices`` says of a serial; nothing when it is not listed."""
        lines = self.run("devices").stdout.decode().splitlines()
        rows = dict(line.split("\t") for line in lines if "\t" in line)
        return rows.get(serial, "")

    def connect(self, serial: str, state: str = "device") -> None:
        """``adb connect``, and wait until the phone is in ``state``."""
        self.run("connect", serial, check=False)
        self.wait(serial, state)

    def wait(self, serial: str, state: str = "device", within_s: float = 20) -> None:
        """Until ``adb devices`` shows that state."""
        deadline = time.monotonic() + within_s
        while self.state(serial) != state:
            assert time.monotonic() < deadline, (serial, state, self.run("devices", "-l").stdout)
            time.sleep(0.05)
