"""The one place that starts another program, and ends it with all that it started.

    child.run(argv, 60.0)                  its exit code and its text
    child.run_bytes(argv, 60.0, send=b"")  the same in bytes
    with child.running(argv, log):         a program that runs until the block ends

Each program runs in a process group of its own, which a shell watches through a pipe that only
this process holds open. When this process ends in whatever way, ``kill -9`` included, the kernel
closes the pipe and the shell kills the group: no compiler and no runner stays behind on a core that
the next bench measures on. A time limit, Ctrl-C and the regular end kill the group too.

Programs inherit the environment, with the telemetry of the engines off. Ctrl-C waits while one is
started or ended, and is taken while it runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from seaformer.core.engine import engines
from seaformer.core.interrupt import Press, held

Finished = subprocess.CompletedProcess
Running = subprocess.Popen
_SHELL = Path("/bin/sh")
_LONGEST_S = 2_000_000.0  # 23 days: poll(2) takes no more
_WATCH = "read -r line; kill -KILL 0"  # the read ends when the pipe does; 0 is the own group


class ChildTimeoutError(TimeoutError):
    """A program took longer than its time limit, and was ended."""


@dataclass(frozen=True)
class _Group:
    """A process group and what watches it; without a shell neither."""

    watcher: subprocess.Popen[bytes] | None

    @property
    def id(self) -> int | None:
        """What a program joins; ``None`` is the group of this process."""
        return self.watcher.pid if self.watcher else None

    def kill(self) -> None:
        """Kill everything in it."""
        if self.watcher:
            with suppress(ProcessLookupError):
                os.killpg(self.watcher.pid, signal.SIGKILL)


def run(
    argv: Sequence[str],
    timeout_s: float,
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: IO[str] | None = None,
) -> Finished[str]:
    """Run a program to its end; what is not UTF-8 in its output is replaced.

    With ``log`` all output goes there. ``environment`` replaces that of this process as it is.
    Raises ``ChildTimeoutError``, and ``OSError`` when the program cannot be started.
    """
    done = run_bytes(argv, timeout_s, environment=environment, cwd=cwd, log=log)
    out, err = (each.decode("utf-8", "replace") for each in (done.stdout, done.stderr))
    return Finished(done.args, done.returncode, out, err)


def run_bytes(
    argv: Sequence[str],
    timeout_s: float,
    *,
    send: bytes = b"",
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: IO[str] | None = None,
) -> Finished[bytes]:
    """As ``run``, with ``send`` on stdin and the output as it is."""
    with held() as press:
        return _finish(
            press,
            argv,
            timeout_s,
            send,
            stdin=subprocess.PIPE if send else subprocess.DEVNULL,
            stdout=log or subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            env=_environment() if environment is None else environment,
            cwd=cwd,
        )


@contextmanager
def running(argv: Sequence[str], log: IO[bytes]) -> Iterator[Running[bytes]]:
    """A program that runs beside this one until the block ends; its output goes to ``log``.

    Raises ``OSError`` when it cannot be started.
    """
    options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": _environment()}
    with held() as press, _started(argv, options) as process, press.taken():
        yield process


def _finish(
    press: Press, argv: Sequence[str], timeout_s: float, send: bytes, **options: Any
) -> Finished[bytes]:
    """A program from start to end; a function, so that all of it is gone while Ctrl-C is held."""
    try:
        with _started(argv, options) as process, press.taken():
            out, err = process.communicate(send or None, timeout=min(timeout_s, _LONGEST_S))
    except subprocess.TimeoutExpired as error:
        raise ChildTimeoutError(f"no end after {timeout_s:.0f} s") from error
    return Finished(argv, process.returncode, out or b"", err or b"")


@contextmanager
def _started(argv: Sequence[str], options: Mapping[str, Any]) -> Iterator[Running[bytes]]:
    """A program in a group of its own, which is killed at the end of the block."""
    with (
        _group() as group,
        subprocess.Popen(argv, process_group=group.id, **options) as process,
    ):
        try:
            yield process
        finally:
            group.kill()
            process.kill()


def _environment() -> dict[str, str]:
    """What a user has set stays; every engine's own variables besides."""
    return {name: value for row in engines() for name, value in row.environment} | dict(os.environ)


@contextmanager
def _group() -> Iterator[_Group]:
    """A process group that ends with this block, or with this process."""
    if not _SHELL.exists():
        yield _Group(None)
        return
    watcher = subprocess.Popen(
        [str(_SHELL), "-c", _WATCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        process_group=0,
    )
    group = _Group(watcher)
    with watcher:
        try:
            yield group
        finally:
            group.kill()
