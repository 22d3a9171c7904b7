"""Summaries that are kept in the cache: the same figures, derived once for each file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.measurement import summary
from seaformer.report import make_report
from seaformer.store import database
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised
from tests.fakes.measurements import emulated, failed, measurement, method
from tests.store.stores import filled

PARTS = {"forward": method(20.0), "stem": method(9.0)}


def change(store: ResultStore, statement: str) -> list[tuple[object, ...]]:
    """Run a statement on the database behind the store's back."""
    path = database.path_for(store.root, "-summaries")
    with closing(sqlite3.connect(path)) as opened, opened:
        return opened.execute(statement).fetchall()


def test_every_latency_has_the_figures_that_its_samples_give(store: ResultStore) -> None:
    parts = measurement(4, methods=PARTS)
    filled(store, measurement(1), emulated(2), failed(3), parts)
    for _ in range(2):
        runs = load_summarised(store)
        assert replace(runs, summaries={}) == store.load()
        assert runs.summaries == {
            (measurement(1).id, "forward"): summary(measurement(1)),
            (parts.id, "forward"): summary(parts),
            (parts.id, "stem"): summary(parts, "stem"),
        }


def test_a_report_is_the_same_with_and_without_kept_summaries(store: ResultStore) -> None:
    filled(store, measurement(1), emulated(2), failed(3), measurement(4, methods=PARTS))
    plain = make_report(store.root, store.load()).files
    for _ in range(2):
        assert make_report(store.root, load_summarised(store)).files == plain


def test_what_was_derived_before_is_not_derived_again(store: ResultStore) -> None:
    filled(store, measurement(1), measurement(2))
    load_summarised(store)
    change(store, "UPDATE summaries SET median_ms = 7.0")
    assert {one.median_ms for one in load_summarised(store).summaries.values()} == {7.0}


def test_a_file_that_changed_is_derived_again(store: ResultStore) -> None:
    one, two = filled(store, measurement(1), measurement(2))
    load_summarised(store)
    change(store, "UPDATE summaries SET median_ms = 7.0")
    one.write_text(one.read_text().replace('"prime"', '"little"'))
    status = two.stat()
    os.utime(two, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    for run in (runs := load_summarised(store)).measurements:
        assert runs.summary(run, "forward") == summary(run)


def test_other_code_drops_what_was_kept(store: ResultStore) -> None:
    filled(store, measurement(1))
    load_summarised(store)
    change(store, "UPDATE summaries SET median_ms = 7.0")
    change(store, "PRAGMA user_version = 1")
    (figures,) = load_summarised(store).summaries.values()
    assert figures == summary(measurement(1))


def test_what_no_file_has_any_more_is_forgotten(store: ResultStore) -> None:
    one, two = filled(store, measurement(1), measurement(2))
    load_summarised(store)
    one.unlink()
    load_summarised(store)
    kept = two.relative_to(store.root).as_posix()
    assert change(store, "SELECT path FROM summaries") == [(kept,)]


@pytest.mark.parametrize("damage", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_is_made_again(store: ResultStore, damage: bytes) -> None:
    filled(store, measurement(1))
    load_summarised(store)
    database.path_for(store.root, "-summaries").write_bytes(damage)
    (figures,) = load_summarised(store).summaries.values()
    assert figures == summary(measurement(1))
    assert change(store, "SELECT count(*) FROM summaries") == [(1,)]


def test_without_a_cache_folder_everything_is_derived(store: ResultStore, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    filled(store, measurement(1))
    assert load_summarised(store).summaries == {
        (measurement(1).id, "forward"): summary(measurement(1))
    }
