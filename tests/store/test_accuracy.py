"""Records of accuracy: written once, read back as they were, damaged ones reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.errors import UsageError
from seaformer.store import accuracy as store
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised
from tests.fakes.accuracies import accuracy
from tests.fakes.measurements import measurement


def test_records_come_back_beside_measurements_oldest_first(tmp_path: Path) -> None:
    results = ResultStore(tmp_path)
    results.append(measurement())
    records = [accuracy(2, miou=float("nan")), accuracy(1, data="my set/ä", format="")]
    paths = [store.append(tmp_path, one) for one in records]
    assert all(path.is_relative_to(tmp_path / "accuracy") for path in paths)
    assert "eager" in paths[1].name
    runs = load_summarised(results)
    assert len(runs.measurements) == 1
    assert [one.id for one in runs.accuracies] == [accuracy(1).id, accuracy(2).id]
    assert runs.accuracies[0] == records[1]
    assert runs.accuracies[1].value is None  # NaN is not a figure
    assert results.load().measurements == runs.measurements


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = store.append(tmp_path, accuracy())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="nothing is overwritten"):
        store.append(tmp_path, accuracy(miou=1.0))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("old", "new"),
    [('"miou": 40.0', '"miou": 4000'), ('"images": 40', '"images": 0'), ("{", "["),
     ('"schema": 1', '"schema": 99'), ('"images": 40', '"images": "40"')],
)  # fmt: skip
def test_damaged_records_are_reported_and_left(tmp_path: Path, old: str, new: str) -> None:
    path = store.append(tmp_path, accuracy(1))
    store.append(tmp_path, accuracy(2))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    records, damaged = store.load(tmp_path)
    assert records == (accuracy(2),)
    assert [file.path for file in damaged] == [path.relative_to(tmp_path).as_posix()]
    assert path.exists()
