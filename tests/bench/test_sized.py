"""Files that leave sizes free at several of them, and a stranger's module of odd sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import seaformer
from seaformer.bench.foreign import FileOptions, open_file
from seaformer.bench.run import Bench
from seaformer.bench.tails import tail_of
from seaformer.bench.targets.host import HostTarget
from seaformer.core.errors import UnknownName, UsageError
from seaformer.export import export_model
from seaformer.report.table import table_of
from seaformer.store.results import ResultStore
from tests import nets
from tests.bench.test_foreign import PLAN, bench, cache, flags  # noqa: F401  a fixture
from tests.exports import free, small


@pytest.mark.slow
def test_a_row_states_its_own_size_and_what_judged_it(tmp_path: Path) -> None:
    path = free().path
    own = open_file(path)
    other = open_file(path, FileOptions(size=(48, 112)))
    batch = open_file(path, FileOptions(shapes=(("batch", (2,)), ("height", (32,)))))
    rows = bench(tmp_path / "results", own, other, batch)
    assert [row.failure for row in rows] == [None] * 3
    assert [row.input_shape for row in rows] == [(1, 3, 64, 96), (1, 3, 48, 112), (2, 3, 32, 96)]
    assert [row.model for row in rows] == ["sixteenths", "sixteenths", "sixteenths[2x3x32x96]"]
    assert len(table_of(rows).newest.rows) == 3
    for row in rows:
        output = row.methods["forward"].output
        assert output is not None
        assert output.passed
        assert flags(row)["free sizes"] == (False, "batch, height and width")
    assert "other size" not in flags(rows[0])
    assert "reference evaluator" in flags(rows[1])["other size"][1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (FileOptions(size=(65, 96)), r"height must be a multiple of 16 for .* \(got 65\)"),
        (FileOptions(shapes=(("batch", (0,)),)), r"batch must be at least 1 for .* \(got 0\)"),
        (FileOptions(shapes=(("height", (32, 32)),)), r"--shape height must be one number"),
        (FileOptions(shapes=(("pixels", (1, 4, 32, 32)),)), r"takes 3 channels \(got 4\)"),
        (FileOptions(inputs=(("", Path("x.npy")),)), "which states its inputs"),
    ],
)
def test_a_size_that_the_file_lacks_is_one_sentence(options: FileOptions, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        open_file(free().path, options)


def test_a_name_of_no_axis_is_unknown_and_a_fixed_size_stays() -> None:
    with pytest.raises(UnknownName, match="depth"):
        open_file(free().path, FileOptions(shapes=(("depth", (1,)),)))
    with pytest.raises(UsageError, match=r"--size must be 64x96, which .* fixes \(got 32x32\)"):
        open_file(small("onnx").path, FileOptions(size=(32, 32)))


@pytest.mark.slow
def test_components_of_a_module_of_odd_sides_are_timed_beside_the_whole(tmp_path: Path) -> None:
    artifact = export_model(
        nets.Small(), shape=(1, 3, 45, 75), format="onnx", components=True, out=tmp_path
    )
    plan = replace(PLAN, components=True)
    (row,) = Bench(HostTarget(), plan, ResultStore(tmp_path / "results")).run([artifact])
    assert row.failure is None
    assert row.input_shape == (1, 3, 45, 75)
    assert list(row.methods) == ["forward", "conv", "bn", "norm", "head"]
    for run in row.methods.values():
        assert run.output is not None
        assert run.output.passed


def test_an_artifact_in_python_is_measured_at_the_size_that_is_asked_for(tmp_path: Path) -> None:
    results = tmp_path / "results"
    (row,) = seaformer.bench(
        free(), size=(32, 64), runs=2, warmup=0, repeats=1, force=True, results=results
    )
    assert row.input_shape == (1, 3, 32, 64)
    assert "free" in row.scope.split("+")
    with pytest.raises(UsageError, match=r"--size must be 64x96, which .* fixes"):
        seaformer.bench(small("onnx"), size=(32, 64), results=results)


def test_a_tail_is_of_one_image_and_of_a_known_kind() -> None:
    two = open_file(free().path, FileOptions(shapes=(("batch", (2,)),)))
    shown = replace(two, scope="logits", spec=replace(two.spec, task="segmentation"))
    with pytest.raises(UsageError, match=r"takes one output \(1, K, h, w\)"):
        tail_of(shown, "argmax")
    with pytest.raises(UnknownName, match="tail 'softmax'"):
        tail_of(small("onnx"), "softmax")
