"""Where the sides of a comparison come from, and which of their rows are compared."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.compare import document as comparison
from seaformer.compare.rows import Side, compare, gate
from seaformer.compare.sides import load_side
from seaformer.compare.verdict import (
    SAME,
)
from seaformer.core import files
from seaformer.core.errors import Regression, UsageError
from seaformer.core.measurement import (
    Flag,
    Measurement,
    document,
)
from seaformer.store.results import ResultStore
from tests.compare.comparisons import (
    PHONE,
    fact,
    on_phone,
    sides,
)


def test_rows_of_one_side_are_listed_and_can_be_demanded() -> None:
    base = Side("old", (on_phone(1), on_phone(2, model="seaformer_s.ade20k")))
    new = Side("new", (on_phone(3), on_phone(4, precision="fp16")))
    found = compare(base, new)
    assert [key.model for key in found.only_base] == ["seaformer_s.ade20k"]
    assert [key.precision for key in found.only_new] == ["fp16"]
    gate(found)
    with pytest.raises(Regression, match=r"seaformer_s\.ade20k .* is missing"):
        gate(found, missing=True)


def test_two_devices_with_one_name_are_two_rows() -> None:
    other = replace(PHONE, model="Galaxy S20")
    new = Side("new", (on_phone(2), on_phone(3, 40.0, device=other)))
    found = compare(Side("old", (on_phone(1),)), new)
    assert found.regressions == ()
    assert [key.device for key in found.only_new] == ["R5CT30 (Galaxy S20)"]


@pytest.mark.parametrize("which", ["BASE", "NEW"])
def test_an_empty_side_does_not_pass(which: str) -> None:
    full, empty = Side("full", (on_phone(1),)), Side("empty", ())
    pair = (empty, full) if which == "BASE" else (full, empty)
    with pytest.raises(UsageError, match=f"{which} has no measurement: empty"):
        compare(*pair)


def test_nothing_in_common_does_not_pass() -> None:
    with pytest.raises(UsageError, match="No row is on both sides"):
        sides(on_phone(1), on_phone(2, scope="argmax"))


def test_the_base_is_the_newest_valid_run_of_a_row() -> None:
    bad = on_phone(3, flags=(Flag("pinning", True, "off"),))
    found = compare(Side("old", (on_phone(1), on_phone(2), bad)), Side("new", (on_phone(4),)))
    assert found.rows[0].base_id == on_phone(2).id


def store(folder: Path, *measurements: Measurement) -> Path:
    for one in measurements:
        ResultStore(folder).append(one)
    return folder


def test_a_side_is_a_results_folder_a_folder_of_runs_a_file_or_what_a_bench_printed(
    tmp_path: Path,
) -> None:
    one, two = on_phone(1), on_phone(2)
    folder = store(tmp_path / "results", one, two)
    printed = tmp_path / "printed.json"
    printed.write_text(files.json_text([document(one), document(two)]))
    for path in (folder, folder / "runs", folder / "runs" / "R5CT30", printed):
        assert load_side(str(path), tmp_path).measurements == (one, two)
    file = next(folder.rglob("*00000001*.json"))
    assert load_side(str(file), tmp_path).measurements == (one,)


def test_a_damaged_file_of_a_side_is_listed_and_skipped(tmp_path: Path) -> None:
    folder = store(tmp_path / "results", on_phone(1))
    good = next(folder.glob("runs/*/*.json"))
    good.with_name("cut.json").write_text(good.read_text()[:300])
    good.with_name("nan.json").write_text('{"schema": NaN}')
    side = load_side(str(folder), tmp_path)
    assert len(side.measurements) == 1
    assert sorted(Path(file.path).name for file in side.damaged) == ["cut.json", "nan.json"]
    found = compare(side, side)
    assert len(found.damaged) == 4
    assert any("cut.json" in line for line in comparison.remarks(found))


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_side_is_a_commit_as_it_was_and_nothing_is_checked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    results = store(tmp_path / "results", on_phone(1))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    store(results, on_phone(2))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "two")
    store(results, on_phone(3))
    monkeypatch.chdir(tmp_path)
    here = Path("results")
    assert load_side("HEAD~1", here).measurements == (on_phone(1),)
    assert load_side("HEAD", here).measurements == (on_phone(1), on_phone(2))
    assert load_side("HEAD:results", Path("elsewhere")).measurements == (on_phone(1), on_phone(2))
    assert len(load_side("results", here).measurements) == 3
    assert load_side("HEAD:nothing", here).measurements == ()


@pytest.mark.parametrize("name", ["nowhere", "--output=x", "HEAD; rm -rf .", "-h"])
def test_what_is_nothing_of_all_that_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is not a file, a folder or a commit"):
        load_side(name, Path("results"))
    assert {path.name for path in tmp_path.iterdir()} == {".git"}


def test_recorded_files_of_every_schema_compare(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[1] / "fixtures" / "results"
    old = load_side(str(recorded / "schema1.json"), tmp_path)
    new = load_side(str(recorded / "schema2.json"), tmp_path)
    found = compare(old, new)
    assert fact(found, "export").why == "base of schema 1 keep no facts"
    assert fact(found, "artifact size").verdict == SAME
    assert [fact for _, fact in found.not_judged] == ["latency"]  # schema 2's is not valid
    gate(compare(old, new, allow=["latency"]))
