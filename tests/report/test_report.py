"""The files that ``seaformer report`` keeps in a results folder."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from seaformer.core.errors import UsageError
from seaformer.report import make_report, write_report
from seaformer.report import stale as stale_files
from seaformer.report.zoo import ZooRow, zoo_rows
from seaformer.store.accuracy import append
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised
from tests.fakes.accuracies import accuracy
from tests.fakes.measurements import emulated, failed, measurement
from tests.fakes.reports import write_report_of

FILES = [
    "tables/latency.csv",
    "tables/latest.csv",
    "tables/emulated.csv",
    "tables/processes.csv",
    "report.html",
    "report.md",
    "report.svg",
]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    store = ResultStore(tmp_path / "results")
    for made in (measurement(1), measurement(2), failed(3), emulated(4)):
        store.append(made)
    return store.root


def stale(root: Path, zoo: Iterable[ZooRow] = ()) -> list[str]:
    return stale_files(root, ResultStore(root).load(), zoo)


def test_a_report_is_rebuilt_from_the_raw_runs_alone(results: Path) -> None:
    made = write_report_of(results)
    assert [file.name for file in made.files] == FILES
    first = [path.read_bytes() for path in made.paths]
    for path in made.paths:
        path.unlink()
    for path in (results / "devices").iterdir():
        path.unlink()
    assert [path.read_bytes() for path in write_report_of(results).paths] == first


def test_nothing_but_the_report_is_written(results: Path) -> None:
    before = {path for path in results.rglob("*") if path.is_file()}
    made = write_report_of(results)
    after = {path for path in results.rglob("*") if path.is_file()}
    assert after - before == set(made.paths)


def test_a_report_goes_stale_with_a_new_run_an_edit_or_a_missing_file(results: Path) -> None:
    assert stale(results) == FILES
    write_report_of(results)
    assert stale(results) == []
    ResultStore(results).append(emulated(5))
    assert stale(results) == ["tables/emulated.csv", "report.html", "report.md"]
    write_report_of(results)
    (results / "report.md").write_text("a number typed by hand")
    (results / "tables" / "latest.csv").unlink()
    assert stale(results) == ["tables/latest.csv", "report.md"]


def test_a_table_that_nothing_is_left_for_goes_with_the_next_report(results: Path) -> None:
    record = append(results, accuracy(1))
    write_report(results, load_summarised(ResultStore(results)))
    assert (results / "tables" / "accuracy.csv").exists()
    record.unlink()
    assert stale(results) == ["report.html", "report.md", "tables/accuracy.csv"]
    write_report_of(results)
    assert not (results / "tables" / "accuracy.csv").exists()
    assert stale(results) == []


def test_a_file_that_is_right_is_not_written_again(results: Path) -> None:
    made = write_report_of(results)
    before = [path.stat().st_mtime_ns for path in made.paths]
    assert [path.stat().st_mtime_ns for path in write_report_of(results).paths] == before


def test_measured_and_emulated_rows_are_in_different_files(results: Path) -> None:
    write_report_of(results)
    tables = results / "tables"
    assert "emulated" not in (tables / "latency.csv").read_text()
    assert "\nmeasured" not in (tables / "emulated.csv").read_text()


def test_the_latest_table_holds_the_newest_valid_row_of_a_key(results: Path) -> None:
    write_report_of(results)
    lines = (results / "tables" / "latest.csv").read_text().splitlines()
    assert len(lines) == 2
    assert measurement(2).id in lines[1]


def test_a_report_does_not_depend_on_where_the_results_are(results: Path, tmp_path: Path) -> None:
    (results / "runs" / "host-example" / "bad.json").write_text("{")
    made = make_report(results, ResultStore(results).load())
    elsewhere = tmp_path / "elsewhere"
    results.rename(elsewhere)
    assert make_report(elsewhere, ResultStore(elsewhere).load()).files == made.files


def test_an_empty_store_has_an_empty_valid_report_that_says_so(tmp_path: Path) -> None:
    made = write_report_of(tmp_path / "results")
    text = (tmp_path / "results" / "report.md").read_text()
    assert "No measurement is stored here yet." in text
    assert "seaformer bench --variant t" in text
    assert all(path.exists() for path in made.paths)
    assert stale(tmp_path / "results") == []


def test_damaged_files_are_listed_and_stay(results: Path) -> None:
    bad = results / "runs" / "host-example" / "bad.json"
    bad.write_text('{"schema": 99}')
    write_report_of(results)
    assert "has schema 99" in (results / "report.md").read_text()
    assert json.loads(bad.read_text()) == {"schema": 99}


def test_a_store_of_damaged_files_alone_still_has_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "x"
    folder.mkdir(parents=True)
    (folder / "bad.json").write_text("")
    write_report_of(tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "No measurement is stored here yet." in text
    assert "`runs/x/bad.json`" in text


def test_a_results_folder_that_is_a_file_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_report_of(tmp_path / "results")


def test_the_report_that_is_committed_is_the_one_its_runs_give() -> None:
    results = Path(__file__).parents[2] / "results"
    committed = [name for name in stale(results, zoo_rows()) if name != "report.html"]
    assert committed == [], "run: seaformer report"


def test_the_page_is_built_and_not_committed() -> None:
    root = Path(__file__).parents[2]
    argv = ["git", "ls-files", "results/report.html", "results/report.md"]
    listed = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["results/report.md"]
    argv = ["git", "check-ignore", "--quiet", "results/report.html"]
    subprocess.run(argv, cwd=root, check=True)


def test_reporting_imports_no_torch(results: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from seaformer.report import write_report;"
        "from seaformer.store.results import ResultStore;"
        f"root = Path({str(results)!r}); write_report(root, ResultStore(root).load()); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'onnxruntime')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
