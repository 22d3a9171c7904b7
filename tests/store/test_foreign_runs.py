"""Run files from anybody: whatever is in one, it is read or skipped, and every document is made."""

from __future__ import annotations

import copy
import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.compare import document as documents
from seaformer.compare.rows import compare
from seaformer.compare.sides import load_side
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import document
from seaformer.report import make_report
from seaformer.report.renderers import github, terminal
from seaformer.store.index import list_results
from seaformer.store.results import ResultStore
from tests.fakes.measurements import emulated, measurement
from tests.fuzzing import EVIL, budget, mutate


def test_a_side_of_a_comparison_skips_what_is_too_large_or_no_file(
    store: ResultStore, tmp_path: Path
) -> None:
    path = store.append(measurement())
    path.with_name("zero.json").symlink_to("/dev/zero")
    with path.with_name("large.json").open("wb") as large:
        large.truncate(1 << 33)
    side = load_side(str(store.root), tmp_path)
    assert side.measurements == (measurement(),)
    assert [Path(file.path).name for file in side.damaged] == ["large.json", "zero.json"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input_shape": [1, 3, 0, 512]}, "input_shape must be sizes from 1 on"),
        ({"artifact_size_bytes": -1}, "artifact_size_bytes must be at least 0"),
    ],
)
def test_a_number_out_of_range_skips_its_file_by_name(
    store: ResultStore, changes: dict[str, object], reason: str
) -> None:
    path = store.append(measurement())
    path.with_name("odd.json").write_text(json.dumps(document(measurement(2)) | changes))
    loaded = store.load()
    assert loaded.measurements == (measurement(),)
    (damaged,) = loaded.damaged
    assert damaged.path.endswith("odd.json")
    assert reason in damaged.reason


@budget
@given(some.data())
def test_whatever_is_in_a_run_file_every_document_is_made_and_holds_nothing_raw(
    store: ResultStore, data: some.DataObject
) -> None:
    plain_run = measurement() if data.draw(some.booleans()) else emulated()
    changed = copy.deepcopy(document(plain_run))
    for _ in range(data.draw(some.integers(1, 4))):
        mutate(changed, data)
    folder = store.root / "runs" / "x"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fuzzed.json").write_text(json.dumps(changed))
    (folder / "good.json").write_text(json.dumps(document(measurement(2))))

    listing, runs = list_results(store.root), store.load()
    assert len(listing.entries) + len(listing.damaged) == 2
    assert [one.id for one in runs.measurements] == [entry.id for entry in listing.entries]
    made = make_report(store.root, runs)
    texts = [file.text for file in made.files]
    for text in (*texts, github.summary(made.report), terminal.text(made.report.table)):
        assert "\x1b" not in text
        assert "\n::error" not in text
    side = load_side(str(store.root), store.root)
    try:
        comparison = compare(side, side)
    except SeaFormerError:  # no row is left to compare
        return
    for text in (documents.github(comparison), documents.markdown(comparison)):
        assert EVIL not in text


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "@SUM(1)", "+1+1", "-1+1", "\t=1+1"])
def test_no_cell_of_a_table_is_a_formula(store: ResultStore, name: str) -> None:
    store.append(measurement(model=name, failure=name))
    tables = [f for f in make_report(store.root, store.load()).files if f.name.endswith(".csv")]
    cells = [
        cell for table in tables for row in csv.reader(table.text.splitlines()) for cell in row
    ]
    assert f"'{name.strip()}" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))] == []
