"""The verbs as functions: their own examples run, they store, and a notebook shows a table."""

from __future__ import annotations

import doctest
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import seaformer
from seaformer import api
from seaformer.core.errors import UsageError
from seaformer.core.measurement import Flag
from seaformer.core.runs import Measurements
from seaformer.store.results import ResultStore
from tests import requirements
from tests.fakes.measurements import emulated, failed, measurement

PHOTOGRAPH = Path(seaformer.__file__).parent / "agreement/photographs/china.jpg"


@pytest.mark.parametrize("verb", ["bench", "compare", "report"])
def test_the_example_in_the_docstring_works(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements.module("torch", "pip install 'seaformer[export]'")
    monkeypatch.chdir(tmp_path)
    function = getattr(api, verb)
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(function, verb, globs=vars(api).copy())
    assert example.examples
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert outcome.failed == 0
    runs = ResultStore(tmp_path / "results").load()
    assert len(runs.measurements) == 1


@pytest.mark.parametrize(
    "name",
    [
        "create_model",
        "export_model",
        "list_models",
        pytest.param("load_session", marks=pytest.mark.slow),
        pytest.param("predict", marks=pytest.mark.slow),
    ],
)
def test_the_example_of_a_function_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements.module("torch", "pip install 'seaformer[export]'")
    monkeypatch.chdir(tmp_path)
    shutil.copy(PHOTOGRAPH, "photo.jpg")
    finder = doctest.DocTestFinder(recurse=False)
    functions = {each: getattr(seaformer, each) for each in seaformer.__all__}
    (example,) = finder.find(functions[name], name, globs=functions)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_a_choice_for_models_by_name_is_refused_beside_files_alone(tmp_path: Path) -> None:
    file = tmp_path / "some.onnx"
    for choice in ({"precision": "fp16"}, {"format": "onnx"}, {"checkpoint": "w.pth"}):
        (name,) = choice
        with pytest.raises(UsageError, match=f"{name} is for models by name"):
            api.bench(file, results=tmp_path, **choice)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="precision is for models by name"):
        api.estimate(file, precision="fp16")
    with pytest.raises(UsageError, match="format is for models by name"):
        api.estimate(file, format="executorch")


def test_a_verb_can_be_called_however_its_package_was_imported() -> None:
    program = (
        "import seaformer; first = seaformer.report; import seaformer.report.table; "
        "assert seaformer.report is first and callable(first); "
        "assert callable(seaformer.bench) and callable(seaformer.compare)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_report_is_written_from_a_store(tmp_path: Path) -> None:
    ResultStore(tmp_path).append(measurement(1))
    made = seaformer.report(tmp_path)
    assert (tmp_path / "report.md") in made.paths
    assert all(path.is_file() for path in made.paths)
    assert len(repr(made)) < 100 * len(made.paths), "a notebook shows the pages' texts"


def test_sides_are_measurements_folders_or_files(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    path = store.append(measurement(1))
    for side in ([measurement(1)], tmp_path, str(path)):
        compared = seaformer.compare(side, [measurement(1)])
        assert compared.regressions == ()
        assert len(compared.rows) == 1
    with pytest.raises(UsageError, match="BASE has no measurement"):
        seaformer.compare([], [measurement(1)])


def test_a_notebook_shows_latency_or_instructions_and_why_a_row_is_not_valid() -> None:
    text = measurement(1)._repr_html_()
    assert text.startswith("<table>")
    assert " ms</td>" in text
    assert "M instructions" in emulated(2)._repr_html_()
    assert "failed: " in failed(3)._repr_html_()
    busy = measurement(4, flags=(Flag("pinning", True, "x"),))
    assert "no: pinning" in busy._repr_html_()


def test_a_notebook_shows_no_foreign_markup() -> None:
    hostile = replace(measurement(1), model="<script>alert(1)</script>")
    shown = Measurements([hostile, measurement(2)])
    assert "<script>" not in shown._repr_html_()
    assert shown._repr_html_().count("<tr>") == 3
    assert (len(shown), shown[:1][0], list(shown)[1]) == (2, hostile, measurement(2))
