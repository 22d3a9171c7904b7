"""``seaformer report`` as a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from seaformer.cli import app
from seaformer.commands._options import ROWS_SHOWN
from seaformer.report.renderers import github
from seaformer.store.results import ResultStore
from tests.commands.program import seaformer
from tests.fakes.measurements import measurement

run = CliRunner()


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    store = ResultStore(tmp_path / "results")
    store.append(measurement(1))
    return store.root


def test_a_report_names_every_file_it_wrote(results: Path) -> None:
    told = run.invoke(app, ["report", "--results", str(results)])
    assert told.exit_code == 0, told.output
    for name in ("report.html", "report.md", "report.svg", "tables/latency.csv"):
        assert str(results / name) in told.stdout.replace("\n", "")
        assert (results / name).exists()
    assert "SeaFormer-T*" in (results / "report.html").read_text()


def test_of_many_rows_those_of_the_newest_command_are_printed_and_the_others_counted(
    results: Path,
) -> None:
    store = ResultStore(results)
    for number in range(2, ROWS_SHOWN + 1):
        store.append(measurement(number))
    shown = run.invoke(app, ["report", "--results", str(results)])
    assert shown.stdout.count("seaformer_t.ade20k  ") == ROWS_SHOWN
    newest = ("seaformer_s.ade20k", "seaformer_b.ade20k")
    for number, model in enumerate(newest, ROWS_SHOWN + 1):
        store.append(measurement(number, model=model, command="seaformer bench --variant s,b"))
    shown = run.invoke(app, ["report", "--results", str(results)])
    count = ROWS_SHOWN + len(newest)
    assert f"The newest of {count} rows: seaformer bench --variant s,b" in shown.stdout
    assert f"{ROWS_SHOWN} older rows: --all prints every row." in shown.stdout
    assert "seaformer_t.ade20k  " not in shown.stdout
    assert all(f"{model}  " in shown.stdout for model in newest)
    assert shown.stdout.splitlines()[-1] == str(results / "report.html")
    every = run.invoke(app, ["report", "--all", "--results", str(results)])
    assert every.stdout.count("seaformer_t.ade20k  ") == ROWS_SHOWN


def test_a_summary_is_printed_where_no_ci_asks_for_it(results: Path) -> None:
    told = run.invoke(app, ["report", "--github", "--results", str(results)])
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("## Latency report\n")
    assert (results / "report.html").exists()


def test_a_summary_is_added_to_the_file_of_the_job(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("from a step before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    told = run.invoke(app, ["report", "--github", "--results", str(results)])
    assert told.exit_code == 0, told.output
    assert told.stdout.strip() == str(summary)
    assert summary.read_text().startswith("from a step before\n## Latency report\n")


def test_what_is_in_the_summary_already_counts_towards_the_limit(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (github.LIMIT_BYTES - 300))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    told = run.invoke(app, ["report", "--github", "--results", str(results)])
    assert told.exit_code == 0, told.output
    assert github.LIMIT_BYTES - 300 < summary.stat().st_size <= github.LIMIT_BYTES
    assert "ends here" in summary.read_text()


def test_a_summary_that_cannot_be_written_is_one_sentence(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    told = run.invoke(app, ["report", "--github", "--results", str(results)])
    assert told.exit_code != 0
    assert "cannot be written" in str(told.exception) or "could not be" in str(told.exception)


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_store_without_a_measurement_is_named_and_nothing_is_built(
    tmp_path: Path, state: str
) -> None:
    if state == "empty":
        (tmp_path / "typo").mkdir()
    shown = seaformer("report", "--results", "typo", cwd=tmp_path)
    assert (shown.code, shown.out) == (2, "")
    words = "does not exist" if state == "missing" else "has no measurement"
    assert f"The results folder typo {words}." in shown.complaint
    assert "seaformer bench --variant t" in shown.complaint
    assert list(tmp_path.rglob("*")) == [tmp_path / "typo"] * (state == "empty")


def test_a_damaged_file_is_named_and_the_rest_is_reported(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "elsewhere")
    good = store.append(measurement(1))
    bad = good.with_name("cut.json")
    bad.write_text(good.read_text()[:500])
    told = seaformer("report", cwd=tmp_path, SEAFORMER_RESULTS=str(store.root))
    assert told.code == 0
    assert "seaformer_t.ade20k" in " ".join(told.out.split())
    assert f"skipped {bad.relative_to(store.root).as_posix()}: " in told.err
    assert bad.exists()
    assert (store.root / "tables" / "latency.csv").exists()
    assert not (tmp_path / "results").exists()
