"""A store in a folder of the test's own, with an index of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core import files
from seaformer.store.results import ResultStore


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")
