"""The store of raw measurements on a disk."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from seaformer.core.errors import UsageError
from seaformer.core.files import DamagedFile, safe_name
from seaformer.core.measurement import SCHEMA, document, new_id
from seaformer.core.runs import Runs
from seaformer.store.index import list_results
from seaformer.store.results import ResultStore, check_holds_runs, results_dir
from tests.fakes.measurements import HOST, emulated, failed, measurement
from tests.store.stores import snapshot


def test_what_is_appended_is_loaded_oldest_first(store: ResultStore) -> None:
    made = [measurement(3), failed(1), emulated(2)]
    for one in made:
        store.append(one)
    assert store.load() == Runs((made[1], made[2], made[0]))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_reported(store: ResultStore) -> None:
    folder = store.append(measurement()).parent
    folder.chmod(0)
    try:
        for damaged in (store.load().damaged, list_results(store.root).damaged):
            assert [one.path for one in damaged] == ["runs/host-example"]
            assert "Permission denied" in damaged[0].reason
    finally:
        folder.chmod(0o755)


def test_a_file_lies_under_its_device_and_is_named_so_that_people_can_read_it(
    store: ResultStore,
) -> None:
    path = store.append(measurement())
    assert path.parent == store.root / "runs" / "host-example"
    assert path.name == (
        "20260729T101101000-00000001__seaformer_t.ade20k__512x512__executorch__fp32.json"
    )
    assert "__emulated.json" in store.append(emulated(2)).name
    assert "__failed.json" in store.append(failed(3)).name
    assert "__argmax.json" in store.append(measurement(4, scope="argmax")).name


def test_a_device_is_written_once_and_kept(store: ResultStore) -> None:
    store.append(measurement(1))
    path = store.root / "devices" / "host-example.json"
    first = path.read_bytes()
    assert json.loads(first)["schema"] == SCHEMA
    store.append(measurement(2, device=replace(HOST, system="Linux 7.0")))
    assert path.read_bytes() == first


def test_nothing_is_ever_overwritten(store: ResultStore) -> None:
    store.append(measurement())
    before = snapshot(store.root)
    with pytest.raises(UsageError, match="exists already"):
        store.append(measurement(precision="fp32", command="another"))
    assert snapshot(store.root) == before


def test_two_peoples_results_merge_by_copying_files(tmp_path: Path) -> None:
    mine, theirs = ResultStore(tmp_path / "mine"), ResultStore(tmp_path / "theirs")
    mine.append(measurement(1))
    mine.append(measurement(2))
    theirs.append(measurement(2))
    theirs.append(emulated(3))
    shutil.copytree(theirs.root, mine.root, dirs_exist_ok=True)
    loaded = mine.load()
    assert [one.id for one in loaded.measurements] == [measurement(n).id for n in (1, 2, 3)]
    assert loaded.damaged == ()


def test_a_measurement_that_lies_there_twice_counts_once_and_is_reported(
    store: ResultStore,
) -> None:
    path = store.append(measurement())
    shutil.copy(path, path.with_name("z copy.json"))
    loaded = store.load()
    assert len(loaded.measurements) == 1
    assert loaded.damaged[0].path == "runs/host-example/z copy.json"
    assert loaded.damaged[0].reason.startswith("the same measurement as runs/host-example/2026")


def changed(**changes: Any) -> bytes:
    return json.dumps(document(measurement()) | changes).encode()


def with_samples(text: str) -> bytes:
    whole = changed().decode()
    return re.sub(r'"samples_ns": \[\d+', f'"samples_ns": [{text}', whole, count=1).encode()


DAMAGES = {
    "empty": (b"", "not readable JSON"),
    "half written": (changed()[: len(changed()) // 2], "not readable JSON"),
    "bytes": (b"\xff\x00\xfe", "not readable JSON"),
    "a list": (b"[]", "expected a document with a schema number"),
    "no schema": (b"{}", "expected a document with a schema number"),
    "a true schema": (changed(schema=True), "expected a document with a schema number"),
    "schema zero": (changed(schema=0), "expected a document with a schema number"),
    "too new": (
        changed(schema=SCHEMA + 1),
        f"has schema {SCHEMA + 1}; this seaformer reads up to {SCHEMA}",
    ),
    "a field missing": (b'{"schema": 1}', "the field 'id' is missing"),
    "a wrong type": (changed(model=7), "model: expected str, got 7"),
    "nan samples": (with_samples("NaN"), "expected int, got nan"),
    "a negative sample": (with_samples("-5"), "has a negative sample"),
    "a sample too many": (with_samples("5, 5"), "has 121 samples, but its processes list 120"),
    "deeply nested": (b"[" * 200_000, "not readable JSON"),
    "an endless sample": (with_samples("1" + "0" * 300), r"samples_ns[0]: expected a number of"),
    "a huge figure": (
        changed(artifact_size_bytes=10**400),
        "artifact_size_bytes: expected a number of at most 63 bits, got one of 1329",
    ),
    "a huge part": (
        changed(plan={"threads": 10**30}),
        "plan.threads: expected a number of at most 63 bits, got one of 100",
    ),
    "a huge float": (changed(paper_latency_ms=10**400), "paper_latency_ms: expected a number"),
}


@pytest.mark.parametrize(("content", "told"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_reported_skipped_and_left_alone(
    store: ResultStore, content: bytes, told: str
) -> None:
    store.append(measurement(5))
    bad = store.root / "runs" / "host-example" / "bad.json"
    bad.write_bytes(content)
    loaded = store.load()
    assert [one.id for one in loaded.measurements] == [measurement(5).id]
    (damaged,) = loaded.damaged
    assert damaged.path == "runs/host-example/bad.json"
    assert told in damaged.reason
    assert str(store.root) not in damaged.reason
    assert bad.read_bytes() == content


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_not_a_regular_file_is_reported_and_not_opened(
    store: ResultStore, make: Callable[[Path], None]
) -> None:
    make(store.append(measurement()).with_name("x.json"))
    expected = DamagedFile(
        "runs/host-example/x.json", "runs/host-example/x.json is not a regular file."
    )
    assert store.load() == Runs((measurement(),), (expected,))
    assert list_results(store.root).damaged == (expected,)


def test_links_that_lead_nowhere_hide_no_file_and_are_reported(store: ResultStore) -> None:
    path = store.append(measurement())
    names = [f"{letter}{end}" for letter in "az" for end in (".json", "-circle.json", "-folder")]
    for name in names:  # before and behind the run, whatever the file system's order is
        path.with_name(name).symlink_to(name if "-" in name else "nothing.json")
    listed, damaged = store.load().measurements, store.load().damaged
    assert listed == (measurement(),)
    reported = [Path(file.path).name for file in damaged]
    assert reported == sorted(name for name in names if name.endswith(".json"))
    assert damaged == list_results(store.root).damaged


def test_a_folder_without_runs_is_refused_where_runs_are_needed(store: ResultStore) -> None:
    with pytest.raises(UsageError, match=r"results does not exist\.$"):
        check_holds_runs(store.root)
    store.remember(HOST)
    with pytest.raises(UsageError, match=r"results has no measurement\.$"):
        check_holds_runs(store.root)
    store.append(measurement())
    check_holds_runs(store.root)


def test_a_newer_file_with_more_fields_of_the_same_schema_is_read(store: ResultStore) -> None:
    folder = store.root / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "a.json").write_bytes(changed(a_later_field={"b": 1}))
    assert store.load() == Runs((measurement(),))


def test_what_an_interrupted_write_left_behind_is_no_measurement(store: ResultStore) -> None:
    path = store.append(measurement())
    path.with_name(f".{path.name}.k3jd8f").write_text("{")
    path.with_name(".hidden.json").write_text("{")
    path.with_name("notes.txt").write_text("hello")
    assert store.load() == Runs((measurement(),))


def test_a_store_that_does_not_exist_is_empty_and_reading_does_not_make_it(
    store: ResultStore,
) -> None:
    assert store.load() == Runs()
    assert not store.root.exists()


def test_a_results_folder_that_is_a_file_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        ResultStore(tmp_path / "results").append(measurement())


def test_names_from_a_device_cannot_leave_the_folder(store: ResultStore) -> None:
    device = replace(HOST, id="../../192.168.1.2:5555")
    path = store.append(measurement(device=device, model="../../etc/passwd"))
    assert path.resolve().is_relative_to((store.root / "runs").resolve())
    assert len(path.relative_to(store.root).parts) == 3


def test_a_safe_name_is_short_plain_and_never_hidden() -> None:
    assert safe_name("Mi 10/é:5555") == "Mi_10___5555"
    assert safe_name("..") == "_."
    assert safe_name("") == "_"
    assert len(safe_name("x" * 5000)) <= 200


def test_ids_sort_by_time_in_any_zone_and_do_not_repeat() -> None:
    moment = datetime(2026, 7, 29, 10, 11, 12, 345_678, tzinfo=UTC)
    assert new_id(moment, "5f0c2a91") == "20260729T101112345-5f0c2a91"
    elsewhere = moment.astimezone(timezone(timedelta(hours=-7)))
    assert new_id(elsewhere, "5f0c2a91") == new_id(moment, "5f0c2a91")
    assert new_id(moment, "ffffffff") < new_id(moment + timedelta(milliseconds=1), "00000000")
    assert len({new_id(moment) for _ in range(1000)}) == 1000
    made = new_id()
    assert safe_name(made) == made


def test_the_results_folder_is_the_option_then_the_variable_then_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SEAFORMER_RESULTS", raising=False)
    assert results_dir() == Path("results")
    monkeypatch.setenv("SEAFORMER_RESULTS", "/variable")
    assert results_dir() == Path("/variable")
    assert results_dir("/option") == Path("/option")


def test_a_file_of_an_emulated_run_is_stored_with_its_source(store: ResultStore) -> None:
    data = json.loads(store.append(emulated()).read_text())
    assert data["source"] == "emulated"
