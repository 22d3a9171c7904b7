"""Merging stores: what is new is copied byte by byte, the rest is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.errors import UsageError
from seaformer.store import accuracy as records
from seaformer.store.index import list_results
from seaformer.store.merge import merge, plan_merge
from seaformer.store.results import ResultStore
from tests.fakes.accuracies import accuracy
from tests.fakes.measurements import HOST, emulated, measurement
from tests.store.stores import filled, ids, snapshot


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


def test_a_merge_leaves_the_ends_of_lines_as_they_are(store: ResultStore, tmp_path: Path) -> None:
    theirs = ResultStore(tmp_path / "theirs")
    (path,) = filled(theirs, measurement(1))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    plan = plan_merge(store, [theirs.root])
    merge(plan, store)
    assert plan.copies[0].target.read_bytes() == path.read_bytes()


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


@pytest.mark.parametrize("kind", ["runs", "accuracy"])
def test_a_damaged_file_of_the_same_name_stays_and_the_others_are_copied(
    store: ResultStore, tmp_path: Path, kind: str
) -> None:
    theirs, damaged = ResultStore(tmp_path / "theirs"), store.root / "cut"
    for number in (1, 2, 3):
        if kind == "runs":
            theirs.append(measurement(number))
            damaged = store.path_of(measurement(2))
        else:
            records.append(theirs.root, accuracy(number))
            damaged = store.root / records.record_path(accuracy(2))
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    plan = plan_merge(store, [theirs.root])
    (conflict,) = plan.conflicts
    assert f"{damaged} has its name" in conflict.reason
    merge(plan, store)
    assert damaged.read_text() == "{"
    assert len(list((store.root / kind).rglob("*.json"))) == 3


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


@pytest.mark.parametrize("source", [".", "accuracy", "accuracy/shapes", "the record"])
def test_evaluations_are_merged_too(store: ResultStore, tmp_path: Path, source: str) -> None:
    theirs = tmp_path / "accuracy" / "theirs"  # a folder's own place does not count
    path = records.append(theirs, accuracy(1, miou=float("nan")))
    named = path if source == "the record" else theirs / source
    plan = plan_merge(store, [named])
    assert (len(plan.evaluations), plan.copies, plan.damaged) == (1, (), ())
    merge(plan, store)
    copied = store.root / path.relative_to(theirs)
    assert copied.read_bytes() == path.read_bytes()
    again = plan_merge(store, [named, named])
    assert (again.evaluations, again.present, again.conflicts) == ((), 2, ())
    path.write_text(path.read_text().replace('"images": 40', '"images": 41'))
    path.with_name("cut.json").write_text(path.read_text()[:99])
    other = plan_merge(store, [theirs])
    assert "another evaluation has the id" in other.conflicts[0].reason
    assert [Path(file.path).name for file in other.damaged] == ["cut.json"]
    with pytest.raises(UsageError, match="is the results folder itself"):
        plan_merge(store, [store.root / "accuracy"])
