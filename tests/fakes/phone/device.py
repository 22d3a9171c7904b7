"""``FakePhone``: an adb daemon on loopback with a phone's userland behind it."""

from __future__ import annotations

import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.fakes.phone import profiles, userland
from tests.fakes.phone.auth import PublicKey
from tests.fakes.phone.faults import Fault, Faults
from tests.fakes.phone.hardware import Hardware, State
from tests.fakes.phone.killing import kill_matching, strike_kills
from tests.fakes.phone.processes import Process, processes
from tests.fakes.phone.protocol import Connection, Stream
from tests.fakes.phone.quota import Quota
from tests.fakes.phone.shell import Shell
from tests.fakes.phone.sync import Journal, Sync

EMULATED = {"ro.boot.qemu": "1"}
_TICK_S = 0.1
_SENTENCES = {
    "root": "adbd cannot run as root in production builds\n",
    "unroot": "adbd not running as root\n",
    "remount": 'Not running as root. Try "adb root" first.\n',
}


class FakePhone:
    """One phone, a context manager.

    Args:
        profile: a row of ``profiles.toml``.
        faults: armed from the start, as ``(name, conditions)``; more with ``set_fault``.
        auth: ``none`` asks for no key; ``accept`` takes any key that is offered; ``pending``
            waits for ``grant``; ``refuse`` hangs up.
        keys: ``adbkey.pub`` texts that are trusted from the start.
        port: of 127.0.0.1; 0 takes a free one.
        fold: ``taskset`` folds the phone's cores onto this many of the host's, so that a mask of
            an eight-core phone works on two. Off by default: then a mask of cores that the host
            lacks is refused. The system call is not folded: a runner pins on ``two-core`` only.
        android_id: of ``settings``; each phone draws its own otherwise. Empty: it has none.
        properties: of getprop, over the profile's. With ``EMULATED`` it reports that it is not
            a phone, as Android's own emulator does; its rows are then emulated.
    """

    def __init__(
        self,
        profile: str = "mi10",
        faults: Iterable[tuple[str, Mapping[str, Any]]] = (),
        *,
        auth: str = "none",
        keys: Sequence[str] = (),
        port: int = 0,
        fold: int | None = None,
        properties: Mapping[str, str] | None = None,
        android_id: str | None = None,
    ) -> None:
        known = profiles.load(profile)
        self.profile = replace(known, properties={**known.properties, **(properties or {})})
        self.faults, self.journal = Faults(), Journal()
        self.keys = [PublicKey.parse(key.encode()) for key in keys]
        self.state = State(self.profile)
        self._quota = Quota(self.faults)
        self._android_id = secrets.token_hex(8) if android_id is None else android_id
        self._auth, self._wanted_port, self._fold = auth, port, fold
        self._connections: list[Connection] = []
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._restarting: threading.Thread | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._hardware: Hardware | None = None
        self._shell: Shell | None = None
        for name, conditions in faults:
            self.faults.arm(name, **conditions)

    # Life.

    def __enter__(self) -> FakePhone:
        self._folder = tempfile.TemporaryDirectory(prefix="fakephone-", ignore_cleanup_errors=True)
        self.base = Path(self._folder.name).resolve()
        userland.build(self.base, self.profile)
        if self._android_id:
            (self.base / "mnt/fake/settings/secure.android_id").write_text(f"{self._android_id}\n")
        self._hardware = Hardware(self.base, self.state)
        self._shell = Shell(
            self.base,
            userland.environment(self.base, self.profile, self._fold),
            self.faults,
            crlf=self.profile.crlf,
        )
        self.refresh()
        self._listen(self._wanted_port)
        threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        if self._restarting is not None:
            self._restarting.join()
        self._go_down()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def port(self) -> int:
        return self._wanted_port

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``, the serial it has with adb."""
        return f"127.0.0.1:{self.port}"

    @property
    def root(self) -> Path:
        """The phone's /data/local/tmp on the host."""
        return self.base / userland.TMP

    # What was seen.

    @property
    def log(self) -> list[str]:
        """Every service and sync request in order, as it was asked for."""
        return self.journal.services

    @property
    def commands(self) -> list[str]:
        """The command of each shell or exec service, without the service's own name."""
        return [
            entry.partition(":")[2]
            for entry in self.log
            if entry.startswith(("shell:", "shell,", "exec:"))
        ]

    @property
    def pushes(self) -> list[tuple[str, int]]:
        """Path and bytes of each file that arrived whole."""
        return self.journal.pushes

    @property
    def pulls(self) -> list[tuple[str, int]]:
        return self.journal.pulls

    @property
    def fired(self) -> list[str]:
        """Names of the faults that struck."""
        return self.faults.fired

    def processes(self) -> list[Process]:
        """What runs on the phone now."""
        return processes(str(self.base))

    # What happens to it.

    def set_fault(self, name: str, **conditions: Any) -> Fault:
        """Arm a fault; ``faults.py`` lists them."""
        fault = self.faults.arm(name, **conditions)
        self.refresh()
        return fault

    def clear_fault(self, name: str | None = None) -> None:
        """Disarm those of one name, or all."""
        self.faults.clear(name)
        self.refresh()

    def heat(self, to_c: float, rate_c_per_s: float | None = None) -> None:
        """Bring the skin to a temperature, at once or at a rate; frequencies follow."""
        self.state.set_heat(to_c, rate_c_per_s)
        self.refresh()

    def battery(
        self,
        level: int | None = None,
        charging: bool | None = None,
        temperature_c: float | None = None,
        *,
        mains: bool | None = None,
    ) -> None:
        """Set values of dumpsys and power_supply; ``None`` leaves one. ``mains``: not by USB."""
        values = {"level": level, "charging": charging, "battery_c": temperature_c, "mains": mains}
        for name, value in values.items():
            if value is not None:
                setattr(self.state, name, value)
        self.refresh()

    def busy(self, share: float) -> None:
        """The share of all cores that other programs have used since the boot."""
        self.state.busy_share = share
        self.refresh()

    def screen(self, *, on: bool) -> None:
        """Switch the screen on or off."""
        self.state.screen_on = on
        self.refresh()

    def core(self, cpu: int, *, online: bool) -> None:
        """Take a core away or bring it back: sysfs, /proc/cpuinfo and taskset's masks."""
        change = self.state.offline.discard if online else self.state.offline.add
        change(cpu)
        self.refresh()

    def fill(self, path: str) -> None:
        """Make one file of /data/local/tmp a full device: whoever writes to it gets ENOSPC."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to("/dev/full")

    def kill(self, match: str) -> int:
        """SIGKILL to the processes whose command line matches; how many there were."""
        return kill_matching(self.base, match)

    def disconnect(self) -> None:
        """Pull every cable, once."""
        for connection in list(self._connections):
            connection.close(reset=True)

    def grant(self) -> None:
        """The owner taps "allow" on the phone (``auth="pending"``)."""
        for connection in list(self._connections):
            connection.grant()

    def reboot(self, *, files: str = "keep", down_s: float = 0.0, boot_s: float = 0.0) -> None:
        """Everything dies; uptime and boot id are new. Comes back at the same port.

        ``files`` says whether /data/local/tmp is kept or ``lost``; the daemon answers after
        ``down_s``, ``sys.boot_completed`` is 1 ``boot_s`` later.
        """
        self._go_down()
        if files == "lost":
            userland.empty(self.root)
        self.state.boot()
        self._set_property("sys.boot_completed", "" if boot_s else "1")
        self._stopping.wait(down_s)
        self.journal.down = False
        self.refresh()
        if not self._stopping.is_set():
            self._listen(self.port)
        if boot_s:
            done = threading.Timer(boot_s, self._set_property, ("sys.boot_completed", "1"))
            done.daemon = True
            done.start()

    def refresh(self) -> None:
        """Bring the files of /proc, /sys and dumpsys up to date."""
        if self._hardware is not None:
            with self._lock:
                self._hardware.write()
                userland.write_status(self.base, self.state, self._quota, self.faults)

    # What connections ask (``protocol.Owner``).

    def banner(self) -> bytes:
        names = ("ro.product.name", "ro.product.model", "ro.product.device")
        known = "".join(f"{name}={self.profile.properties[name]};" for name in names)
        return f"device::{known}features={','.join(self.profile.features)}".encode()

    def auth_mode(self) -> str:
        fault = self.faults.armed("auth")
        return self._auth if fault is None else str(fault.options["mode"])

    def note(self, service: str) -> None:
        self.journal.note(service)

    def knows(self, service: str) -> bool:
        head = service.partition(":")[0].split(",")[0]
        return head in ("shell", "exec", "sync", "reboot", *_SENTENCES)

    def serve(self, service: str, stream: Stream) -> None:
        head = service.partition(":")[0]
        if head == "sync":
            Sync(stream, self.base, self.faults, self._quota, self.journal).serve()
        elif head == "reboot":
            self._reboot_later({})
        elif head in _SENTENCES:
            stream.write(_SENTENCES[head].encode())
        elif self._shell is not None:
            self.refresh()
            self._shell.serve(stream, service)

    def start_reboot(self, fault: Fault) -> None:
        self._reboot_later(fault.options)

    def forget(self, connection: Connection) -> None:
        with self._lock, suppress(ValueError):
            self._connections.remove(connection)

    # Inside.

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._wanted_port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            limit = self.faults.armed("clients")
            with self._lock:
                if limit is not None and len(self._connections) >= limit.options["count"]:
                    sock.close()
                    continue
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = Connection(self, sock)
                self._connections.append(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def _tick(self) -> None:
        """Time passes: uptime, heat, and the processes that a fault waits for."""
        while not self._stopping.wait(_TICK_S):
            with suppress(OSError):
                self.refresh()
            strike_kills(self.faults, self.root, self.base)

    def _reboot_later(self, options: Mapping[str, Any]) -> None:
        arguments = {k: v for k, v in options.items() if k in ("files", "down_s", "boot_s")}
        self._restarting = threading.Thread(target=self.reboot, kwargs=arguments, daemon=True)
        self._restarting.start()

    def _go_down(self) -> None:
        self.journal.down = True
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.disconnect()
        deadline = time.monotonic() + 5
        while self.kill("") and time.monotonic() < deadline:
            time.sleep(0.01)

    def _set_property(self, name: str, value: str) -> None:
        with suppress(OSError):
            (self.base / "mnt/fake/props" / name).write_text(value, encoding="utf-8")
