"""Renderers are entries of a registry: every file of a report comes from one of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seaformer.core.errors import UnknownName
from seaformer.core.runs import Runs
from seaformer.report import make_report, stale, write_report
from seaformer.report import renderers as folder
from seaformer.report.renderers import RENDERERS, STDOUT, renderer
from tests.fakes.measurements import emulated, failed, measurement
from tests.fakes.reports import report_of

MADE_UP = '''"""The models of a report, a line each."""

FILES = ("models.txt",)


def render(report):
    names = sorted({row.model for row in report.table.rows})
    return {"models.txt": "".join(f"{name}\\n" for name in names)}
'''
RUNS = (measurement(1), failed(2), emulated(3))


@pytest.fixture
def with_made_up(tmp_path: Path) -> Iterator[None]:
    """The folder of renderers with one more file, which nothing names."""
    (tmp_path / "models.py").write_text(MADE_UP)
    folder.__path__.append(str(tmp_path))
    yield
    folder.__path__.remove(str(tmp_path))
    sys.modules.pop(f"{folder.__name__}.models")


@pytest.mark.parametrize("name", RENDERERS.names())
def test_a_renderer_makes_the_files_it_names_or_something_to_print(name: str) -> None:
    entry = renderer(name)
    documents = entry.render(report_of(RUNS))
    assert documents
    assert set(documents) <= set(entry.FILES or (STDOUT,))
    assert all(text.endswith("\n") for text in documents.values())
    assert entry.render(report_of(RUNS)) == documents


def test_no_two_renderers_make_the_same_file() -> None:
    files = [file for name in RENDERERS.names() for file in renderer(name).FILES]
    assert len(files) == len(set(files))
    assert {"tables/latency.csv", "report.md", "report.svg", "report.html"} <= set(files)


def test_a_report_has_the_files_of_every_renderer_and_none_that_is_printed() -> None:
    named = {file for name in RENDERERS.names() for file in renderer(name).FILES}
    made = {file.name for file in make_report(Path("nowhere"), Runs(RUNS)).files}
    absent = {"tables/estimated.csv", "tables/accuracy.csv"}
    assert made == named - absent  # no run here is an estimate, and nothing was evaluated


@pytest.mark.usefixtures("with_made_up")
def test_a_new_renderer_is_a_file_and_nothing_else(tmp_path: Path) -> None:
    root, runs = tmp_path / "results", Runs(RUNS)
    assert "models.txt" in stale(root, runs)
    made = write_report(root, runs)
    assert root / "models.txt" in made.paths
    assert (root / "models.txt").read_text() == "seaformer_t.ade20k\n"
    assert stale(root, runs) == []


def test_an_unknown_renderer_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownName) as caught:
        renderer("markdwon")
    assert "markdown" in caught.value.hint
