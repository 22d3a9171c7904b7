"""The index of a results folder, and one measurement found in it: the files stay the truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seaformer.core.measurement import SCHEMA, document
from seaformer.store.index import index_path, list_results
from seaformer.store.results import ResultStore
from tests.fakes.measurements import HOST, OFF_CORE, emulated, failed, measurement
from tests.store.stores import filled, ids, snapshot


def test_a_second_listing_opens_no_file(store: ResultStore) -> None:
    filled(store, measurement(2), emulated(1), failed(3))
    first = list_results(store.root)
    assert (first.read, first.kept) == (3, True)
    again = list_results(store.root)
    assert (again.read, again.entries) == (0, first.entries)
    assert ids(first) == [measurement(n).id for n in (1, 2, 3)]


def test_an_entry_tells_what_the_file_tells(store: ResultStore) -> None:
    (path,) = filled(store, measurement(1))
    (entry,) = list_results(store.root).entries
    told = document(measurement(1))
    assert entry.path == path.relative_to(store.root).as_posix()
    assert entry.median_ms == pytest.approx(told["median_ms"])
    assert (entry.model, entry.size, entry.precision) == ("seaformer_t.ade20k", "512x512", "fp32")
    assert (entry.valid, entry.failure, entry.instructions) == (True, None, None)
    filled(store, emulated(2), measurement(3, flags=(OFF_CORE,)))
    _, virtual, doubtful = list_results(store.root).entries
    assert virtual.median_ms is None
    assert doubtful.valid is False


def test_new_changed_and_removed_files_are_seen(store: ResultStore) -> None:
    one, two = filled(store, measurement(1), measurement(2))
    list_results(store.root)
    filled(store, measurement(3))
    one.unlink()
    text = two.read_text()
    two.write_text(text.replace("seaformer_t.ade20k", "seaformer_s.ade20k"))
    listing = list_results(store.root)
    assert listing.read == 2
    assert [entry.model for entry in listing.entries] == [
        "seaformer_s.ade20k",
        "seaformer_t.ade20k",
    ]
    two.write_text(text[:200])
    listing = list_results(store.root)
    assert ids(listing) == [measurement(3).id]
    assert [file.path for file in listing.damaged] == [two.relative_to(store.root).as_posix()]
    two.write_text(text)
    assert ids(list_results(store.root)) == [measurement(2).id, measurement(3).id]


def test_the_listing_and_the_load_agree_on_what_is_damaged(store: ResultStore) -> None:
    (path,) = filled(store, measurement(1))
    shutil.copy(path, path.with_name("z copy.json"))
    path.with_name("half.json").write_text(path.read_text()[:100])
    path.with_name("new.json").write_text(json.dumps({"schema": SCHEMA + 1}))
    path.with_name(".hidden.json").write_text("{")
    loaded = store.load()
    for _ in range(2):
        listing = list_results(store.root)
        assert ids(listing) == [one.id for one in loaded.measurements]
        assert listing.damaged == tuple(sorted(loaded.damaged, key=lambda file: file.path))
    assert path.with_name("half.json").exists()


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_index_is_made_again(store: ResultStore, damage: bytes) -> None:
    filled(store, measurement(1))
    list_results(store.root)
    index_path(store.root).write_bytes(damage)
    assert ids(list_results(store.root)) == [measurement(1).id]
    assert list_results(store.root).read == 0


def test_an_index_that_cannot_be_written_is_done_without(
    store: ResultStore, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file where the folder should be")
    filled(store, measurement(1))
    for _ in range(2):
        listing = list_results(store.root)
        assert (ids(listing), listing.read, listing.kept) == ([measurement(1).id], 1, False)


def test_listing_makes_nothing_in_the_results_folder(store: ResultStore) -> None:
    assert list_results(store.root).entries == ()
    assert not store.root.exists()
    filled(store, measurement(1))
    before = snapshot(store.root)
    list_results(store.root)
    assert snapshot(store.root) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "lone \udcff surrogate"},
        {"artifact_size_bytes": 10**30},
        {"threads": 10**30},
    ],
)
def test_values_a_database_cannot_hold_are_no_crash(
    store: ResultStore, changes: dict[str, Any]
) -> None:
    (path,) = filled(store, measurement(1))
    data = json.loads(path.read_text())
    threads = changes.pop("threads", None)
    if threads:
        data["plan"]["threads"] = threads
    path.write_text(json.dumps(data | changes))
    filled(store, measurement(2))
    listing = list_results(store.root)
    assert measurement(2).id in ids(listing)
    assert len(listing.entries) + len(listing.damaged) == 2


def test_two_devices_with_one_id_are_told(store: ResultStore) -> None:
    other = replace(HOST, model="Another CPU 3")
    filled(store, measurement(1), measurement(2, device=other))
    listing = list_results(store.root)
    assert listing.shared_ids() == {"host-example": ("Example CPU 9", "Another CPU 3")}
    assert listing.entries[0].key != listing.entries[1].key
