"""What several commands are tested with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.program import Forks
from tests.exports import CommandExport


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    started = Forks()
    yield started
    started.close()


@pytest.fixture
def copied(exported: CommandExport, tmp_path: Path) -> Path:
    """The ONNX artifact and what lies beside it, to be damaged."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for path in exported.onnx.parent.glob(f"{exported.onnx.name}*"):
        shutil.copy(path, folder)
    return folder / exported.onnx.name
