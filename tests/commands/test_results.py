"""``results``, ``compare`` and ``reproduce`` as a user meets them: real processes, exit codes."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seaformer.core.measurement import Measurement
from seaformer.store.results import ResultStore
from tests.conftest import Environment
from tests.fakes.measurements import HOST, emulated, failed, measurement, method


def run(*arguments: object, cwd: Path, code: int = 0, **variables: str) -> tuple[str, str]:
    """stdout and stderr of one command that must end with ``code``."""
    argv = [sys.executable, "-m", "seaformer", *map(str, arguments)]
    told = {"SEAFORMER_CACHE": str(cwd / "cache"), "SEAFORMER_RESULTS": str(cwd / "results")}
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env=os.environ | told | variables,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "bug in seaformer" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


def fill(folder: Path, *measurements: Measurement) -> Path:
    for one in measurements:
        ResultStore(folder).append(one)
    return folder


RECORDED = Path(__file__).parents[1] / "fixtures" / "results"
PHONE: dict[str, Any] = {
    "target": "phone",
    "device": replace(HOST, id="R5CT30", target="phone", model="Mi 10"),
}


def test_the_four_commands_of_a_store(tmp_path: Path) -> None:
    fill(tmp_path / "results", measurement(1), measurement(2), failed(3), emulated(4))
    out, err = run("results", "list", cwd=tmp_path)
    assert "4 of 4 measurements" in out
    assert out.index(emulated(4).id) < out.index(measurement(1).id)
    assert f"Next: seaformer results show {emulated(4).id}" in err
    found = json.loads(run("results", "list", "--source", "emulated", "--json", cwd=tmp_path)[0])
    assert [entry["id"] for entry in found] == [emulated(4).id]

    out, _ = run("results", "show", measurement(2).id[:17], cwd=tmp_path)
    assert "made by: seaformer bench --variant t --threads 1" in out
    assert "process 3: 40 samples" in out
    shown = json.loads(run("results", "show", measurement(2).id, "--json", cwd=tmp_path)[0])
    assert shown["id"] == measurement(2).id

    fill(tmp_path / "theirs", measurement(2), measurement(5))
    out, _ = run("results", "merge", tmp_path / "theirs", "--dry-run", cwd=tmp_path)
    assert "1 measurement would be copied" in out
    assert len(list((tmp_path / "results" / "runs").rglob("*.json"))) == 4
    run("results", "merge", tmp_path / "theirs", cwd=tmp_path)
    assert len(list((tmp_path / "results" / "runs").rglob("*.json"))) == 5

    out, err = run("results", "prune", "--keep", 1, cwd=tmp_path)
    assert f"{failed(3).id}" in out
    assert "3 of 5 measurements may go; 2 stay." in out
    assert "Nothing was deleted" in err
    assert len(list((tmp_path / "results" / "runs").rglob("*.json"))) == 5
    out, _ = run("results", "prune", "--keep", 1, "--yes", cwd=tmp_path)
    assert "deleted." in out
    left = json.loads(run("results", "list", "--json", cwd=tmp_path)[0])
    assert measurement(5).id in [entry["id"] for entry in left]


def test_an_empty_store_lists_nothing_and_compares_to_nothing(tmp_path: Path) -> None:
    assert "No measurement is stored" in run("results", "list", cwd=tmp_path)[0]
    assert json.loads(run("results", "list", "--json", cwd=tmp_path)[0]) == []
    assert "0 of 0 measurements may go" in run("results", "prune", cwd=tmp_path)[0]
    fill(tmp_path / "full", measurement(1))
    (tmp_path / "empty").mkdir()
    _, err = run("compare", "full", "empty", cwd=tmp_path, code=2)
    assert "NEW has no measurement: empty" in err
    assert not (tmp_path / "results").exists()


def test_what_is_damaged_is_told_and_stays(tmp_path: Path) -> None:
    folder = fill(tmp_path / "results", measurement(1), measurement(2))
    one, _ = sorted(folder.glob("runs/*/*.json"))
    bad = {
        "cut.json": one.read_text()[:777],
        "nan.json": '{"schema": NaN}',
        "new.json": '{"schema": 99}',
    }
    for name, text in bad.items():
        one.with_name(name).write_text(text)
    _, err = run("results", "list", cwd=tmp_path)
    assert all(f"skipped runs/host-example/{name}: " in err for name in bad)
    run("results", "prune", "--keep", 1, "--yes", cwd=tmp_path)
    assert {path.name for path in one.parent.iterdir()} > set(bad)
    assert not one.exists()


def test_a_merge_of_damaged_files_alone_is_an_error(tmp_path: Path) -> None:
    theirs = fill(tmp_path / "theirs", measurement(1), measurement(2))
    for path in theirs.glob("runs/*/*.json"):
        path.write_text(path.read_text()[:500])
    for options in (("--dry-run",), ()):
        out, err = run("results", "merge", "theirs", *options, cwd=tmp_path, code=3)
        assert "2 damaged" in out
        assert err.count("skipped theirs/runs/") == 2
        assert "Error: Nothing can be merged: 2 files are damaged." in err
        assert "Next:" not in err
    fill(tmp_path / "theirs", measurement(3))
    run("results", "merge", "theirs", cwd=tmp_path)


def test_everything_that_can_be_wrong_with_a_store_at_once_stops_no_command(
    tmp_path: Path,
) -> None:
    """Schemas 1 and 2, half a file, a newer schema, NaNs, two devices of one id, of one name."""
    one_id = measurement(2, device=replace(HOST, model="Another CPU 3"))
    one_name = measurement(3, device=replace(HOST, id="host-other"))
    no_number = measurement(4, paper_latency_ms=math.nan, model="seaformer_s.ade20k")
    no_number = replace(no_number, before=replace(no_number.before, load=math.inf))
    folder = fill(tmp_path / "results", measurement(1), one_id, one_name, no_number)
    for recorded in RECORDED.glob("*.json"):
        shutil.copy(recorded, folder / "runs" / "host-example")
    good = next(folder.glob("runs/host-example/2026*.json"))
    good.with_name("half.json").write_text(good.read_text()[:777])
    good.with_name("newer.json").write_text('{"schema": 99}')
    good.with_name("nan.json").write_text(good.read_text().replace('"samples_ns": [', "[NaN", 1))
    before = {path: path.read_bytes() for path in folder.rglob("runs/*/*.json")}
    out, err = run("results", "list", cwd=tmp_path)
    assert "7 of 7 measurements" in out
    out, err_of_report = run("report", cwd=tmp_path)
    for name in ("half.json", "newer.json", "nan.json"):
        assert f"skipped runs/host-example/{name}: " in err
        assert f"skipped runs/host-example/{name}: " in err_of_report
    page = (folder / "report.html").read_text()
    assert "Example CPU 9 (host-other)" in page
    assert "Another CPU 3" in page
    run("compare", "results", "results", "--allow", "latency", cwd=tmp_path)
    out, _ = run("results", "merge", "results", "--results", "copy", cwd=tmp_path)
    assert len(list((tmp_path / "copy").glob("runs/*/*.json"))) == 7
    assert {path: path.read_bytes() for path in folder.rglob("runs/*/*.json")} == before


def test_two_devices_with_one_id_are_told(tmp_path: Path) -> None:
    other = measurement(2, device=replace(HOST, model="Another CPU 3"))
    fill(tmp_path / "results", measurement(1), other)
    _, err = run("results", "list", cwd=tmp_path)
    assert "2 devices share the id host-example: Example CPU 9 and Another CPU 3" in err


def test_compare_ends_with_6_when_it_got_worse_and_0_when_it_did_not(tmp_path: Path) -> None:
    fill(tmp_path / "base", measurement(1, **PHONE))
    fill(tmp_path / "same", measurement(2, **PHONE))
    fill(tmp_path / "worse", measurement(3, methods={"forward": method(25.0)}, **PHONE))
    out, err = run("compare", "base", "same", cwd=tmp_path)
    assert ("no regression" in out, err) == (True, "")
    out, err = run("compare", "base", "worse", cwd=tmp_path, code=6)
    assert "1 row on both sides: 1 regression." in out
    assert err.startswith("Error: worse is worse than base: latency of seaformer_t.ade20k")
    run("compare", "base", "worse", "--no-gate", cwd=tmp_path)
    run("compare", "base", "worse", "--allow", "latency", cwd=tmp_path)
    run("compare", "base", "worse", "--max-ratio", "1.5", cwd=tmp_path)
    _, err = run("compare", "base", "worse", "--allow", "lateny", cwd=tmp_path, code=2)
    assert "lateny" in err


@pytest.mark.parametrize("format", ["json", "benchmark"])
def test_json_of_a_comparison_is_all_there_is_on_stdout(tmp_path: Path, format: str) -> None:
    fill(tmp_path / "base", measurement(1, **PHONE))
    fill(tmp_path / "worse", measurement(3, methods={"forward": method(25.0)}, **PHONE))
    out, _ = run("compare", "base", "worse", "--format", format, cwd=tmp_path, code=6)
    assert json.loads(out)


def test_in_a_github_job_the_document_goes_to_the_summary(tmp_path: Path) -> None:
    fill(tmp_path / "base", measurement(1, **PHONE))
    fill(tmp_path / "worse", measurement(3, methods={"forward": method(25.0)}, **PHONE))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    argv = ("compare", "base", "worse", "--format", "github")
    out, _ = run(*argv, cwd=tmp_path, code=6, GITHUB_STEP_SUMMARY=str(summary))
    assert summary.read_text().startswith("before\n## worse against base")
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["::error", "::notice"]


def test_a_comparison_keeps_to_what_github_takes(tmp_path: Path) -> None:
    fill(tmp_path / "base", measurement(1, **PHONE))
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (1024 * 1024 - 600))
    argv = ("compare", "base", "base", "--format", "github")
    run(*argv, cwd=tmp_path, GITHUB_STEP_SUMMARY=str(summary))
    assert 1024 * 1024 - 600 < summary.stat().st_size <= 1024 * 1024
    assert "`seaformer compare --format md` prints all." in summary.read_text()
    _, err = run(*argv, cwd=tmp_path, code=1, GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "summary"))
    assert err.startswith("Error: The summary ")


def test_a_plan_needs_no_device_and_no_torch(base_install: Environment, tmp_path: Path) -> None:
    done = base_install.run("reproduce", "table2", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seaformer_t.ade20k" in done.stdout
    assert "35 of 35 lines have a model" in done.stdout
    assert "export, measure" in done.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("table99",), "table99"),
        (("table2", "--model", "nothing.*"), "No line of table2"),
        (("table2", "--runtime", "tnn"), "tnn"),
        (("table2", "--format", "xml"), "xml"),
        (("table2", "--device", "hots"), "Did you mean host?"),
    ],
)
def test_a_request_that_cannot_be_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    _, err = run("reproduce", *arguments, cwd=tmp_path, code=2)
    assert words in err
    assert len([line for line in err.splitlines() if line.startswith("Error: ")]) == 1


def test_without_any_engine_a_reproduction_is_one_sentence_with_the_line_to_type(
    base_install: Environment, tmp_path: Path
) -> None:
    argv = ("reproduce", "table2", "--model", "seaformer_t.ade20k", "--format", "json")
    done = base_install.run(*argv, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'seaformer[export]'" in done.stderr
    assert "Traceback" not in done.stderr
