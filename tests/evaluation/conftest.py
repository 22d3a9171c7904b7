"""Records of evaluations go into a folder of the test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAFORMER_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"
