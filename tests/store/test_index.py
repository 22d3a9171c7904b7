"""The index of a results folder, merging and pruning: the files stay the truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from seaformer.core import files
from seaformer.core.errors import CorruptArtifact, UnknownName, UsageError
from seaformer.core.measurement import SCHEMA, Measurement, MethodRun, document
from seaformer.store.index import Listing, index_path, list_results
from seaformer.store.merge import merge, plan_merge
from seaformer.store.prune import plan_prune, prune
from seaformer.store.results import ResultStore, find_run
from tests.fakes.measurements import HOST, OFF_CORE, emulated, failed, measurement

RECORDED = Path(__file__).parents[1] / "fixtures" / "results"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(files.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def filled(store: ResultStore, *measurements: Measurement) -> list[Path]:
    return [store.append(one) for one in measurements]


def ids(listing: Listing) -> list[str]:
    return [entry.id for entry in listing.entries]


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


# The index.


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


# Schemas.


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


# One measurement.


def test_a_measurement_is_found_by_its_id_its_beginning_or_its_file(store: ResultStore) -> None:
    one, _ = filled(store, measurement(1), measurement(2))
    for which in (measurement(1).id, measurement(1).id[:16], str(one)):
        assert find_run(store.root, which) == (one, measurement(1))


@pytest.mark.parametrize("which", ["", "2026", "nothing", "*", "../runs/host-example/2026"])
def test_an_id_that_is_none_or_many_is_refused(store: ResultStore, which: str) -> None:
    filled(store, measurement(1), measurement(2))
    with pytest.raises(UnknownName, match="the id"):
        find_run(store.root, which)


def test_a_damaged_measurement_cannot_be_shown(store: ResultStore) -> None:
    (path,) = filled(store, measurement(1))
    path.write_text("{")
    with pytest.raises(CorruptArtifact, match="not readable JSON"):
        find_run(store.root, measurement(1).id)


# Merging.


def test_a_merge_copies_what_is_new_byte_by_byte(store: ResultStore, tmp_path: Path) -> None:
    filled(store, measurement(1))
    theirs = ResultStore(tmp_path / "theirs")
    filled(theirs, measurement(1), emulated(2))
    before = snapshot(theirs.root)
    plan = plan_merge(store, [theirs.root])
    assert (len(plan.copies), plan.present, plan.devices) == (1, 1, ("emulator-cortex-a76",))
    assert (plan.conflicts, plan.damaged, plan.namesakes) == ((), (), ())
    merge(plan, store)
    assert snapshot(theirs.root) == before
    assert {
        name: content for name, content in snapshot(store.root).items() if name in before
    } == before
    assert plan_merge(store, [theirs.root]).copies == ()


def test_a_merge_takes_a_single_file_and_many_sources(store: ResultStore, tmp_path: Path) -> None:
    one = filled(ResultStore(tmp_path / "a"), measurement(1))[0]
    filled(ResultStore(tmp_path / "b"), measurement(1), measurement(2))
    plan = plan_merge(store, [one, tmp_path / "b"])
    merge(plan, store)
    assert ids(list_results(store.root)) == [measurement(1).id, measurement(2).id]


def test_a_measurement_with_the_same_id_and_other_content_is_a_conflict(
    store: ResultStore, tmp_path: Path
) -> None:
    filled(store, measurement(1))
    filled(ResultStore(tmp_path / "theirs"), measurement(1, command="another"))
    before = snapshot(store.root)
    plan = plan_merge(store, [tmp_path / "theirs"])
    assert plan.copies == ()
    assert "has the id" in plan.conflicts[0].reason
    merge(plan, store)
    assert snapshot(store.root) == before


def test_a_damaged_file_is_told_and_not_copied(store: ResultStore, tmp_path: Path) -> None:
    theirs = ResultStore(tmp_path / "theirs")
    (path,) = filled(theirs, measurement(1))
    path.with_name("cut.json").write_text(path.read_text()[:99])
    plan = plan_merge(store, [theirs.root])
    merge(plan, store)
    assert [Path(file.path).name for file in plan.damaged] == ["cut.json"]
    assert path.with_name("cut.json").exists()
    assert len(list(store.root.rglob("*.json"))) == 2


def test_two_devices_that_share_an_id_are_told_and_kept_apart(
    store: ResultStore, tmp_path: Path
) -> None:
    filled(store, measurement(1))
    described = (store.root / "devices" / "host-example.json").read_bytes()
    other = replace(HOST, model="Another CPU 3")
    filled(ResultStore(tmp_path / "theirs"), measurement(2, device=other))
    plan = plan_merge(store, [tmp_path / "theirs"])
    assert plan.namesakes == (
        "Two devices share the id host-example: model Example CPU 9 here, Another CPU 3 there. "
        "Tables keep them apart.",
    )
    merge(plan, store)
    assert (store.root / "devices" / "host-example.json").read_bytes() == described
    assert len(list_results(store.root).entries) == 2


def test_a_new_kernel_makes_no_other_device(store: ResultStore, tmp_path: Path) -> None:
    filled(store, measurement(1))
    newer = replace(HOST, system="Linux 7.0")
    filled(ResultStore(tmp_path / "theirs"), measurement(2, device=newer))
    assert plan_merge(store, [tmp_path / "theirs"]).namesakes == ()


@pytest.mark.parametrize("what", ["nothing", "empty", "itself"])
def test_a_source_that_holds_nothing_is_refused(
    store: ResultStore, tmp_path: Path, what: str
) -> None:
    filled(store, measurement(1))
    (tmp_path / "empty").mkdir()
    source = {"itself": store.root}.get(what, tmp_path / what)
    with pytest.raises(UsageError):
        plan_merge(store, [source])


# Pruning.


def pruned(store: ResultStore, **how: Any) -> list[str]:
    now = datetime(2026, 7, 30, tzinfo=UTC)
    return [one.entry.id for one in plan_prune(list_results(store.root).entries, now=now, **how)]


def test_the_newest_of_every_key_stay(store: ResultStore) -> None:
    filled(store, *(measurement(n) for n in (1, 2, 3)), measurement(4, precision="fp16"))
    filled(store, emulated(5))
    assert pruned(store, keep=1) == [measurement(1).id, measurement(2).id]
    assert pruned(store, keep=3) == []


def test_failures_go_when_a_newer_run_is_valid_and_only_then(store: ResultStore) -> None:
    filled(store, failed(1), measurement(2, flags=(OFF_CORE,)), measurement(3), failed(4))
    assert pruned(store) == [measurement(2).id]
    assert pruned(store, keep=1) == [measurement(2).id]


def test_the_last_valid_one_stays_behind_newer_failures(store: ResultStore) -> None:
    filled(store, measurement(1), *(measurement(n, flags=(OFF_CORE,)) for n in (2, 3)))
    assert pruned(store, keep=1) == []


def test_only_what_is_old_goes(store: ResultStore) -> None:
    filled(store, *(measurement(n) for n in (1, 2)))
    filled(store, measurement(3, created_at="no date"))
    assert pruned(store, keep=1, older_than_days=1) == []
    assert pruned(store, keep=1, older_than_days=0) != []


def test_pruning_deletes_what_it_said_and_no_damaged_file(store: ResultStore) -> None:
    paths = filled(store, *(measurement(n) for n in (1, 2)))
    bad = paths[0].with_name("cut.json")
    bad.write_text("{")
    before = snapshot(store.root)
    outdated = plan_prune(list_results(store.root).entries, keep=1)
    assert snapshot(store.root) == before
    prune(store.root, outdated)
    assert not paths[0].exists()
    assert paths[1].exists()
    assert bad.exists()


@pytest.mark.parametrize(("keep", "older_than_days"), [(0, 0), (5, -1)])
def test_a_plan_that_keeps_nothing_is_refused(keep: int, older_than_days: int) -> None:
    with pytest.raises(UsageError, match="--keep is 1 or more"):
        plan_prune((), keep=keep, older_than_days=older_than_days)
