"""A run's folder: ``last.pth`` (weights, which export loads), ``state.pth`` (what resuming needs).

Files appear whole or not at all: they are written beside their names and moved.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seaformer.core import files


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


def save(path: Path, content: dict[str, Any]) -> None:
    """Write atomically. A full disk is an error, and the file of before stays."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    files.write_bytes(path, buffer.getbuffer())


def load(path: Path) -> dict[str, Any]:
    """What ``save`` wrote: tensors and plain values; no code is run."""
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
