"""What a worker does for one task: the command in a process of its own, its records as bytes.

Only plain values go there and back: any worker with the same version of seaformer can do it.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from seaformer import __version__
from seaformer.core import child, files
from seaformer.core.accuracy import FOLDER
from seaformer.core.measurement import RUNS
from seaformer.core.scratch import temporary_folder

_LIMIT_S = 7 * 24 * 3600.0
_MOST_BYTES = 256 << 20
_TAIL = 2000


@dataclass(frozen=True)
class TaskOrder:
    """Arguments of Python, where it is run, and the version of seaformer that it is meant for.

    With ``keeps`` the command takes ``--results``, a folder whose records are handed back.
    """

    argv: tuple[str, ...]
    folder: str
    keeps: bool = False
    version: str = __version__


@dataclass(frozen=True)
class TaskAnswer:
    """``records`` are (place below a results folder, content); ``code`` that of the command.

    ``output`` is what it printed, ``message`` the end of what it reported.
    """

    code: int
    records: tuple[tuple[str, bytes], ...] = ()
    output: str = ""
    message: str = ""
    host: str = field(default_factory=socket.gethostname)
    seconds: float = 0.0


def perform(order: TaskOrder) -> TaskAnswer:
    """Run a task here. A command that fails is an answer too."""
    if order.version != __version__:
        versions = f"this worker has seaformer {__version__}, the sweep {order.version}"
        return TaskAnswer(2, message=f"Error: {versions}.")
    folder, began = Path(order.folder), time.monotonic()
    with temporary_folder("sweep") as results:
        argv = [sys.executable, *order.argv]
        argv += ["--results", str(results)] if order.keeps else []
        environment = dict(os.environ) | {"NO_COLOR": "1"}
        try:
            where = folder if folder.is_dir() else results
            done = child.run(argv, _LIMIT_S, environment=environment, cwd=where)
        except OSError as error:
            return TaskAnswer(1, message=f"Error: the command could not be started: {error}.")
        paths = _paths(results)
        if sum(path.stat().st_size for path in paths) > _MOST_BYTES:
            return TaskAnswer(1, message=f"Error: its results are more than {_MOST_BYTES:,} bytes.")
        return TaskAnswer(
            done.returncode,
            tuple((path.relative_to(results).as_posix(), files.read_bytes(path)) for path in paths),
            done.stdout,
            _message(done.returncode, done.stderr),
            seconds=round(time.monotonic() - began, 1),
        )


def _message(code: int, stderr: str) -> str:
    """The end of what it reported; a process that a signal ended may have reported nothing."""
    killed = f"\nError: the command was killed by signal {-code}." if code < 0 else ""
    return f"{stderr.strip()[-_TAIL:]}{killed}".strip()


def _paths(results: Path) -> list[Path]:
    """Run files and records of evaluations; nothing else that lies there."""
    every = (path for kind in (RUNS, FOLDER) for path in sorted((results / kind).rglob("*.json")))
    return [path for path in every if path.is_file() and not path.name.startswith(".")]
