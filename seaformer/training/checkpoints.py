"""A run's folder: ``last.pth`` (weights, which export loads), ``state.pth`` (what resuming needs).

Files appear whole or not at all: they are written beside their names and moved.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from seaformer.core import files
from seaformer.core.errors import CorruptArtifact, UsageError

_STATE = {"network", "optimiser", "averaged", "iteration"}


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "last.pth"

    @property
    def state(self) -> Path:
        return self.folder / "state.pth"

    @property
    def log(self) -> Path:
        return self.folder / "log.csv"

    @property
    def tensorboard(self) -> Path:
        return self.folder / "tensorboard"

    @property
    def plan(self) -> Path:
        return self.folder / "run.json"

    @property
    def has_begun(self) -> bool:
        """Whether an iteration is in the log or in a checkpoint; a start that failed has none."""
        logged = self.log.exists() and self.log.stat().st_size > 0
        return logged or self.state.exists() or self.weights.exists()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One process writes the run at a time. Raises ``UsageError`` where another one does.

        The kernel ends the lock with its process, and no file is left of it. On a file system
        without locks nothing is checked.
        """
        with files.without_empty(self.folder):  # what was refused leaves none
            place = os.open(files.make_dir(self.folder), os.O_RDONLY)
            try:
                with suppress(OSError):
                    self._lock(place)
                yield
            finally:
                os.close(place)

    def _lock(self, place: int) -> None:
        import fcntl  # here: Windows has none, and reads all the same

        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another process trains in {self.folder}.",
                hint="Wait until it ends, or name another --out.",
            ) from error

    def check_state(self) -> None:
        """Raise ``UsageError`` where weights are there, and the state to continue from is not."""
        if self.weights.exists() and not self.state.exists():
            raise UsageError(
                f"{self.folder} has {self.weights.name}, but not the {self.state.name} that a run "
                "continues from: nothing is overwritten.",
                hint=f"Name another --out, and begin with --checkpoint {self.weights}",
            )


def save(path: Path, content: dict[str, Any]) -> None:
    """Write atomically. A full disk is an error, and the file of before stays."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    files.write_bytes(path, buffer.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """What ``save`` wrote: tensors and plain values; no code is run.

    Raises ``CorruptArtifact`` for a file that is damaged or of another tool.
    """
    with reading(path), files.open_regular(path) as stream:
        content = torch.load(stream, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def load_state(path: Path) -> dict[str, Any]:
    """The state that a run continues from. Raises as ``load``."""
    content = load(path)
    if not content.keys() >= _STATE:
        raise _damaged(path)
    return content


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a damaged file raises into ``CorruptArtifact``."""
    try:
        yield
    except (
        AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError,
        UnpicklingError,
    ) as error:  # fmt: skip
        raise _damaged(path) from error


def _damaged(path: Path) -> CorruptArtifact:
    return CorruptArtifact(
        f"{path} is not the state of a run, or it was cut short.",
        hint="Begin again: name another --out. The last weights are in last.pth beside it.",
    )
