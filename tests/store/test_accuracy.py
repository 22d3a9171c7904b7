"""Records of accuracy: written once, read back as they were, damaged ones reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.core import codec
from seaformer.core.errors import UsageError
from seaformer.report import make_report
from seaformer.store import accuracy as store
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised
from tests.fakes.accuracies import accuracy
from tests.fakes.measurements import measurement
from tests.fuzzing import EVIL, budget, mutate


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
     ('"schema": 1', '"schema": 99'), ("3,", "0,"), ("3,", "3, 3,"), ("80.0", "-1.0"),
     ('"images": 40', '"images": "40"')],
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


def test_a_record_that_lies_there_twice_counts_once_and_is_reported(tmp_path: Path) -> None:
    path = store.append(tmp_path, accuracy(1))
    copy = path.with_name("copy.json")
    copy.write_text(path.read_text().replace('"miou": 40.0', '"miou": 50.0'))
    records, (damaged,) = store.load(tmp_path)
    assert records == (accuracy(1),)
    assert (Path(damaged.path).name, damaged.reason) == (
        "copy.json", f"the same evaluation as {path.relative_to(tmp_path).as_posix()}.",
    )  # fmt: skip


@budget
@given(some.data())
def test_whatever_is_in_a_record_it_is_reported_or_skipped(
    tmp_path: Path, data: some.DataObject
) -> None:
    results = ResultStore(tmp_path)
    folder = tmp_path / "accuracy" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    content = codec.to_json(accuracy(1))
    for _ in range(data.draw(some.integers(1, 3))):
        mutate(content, data)
    (folder / "fuzzed.json").write_text(json.dumps(content))
    (folder / "good.json").write_text(json.dumps(codec.to_json(accuracy(2))))
    runs = load_summarised(results)
    assert len(runs.accuracies) + len(runs.damaged) == 2
    for file in make_report(tmp_path, runs).files:
        assert EVIL not in file.text
        assert "\x1b" not in file.text
