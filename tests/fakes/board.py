"""``FakeBoard``: a Raspberry Pi behind a real ssh daemon on this computer.

``sshd`` runs as this user on a port of 127.0.0.1, with keys of its own; the ``ssh`` on the PATH of
a test is the real one with a configuration of its own. On the "board" a few programs of ``bin``
come first on the PATH: ``sh`` shows files of ``world`` instead of this computer's /proc and /sys,
and ``taskset`` runs aarch64 programs in the emulator, as the board's own kernel would.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.requirements import require

# What a world replaces, in a command and back in its output.
_REPLACED = (
    "/sys/devices/system/cpu",
    "/sys/class/thermal",
    "/sys/class/net",
    "/sys/class/dmi",
    "/proc/cpuinfo",
    "/proc/device-tree",
    "/etc/machine-id",
    "/etc/os-release",
    "/var/lib/dbus",
)
_SH = """#!/bin/sh
case ${{1:-}} in *.sh) /bin/sh "$@" | LC_ALL=C sed 's,{world},,g'; exit;; esac
if [ $# -gt 0 ]; then exec /bin/sh "$@"; fi
sed {there} | /bin/sh | LC_ALL=C sed 's,{world},,g'
"""
_TASKSET = """#!/bin/sh
if [ "$1" = -c ]; then mask="-c $2"; shift 2; else mask=$1; shift; fi
case $(head -c 2 "$1") in "#!") exec {taskset} $mask /bin/sh "$@";; esac
exec {taskset} $mask {emulator} "$@"
"""
_UNAME = """#!/bin/sh
case $1 in -m) cat {world}/machine;; *) echo 6.6.31+rpt-rpi-2712;; esac
"""
_VCGENCMD = """#!/bin/sh
[ -f {world}/throttled ] && echo "throttled=$(cat {world}/throttled)"
"""
_PROCESSOR = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""


class FakeBoard:
    """The daemon and its world, for the length of a ``with`` block.

    Args:
        base: an empty folder.
        emulator: what runs an aarch64 program; scripts need none.
        noise: what a login script prints before every command.
    """

    name = "board"

    def __init__(self, base: Path, emulator: Sequence[str] = (), noise: str = "") -> None:
        require(shutil.which("ssh"), "no ssh", "sudo apt-get install openssh-client")
        self._sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
        require(self._sshd, "no sshd", "sudo apt-get install openssh-server")
        self._base = base
        self.world, self.cache, self.client = base / "world", base / "ca che", base / "client"
        self.root = self.cache / "seaformer-board"
        self._noise = noise
        self._make_world()
        self._make_programs(emulator)

    def __enter__(self) -> FakeBoard:
        self._port = _free_port()
        for name in ("host", "user", "other"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._base / name)]
            subprocess.run(argv, check=True, timeout=30)
        self._configure()
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # a daemon of root requires it
        log = (self._base / "sshd.log").open("wb")
        self._daemon = subprocess.Popen(
            [str(self._sshd), "-D", "-e", "-f", str(self._base / "sshd_config")],
            stderr=log, stdout=log,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            text = (self._base / "sshd.log").read_text()
            assert self._daemon.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.drop()
        self._daemon.kill()
        self._daemon.wait()

    def drop(self) -> int:
        """End every connection, as a lost network does. Returns how many there were."""
        children = _children(self._daemon.pid)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):  # it may just have ended by itself
                os.kill(pid, signal.SIGKILL)
        return len(children)

    def refuse_key(self) -> None:
        """Accept only a key that this user does not have."""
        text = (self._base / "other.pub").read_text()
        (self._base / "authorized").write_text(text)

    def change_host_key(self) -> None:
        """Let the client expect another host key."""
        self._expect((self._base / "other.pub").read_text())

    def forget_host_key(self) -> None:
        """Let the client know no host key."""
        self._expect("")

    def put(self, path: str, text: str) -> None:
        """A file of the world."""
        file = self.world / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_by_hand(self, pack: Path) -> Path:
        """Unpack a pack, run its script as a user at the board does; returns the answer."""
        folder = self._base / "by hand"
        folder.mkdir()
        with tarfile.open(pack) as tar:
            tar.extractall(folder, filter="data")
        home = folder / "seaformer-board"
        for name in ("run.sh", "probe.sh", "state.sh"):
            text = (home / name).read_text()
            (home / name).write_text(self.translated(text))
        path = f"{self._base}/bin:/usr/bin:/bin"
        done = subprocess.run(
            ["/bin/sh", str(home / "run.sh")], env={"PATH": path}, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return home / "seaformer-answer.tar"

    def translated(self, text: str) -> str:
        """A script that reads the files of the world."""
        for path in _REPLACED:
            text = text.replace(path, f"{self.world}{path}")
        return text

    def left_behind(self) -> list[str]:
        """The files on the board beside the cache."""
        kept = ("cache", "bundle")
        paths = (path.relative_to(self.root) for path in self.root.rglob("*"))
        return sorted(str(path) for path in paths if path.parts[0] not in kept)

    def expect_host_key(self) -> None:
        """Let the client know the daemon's host key, as at first."""
        self._expect((self._base / "host.pub").read_text())

    def _make_world(self) -> None:
        self.put("machine", "aarch64\n")
        self.put("throttled", "0x0")
        self.put("/proc/cpuinfo", "".join(_PROCESSOR.format(number=cpu) for cpu in (0, 1)))
        self.put("/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
        self.put("/proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0")
        self.put("/proc/device-tree/serial-number", "c0ffee1234567890\0")
        self.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        self.put("/etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n')
        self.put("/sys/class/thermal/thermal_zone0/temp", "48200\n")
        (self.world / "sys/class/net").mkdir(parents=True)
        cpu = "/sys/devices/system/cpu"
        self.put(f"{cpu}/present", "0-1\n")
        self.put(f"{cpu}/online", "0-1\n")
        values = {
            "related_cpus": "0 1", "scaling_governor": "ondemand", "cpuinfo_max_freq": "2400000",
            "scaling_max_freq": "2400000", "scaling_min_freq": "1500000",
            "scaling_cur_freq": "2400000",
        }  # fmt: skip
        for name, value in values.items():
            for core in (0, 1):
                self.put(f"{cpu}/cpu{core}/cpufreq/{name}", f"{value}\n")

    def _make_programs(self, emulator: Sequence[str]) -> None:
        taskset = shutil.which("taskset")
        require(taskset, "no taskset", "sudo apt-get install util-linux")
        there = " ".join(f"-e 's,{path},{self.world}{path},g'" for path in _REPLACED)
        texts = {
            "sh": _SH.format(there=there, world=self.world),
            "taskset": _TASKSET.format(taskset=taskset, emulator=" ".join(emulator)),
            "uname": _UNAME.format(world=self.world),
            "vcgencmd": _VCGENCMD.format(world=self.world),
            "getconf": "#!/bin/sh\necho 16384\n",
        }
        for name, text in texts.items():
            _program(self._base / "bin" / name, text)
        _program(
            self.client / "ssh",
            f'#!/bin/sh\nexec {shutil.which("ssh")} -F "{self._base}/ssh_config" "$@"\n',
        )

    def _configure(self) -> None:
        base, user = self._base, getpass.getuser()
        forced = ""
        if self._noise:
            _program(
                base / "noisy",
                f'#!/bin/sh\n{self._noise}\nexec $SHELL -c "$SSH_ORIGINAL_COMMAND"\n',
            )
            forced = f"ForceCommand {base}/noisy\n"
        (base / "sshd_config").write_text(
            f"Port {self._port}\nListenAddress 127.0.0.1\nHostKey {base}/host\n"
            f"AuthorizedKeysFile {base}/authorized\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin prohibit-password\nPidFile none\nPrintMotd no\n"
            f'SetEnv "PATH={base}/bin:/usr/bin:/bin" "XDG_CACHE_HOME={self.cache}" SHLVL=2\n'
            + forced
        )
        shutil.copyfile(base / "user.pub", base / "authorized")
        (base / "ssh_config").write_text(
            f"Host {self.name}\n  HostName 127.0.0.1\n  Port {self._port}\n  User {user}\n"
            f"Host *\n  IdentityFile {base}/user\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {base}/known\n  GlobalKnownHostsFile /dev/null\n"
        )
        self.expect_host_key()

    def _expect(self, key: str) -> None:
        line = f"[127.0.0.1]:{self._port} {key}" if key else ""
        (self._base / "known").write_text(line)


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(parent: int) -> list[int]:
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            pids.append(int(stat.parent.name))
    return pids
