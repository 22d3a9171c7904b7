"""Files of every schema, and the document that describes them."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from seaformer.core.measurement import SCHEMA, Measurement, MethodRun
from seaformer.store.index import list_results
from seaformer.store.results import ResultStore
from tests.fakes.measurements import emulated, failed, measurement
from tests.store.stores import filled

RECORDED = Path(__file__).parents[1] / "fixtures" / "results"


@pytest.mark.parametrize("file", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
def test_a_recorded_file_of_every_schema_still_loads(store: ResultStore, file: Path) -> None:
    folder = store.root / "runs" / "x"
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    loaded = store.load()
    assert loaded.damaged == ()
    (one,) = loaded.measurements
    assert one.schema == int(file.stem.partition("_")[0].removeprefix("schema"))
    assert (one.facts is None) == (one.schema == 1)
    (entry,) = list_results(store.root).entries
    assert entry.schema == one.schema
    assert (entry.instructions is not None) == (one.source == "emulated")


def test_there_is_a_recorded_file_of_every_schema() -> None:
    told = {json.loads(path.read_text())["schema"] for path in RECORDED.glob("*.json")}
    assert told == set(range(1, SCHEMA + 1))


DOCUMENT = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.mark.parametrize("noun", [Measurement, MethodRun])
def test_every_field_is_documented(noun: type) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [f.name for f in fields(noun) if f"`{f.name}`" not in text] == []


def test_every_schema_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert all(f"\n| {number} | " in text for number in range(1, SCHEMA + 1))


def test_the_lines_in_the_document_load_everything_without_this_package(
    store: ResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, measurement(1), failed(2), emulated(3))
    monkeypatch.chdir(store.root.parent)
    code = DOCUMENT.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    told: dict[str, Any] = {}
    exec(code, told)
    runs = told["runs"].set_index("id").sort_index()
    assert list(runs.index) == [measurement(n).id for n in (1, 2, 3)]
    assert runs["valid"].tolist() == [True, False, True]
    assert runs["median_ms"].notna().tolist() == [True, False, False]
