"""The services ``shell:``, ``shell,v2:`` and ``exec:``: one command of the phone's shell each.

As adbd does it (AOSP's adb/daemon/shell_service.cpp, adb/shell_protocol.h): with the shell
protocol a packet is an id, a little-endian length and data, stdout and stderr apart and the exit
code last. Without it stdout and stderr are one, there is no exit code, and the command runs on a
terminal in raw mode whose end sends SIGHUP. A stream stays open while any child holds the output.
"""

from __future__ import annotations

import os
import re
import selectors
import shlex
import signal
import struct
import subprocess
import threading
import tty
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.fakes.phone.faults import Faults
from tests.fakes.phone.protocol import ConnectionLost, Stream
from tests.fakes.phone.translate import Unrooter, to_host

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = 0, 1, 2, 3, 4
_SCRIPT = re.compile(r"""sh -c ('[^']*'(?:"'"'[^']*')*)(?= )""")
# A new session's leader gets the terminal it opens first as its own.
_ON_TERMINAL = 'exec 0<>"$1" 1>&0 2>&0; shift; exec "$@"'


class Shell:
    """Runs commands in one phone's userland.

    Args:
        root: the host's folder that is the phone's ``/``.
        environment: of every command.
        faults: ``fail`` is met here.
        crlf: whether the terminal of the legacy shell writes CR LF, as before Android 7.
    """

    def __init__(
        self, root: Path, environment: Mapping[str, str], faults: Faults, *, crlf: bool
    ) -> None:
        self._root, self._environment, self._faults = root, dict(environment), faults
        self._crlf = crlf

    def serve(self, stream: Stream, service: str) -> None:
        """One service, ``shell,v2,raw:ls`` for example, until its command ends."""
        head, _, command = service.partition(":")
        kind, *options = head.split(",")
        fault = self._faults.take("fail", command=service)
        if fault is not None:
            _answer(stream, "v2" in options, fault.options)
            return
        argv = ["/bin/sh", "-c", _translated(command, self._root)] if command else ["/bin/sh"]
        if "v2" in options or kind == "exec":
            self._run_on_pipes(stream, argv, protocol="v2" in options)
        else:
            self._run_on_terminal(stream, argv)

    def _run_on_pipes(self, stream: Stream, argv: list[str], *, protocol: bool) -> None:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if protocol else subprocess.STDOUT,
            cwd=self._root,
            env=self._environment,
            start_new_session=True,
            bufsize=0,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        outputs = {child.stdout.fileno(): STDOUT}
        if child.stderr is not None:
            outputs[child.stderr.fileno()] = STDERR
        with child:
            feed = _feed_packets if protocol else _feed_bytes
            thread = threading.Thread(
                target=_guarded, args=(feed, stream, child.stdin), daemon=True
            )
            thread.start()
            self._relay(stream, child, outputs, protocol=protocol)

    def _run_on_terminal(self, stream: Stream, argv: list[str]) -> None:
        master, slave = os.openpty()
        if not self._crlf:
            tty.setraw(slave)
        argv = ["/bin/sh", "-c", _ON_TERMINAL, "sh", os.ttyname(slave), *argv]
        child = subprocess.Popen(
            argv, cwd=self._root, env=self._environment, start_new_session=True
        )
        feeder = os.fdopen(os.dup(master), "wb", buffering=0)
        thread = threading.Thread(target=_guarded, args=(_feed_bytes, stream, feeder), daemon=True)
        thread.start()

        def close_after_the_end() -> None:
            # Our own end of the slave stays open until the command ends, or its end would be lost.
            child.wait()
            os.close(slave)

        threading.Thread(target=close_after_the_end, daemon=True).start()
        try:
            self._relay(stream, child, {master: STDOUT}, protocol=False)
        finally:
            os.close(master)

    def _relay(
        self,
        stream: Stream,
        child: subprocess.Popen[bytes],
        outputs: dict[int, int],
        *,
        protocol: bool,
    ) -> None:
        """Pass the output on until every process has closed it; then the exit code."""
        unroot = {number: Unrooter(self._root) for number in outputs}

        def say(kind: int, data: bytes) -> None:
            if data:
                stream.write(struct.pack("<BI", kind, len(data)) + data if protocol else data)

        try:
            with selectors.DefaultSelector() as selector:
                for number in outputs:
                    selector.register(number, selectors.EVENT_READ)
                while selector.get_map() and not stream.closed:
                    for key, _ in selector.select(timeout=0.2):
                        data = _read(key.fd)
                        say(outputs[key.fd], unroot[key.fd].feed(data, last=not data))
                        if not data:
                            selector.unregister(key.fd)
            if stream.closed:
                raise ConnectionLost
            code = child.wait()
            if protocol:
                code = 128 - code if code < 0 else code
                stream.write(struct.pack("<BIB", EXIT, 1, code & 0xFF))
        except ConnectionLost:
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGHUP)
            raise


def _translated(command: str, root: Path) -> str:
    """The command as the host's shell runs it.

    A script that is the whole command (``sh -c 'TEXT' ...``, quoted as ``shlex.join`` does) is
    translated here, which is what the program ``sh`` of the phone would do, without starting it.
    """
    line = to_host(command, root)
    script = _SCRIPT.match(line)
    if script is None:
        return line
    (text,) = shlex.split(script[1])
    return f"/bin/sh -c {shlex.quote(to_host(text, root))}{line[script.end() :]}"


def _read(number: int) -> bytes:
    try:
        return os.read(number, 1 << 16)
    except OSError:  # a terminal whose last holder went away
        return b""


def _feed_bytes(stream: Stream, sink: object) -> None:
    while data := stream.read():
        sink.write(data)  # type: ignore[attr-defined]


def _feed_packets(stream: Stream, sink: object) -> None:
    while True:
        kind, size = struct.unpack("<BI", stream.read_exactly(5))
        data = stream.read_exactly(size)
        if kind == STDIN:
            sink.write(data)  # type: ignore[attr-defined]
        elif kind == CLOSE_STDIN:
            return


def _guarded(feed: object, stream: Stream, sink: object) -> None:
    """The command's input, closed at its end; a command that ended gets no more."""
    with suppress(ConnectionLost, OSError, ValueError):
        feed(stream, sink)  # type: ignore[operator]
    with suppress(OSError):
        sink.close()  # type: ignore[attr-defined]


def _answer(stream: Stream, protocol: bool, options: Mapping[str, object]) -> None:
    """The output of a command that fails on request."""
    text = (str(options.get("stderr", "injected failure")) + "\n").encode()
    if not protocol:
        stream.write(text)
        return
    stream.write(struct.pack("<BI", STDERR, len(text)) + text)
    stream.write(struct.pack("<BIB", EXIT, 1, int(str(options.get("code", 1)))))
