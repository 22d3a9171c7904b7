"""A run's curves: ``log.csv``, and TensorBoard's files where they are asked for.

The CSV has a row for each iteration: loss, learning rate of the first group, and the parts of the
loss where it has several. A run that continues drops the rows after its checkpoint first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seaformer.core import files
from seaformer.core.registry import missing, unknown

CSV, TENSORBOARD = "csv", "tensorboard"
KINDS = (CSV, TENSORBOARD)


@dataclass(frozen=True)
class Entry:
    """One iteration."""

    iteration: int
    loss: float
    lr: float
    parts: tuple[tuple[str, float], ...] = ()


class Log(Protocol):
    """Where entries are written."""

    def write(self, entry: Entry) -> None: ...
    def close(self) -> None: ...


def _lines(path: Path) -> list[str]:
    """Of a log of any length; a million iterations are 50 MB."""
    with files.os_errors(str(path)), files.open_regular(path) as stream:
        return stream.read().decode("utf-8", "replace").splitlines()


class CsvLog:
    """A table that is complete after every iteration."""

    def __init__(self, path: Path, iterations: int) -> None:
        """Keep the header and the rows of ``iterations``; the rest is dropped."""
        self.path = path
        lines = _lines(path) if path.exists() else []
        self._lines = lines[: iterations + 1] if iterations else []
        files.write_text(path, "".join(f"{line}\n" for line in self._lines))

    def write(self, entry: Entry) -> None:
        """Append a row, after the header where it is the first."""
        cells = [str(entry.iteration), repr(entry.loss), repr(entry.lr)]
        rows = [",".join([*cells, *(repr(value) for _, value in entry.parts)])]
        if not self._lines:
            rows.insert(
                0, ",".join(["iteration", "loss", "lr", *(name for name, _ in entry.parts)])
            )
            self._lines = rows
        with files.os_errors(str(self.path)), self.path.open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{row}\n" for row in rows))

    def close(self) -> None:
        """Every row is in the file already."""


class TensorBoardLog:
    """Scalars by TensorBoard's own writer; what follows a checkpoint is purged on a resume."""

    def __init__(self, folder: Path, iterations: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise missing("tensorboard", "--log tensorboard", "tensorboard") from error
        with files.os_errors(str(folder)):
            self._writer: Any = SummaryWriter(str(folder), purge_step=iterations)

    def write(self, entry: Entry) -> None:
        """Loss, learning rate and parts of the loss as curves."""
        curves = [("loss", entry.loss), ("lr", entry.lr)]
        for name, value in [*curves, *((f"loss/{name}", part) for name, part in entry.parts)]:
            self._writer.add_scalar(name, value, entry.iteration)

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()


def check_kind(name: str) -> None:
    """Raise ``UnknownName`` for a log of another kind."""
    if name not in KINDS:
        raise unknown("log", name, KINDS)
