"""What several files about a bench share: a store, and artifacts that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.artifact import Artifact
from seaformer.store.results import ResultStore
from tests.fakes import target as fake


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


@pytest.fixture
def three(tmp_path: Path) -> list[Artifact]:
    return [fake.artifact(tmp_path / "made", name) for name in "abc"]


@pytest.fixture
def one(three: list[Artifact]) -> Artifact:
    return three[0]
