"""``SshTransport``: the shell and the files of a Linux board, through the OpenSSH client.

One connection is opened for each board, and every call goes through it (``ssh -S``). ssh itself
checks the host's key and reads the user's configuration; nothing is ever asked (``BatchMode``). The
command line of the board is constant: commands go to its ``sh`` on standard input, quoted for sh
once, so that neither its login shell nor the contents of a name matter. A reply is what is between
two random markers: what a login script prints is outside of them.
"""

from __future__ import annotations

import re
import secrets
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from seaformer.android_bench.place import Place
from seaformer.android_bench.transport import READY, AttachedDevice, ShellResult, command_line
from seaformer.core import child, codec
from seaformer.core.errors import (
    DeviceError,
    DeviceFull,
    DeviceLost,
    DeviceOffline,
    DeviceTimeout,
    MissingExtra,
    NoDevice,
    Unauthorized,
    UsageError,
)
from seaformer.core.scratch import temporary_folder

PREFIX = "ssh:"
_CONNECT_S = 10
_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={_CONNECT_S}",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "RequestTTY=no",
    "RemoteCommand=none",
    "LogLevel=ERROR",
)
_LOST_CODE = 255  # of ssh itself
_LONGEST_ROOT = 200
# Its first line of input is the path, the rest the contents. No quote and no name is in it.
_RECEIVE = """sh -c 'IFS= read -r path && cat > "$path" && chmod 755 "$path"'"""
_ROOT = """printf '%s\\n' "${XDG_CACHE_HOME:-$HOME/.cache}\""""
_READY = "read id < /proc/sys/kernel/random/boot_id; echo $id; echo 1"
_ADDRESS = re.compile(
    r"(?:(?P<user>\w[\w.-]*)@)?(?P<host>\w[\w.-]*|\[[0-9A-Fa-f:.]+(?:%\w+)?\])(?::(?P<port>\d{1,5}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class SshAddress:
    """``[USER@]HOST[:PORT]``; the host may be a name of the user's ssh configuration."""

    host: str
    user: str = ""
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> SshAddress:
        """Raises ``UsageError`` for anything else, such as an option of ssh."""
        match = _ADDRESS.fullmatch(text)
        port = int(match["port"]) if match and match["port"] else None
        if match is None or (port is not None and not 0 < port < 65536):
            raise UsageError(
                f"--device ssh: must be ssh:[USER@]HOST[:PORT] (got {codec.shortened(text)!r}).",
                hint="For example: --device ssh:pi@raspberrypi.local",
            )
        return cls(match["host"].strip("[]"), match["user"] or "", port)

    @property
    def name(self) -> str:
        """What is typed after ``--device``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return f"{PREFIX}{user}{host}" + (f":{self.port}" if self.port else "")

    def argv(self) -> list[str]:
        """Where to, as the last arguments of ssh."""
        user = ["-l", self.user] if self.user else []
        port = ["-p", str(self.port)] if self.port else []
        return [*user, *port, "--", self.host]

    @property
    def by_hand(self) -> str:
        """The command that a user types to connect."""
        return " ".join(["ssh", *(each for each in self.argv() if each != "--")])


class SshTransport:
    """A connection to one board. Raises the reason when it cannot be made.

    ``MissingExtra`` without an OpenSSH client, ``Unauthorized`` for a key that one side refuses,
    ``NoDevice`` for an unknown host, ``DeviceOffline`` when nothing answers there.
    """

    way = "ssh"

    def __init__(self, address: SshAddress) -> None:
        self.serial = address.name
        self.why = "the OpenSSH client of this computer"
        self.bytes_pushed = 0
        self._address = address
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder("ssh"))
            self._socket, self._log = folder / "s", folder / "log"
            self._master = self._start(stack)
            self._stack = stack.pop_all()

    def shell(self, argv: Sequence[str], timeout_s: float) -> ShellResult:
        stdout, stderr, code = self._run(argv, timeout_s)
        return ShellResult(stdout.decode("utf-8", "replace"), stderr, code)

    def push(self, source: Path, target: str, timeout_s: float) -> None:
        if "\n" in target:
            raise UsageError(f"A path on a device must be one line (got {target!r}).")
        contents = source.read_bytes()
        done = self._ssh(_RECEIVE, target.encode() + b"\n" + contents, timeout_s)
        if done.returncode != 0:
            text = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
            if "No space left" in text or "quota" in text.lower():
                raise DeviceFull(f"{self.serial}: {source.name} does not fit: {text}.")
            if done.returncode == _LOST_CODE:
                raise self._lost(text)
            raise DeviceError(f"{self.serial}: {source.name} could not be written: {text}.")
        self.bytes_pushed += len(contents)

    def pull(self, source: str, target: Path, timeout_s: float) -> None:
        stdout, stderr, code = self._run(["cat", source], timeout_s)
        if code != 0:
            text = " ".join(stderr.split())[:300]
            raise DeviceError(f"{self.serial}: {source} cannot be read: {text}.")
        target.write_bytes(stdout)

    def close(self) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> child.Running[bytes]:
        """The connection that carries all calls; it ends with the ``stack``."""
        argv = ["ssh", "-M", "-N", "-S", str(self._socket), "-o", "ControlPersist=no"]
        argv += [part for option in _OPTIONS for part in ("-o", option)]
        log = stack.enter_context(self._log.open("wb"))
        try:
            master = stack.enter_context(child.running([*argv, *self._address.argv()], log))
        except FileNotFoundError as error:
            raise MissingExtra(
                "The OpenSSH client is not installed: no ssh is on the PATH.",
                hint="sudo apt-get install openssh-client",
            ) from error
        deadline = time.monotonic() + 2 * _CONNECT_S
        while not self._socket.exists():
            if master.poll() is not None:
                raise connection_error(self._address, self._log.read_text("utf-8", "replace"))
            if time.monotonic() > deadline:
                raise DeviceTimeout(f"{self.serial} did not answer in {2 * _CONNECT_S} s.")
            time.sleep(0.02)
        return master

    def _run(self, argv: Sequence[str], timeout_s: float) -> tuple[bytes, str, int]:
        """Standard output and error and the exit code of a command."""
        marker = f"seaformer-{secrets.token_hex(8)}"
        text = f"echo {marker}-begin; {command_line(argv)}; echo {marker}-end:$?\n"
        done = self._ssh("sh", text.encode(), timeout_s)
        stderr = done.stderr.decode("utf-8", "replace")
        printed, begin, rest = done.stdout.partition(f"{marker}-begin\n".encode())
        stdout, end, code = rest.rpartition(f"{marker}-end:".encode())
        if begin and end and code.strip().isdigit():
            return stdout, stderr, int(code)
        if done.returncode == _LOST_CODE or begin:
            raise self._lost(" ".join(stderr.split())[:300])
        text = " ".join((printed.decode("utf-8", "replace") + stderr).split())
        raise DeviceError(
            f"{self.serial} did not run a shell: got {codec.shortened(text)!r}.",
            hint=f"This must print ok: {self._address.by_hand} echo ok",
        )

    def _ssh(self, command: str, send: bytes, timeout_s: float) -> child.Finished[bytes]:
        """One session of the connection; without the connection it fails, and makes no other."""
        argv = ["ssh", "-S", str(self._socket), "-o", "ControlMaster=no"]
        argv += ["-o", "ProxyCommand=false"]
        argv += [part for option in _OPTIONS for part in ("-o", option)]
        try:
            done = child.run_bytes([*argv, *self._address.argv(), command], timeout_s, send=send)
        except child.ChildTimeoutError as error:
            self.close()
            raise DeviceTimeout(f"{self.serial}: no answer in {timeout_s:.0f} s.") from error
        if done.returncode == _LOST_CODE and self._master.poll() is not None:
            raise self._lost("")
        return done

    def _lost(self, detail: str) -> DeviceLost:
        self.close()
        return DeviceLost(
            f"{self.serial}: the connection was lost" + (f": {detail}." if detail else "."),
            hint="Check the network and the board's power.",
        )


class SshOpener:
    """Makes connections to one board."""

    def __init__(self, address: SshAddress) -> None:
        self.device = AttachedDevice(
            address.name, READY, "ssh", "ssh", "the OpenSSH client of this computer"
        )
        self._address = address
        self._first: SshTransport | None = None

    def place(self) -> Place:
        """The folder of a bench on the board: ``seaformer-board`` in its user's cache.

        Raises as ``SshTransport`` does, and ``DeviceError`` for a home that is not a path.
        """
        self._first = SshTransport(self._address)
        done = self._first.shell(["sh", "-c", _ROOT], _CONNECT_S)
        cache = done.stdout.removesuffix("\n")
        if not cache.startswith("/") or len(cache) > _LONGEST_ROOT or not cache.isprintable():
            self.close()
            raise DeviceError(
                f"{self._address.name}: the user's cache must be an absolute path (got "
                f"{codec.shortened(cache)!r}).",
                hint="Set HOME or XDG_CACHE_HOME on the board.",
            )
        root = f"{cache}/seaformer-board"
        advice = f"{self._address.by_hand} {shlex.quote(f'rm -r {shlex.quote(root)}')}"
        return Place(
            root=root,
            ready=_READY,
            remove=f"Where another user made it: {advice}",
            killed="Linux kills processes when memory is low, and systemd those of a user who "
            "logged out: loginctl enable-linger",
        )

    def open(
        self, device: AttachedDevice, progress: Callable[[str], None] = lambda sentence: None
    ) -> SshTransport:
        """The connection that ``place`` made, or a new one."""
        first, self._first = self._first, None
        return first or SshTransport(self._address)

    def reopen(self, device: AttachedDevice) -> SshTransport:
        """A new connection to a board that was lost."""
        return SshTransport(self._address)

    def close(self) -> None:
        """Close the connection of ``place``, unless ``open`` has handed it on."""
        if self._first is not None:
            self._first.close()
            self._first = None


def connection_error(address: SshAddress, log: str) -> DeviceError:
    """The error for what ssh printed when it could not connect."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    last = codec.shortened(lines[-1] if lines else "ssh ended without a message")
    name = address.name
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in log:
        return Unauthorized(
            f"{name}: the board's host key has changed, so ssh refuses it.",
            hint=f"If the board was set up anew, remove the old key: ssh-keygen -R {address.host}",
        )
    if "Host key verification failed" in log or "No matching host key" in log:
        return Unauthorized(
            f"{name}: the board's host key is unknown, so ssh refuses it.",
            hint=f"Connect once by hand and compare the key: {address.by_hand}",
        )
    if "Permission denied" in log or "Too many authentication failures" in log:
        return Unauthorized(
            f"{name} does not accept a key of this user.",
            hint=f"Copy one to it, once: {address.by_hand.replace('ssh', 'ssh-copy-id', 1)}; "
            "a key with a passphrase goes into ssh-agent: ssh-add",
        )
    if "Could not resolve hostname" in log:
        return NoDevice(f"{name}: the host is unknown: {last}.", hint="Check its name.")
    if re.search("refused|timed out|No route|unreachable|reset|closed by", log, re.IGNORECASE):
        return DeviceOffline(
            f"{name} does not answer: {last}.",
            hint="Switch the board on, and its ssh server: sudo systemctl enable --now ssh",
        )
    return DeviceOffline(f"{name}: ssh could not connect: {last}.", hint=f"Try: {address.by_hand}")
