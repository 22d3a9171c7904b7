"""Files that take pixels, timed: the runners feed uint8, and their rows are rows of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.bench.run import Bench
from seaformer.bench.targets.host import HostTarget
from seaformer.core.artifact import Artifact
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.request import ExportRequest
from seaformer.export import export_request
from seaformer.report.table import table_of
from seaformer.store.results import ResultStore
from tests.bench.emulated import bench as emulate

PLAN = RunPlan(core="0", processes=1, warmup=Warmup(runs=1), stop=Stop(runs=3))


def export(folder: Path, format: str, input: str, precision: str = "fp32") -> Artifact:
    request = ExportRequest(
        "small", format, precision, module="tests.nets:Small", shape=(1, 3, 32, 48), input=input
    )
    return export_request(request, folder)


@pytest.mark.parametrize("python", [False, True], ids=["cpp", "python"])
@pytest.mark.slow
def test_pixels_are_fed_and_the_row_stands_beside_that_of_floats(
    tmp_path: Path, python: bool
) -> None:
    artifacts = [export(tmp_path, "onnx", input) for input in ("float", "uint8", "uint8-nhwc")]
    rows = Bench(HostTarget(python=python), PLAN, ResultStore(tmp_path / "results")).run(artifacts)
    assert [row.failure for row in rows] == [None] * 3
    assert [row.scope for row in rows] == ["logits", "uint8+logits", "uint8-nhwc+logits"]
    for row in rows:
        output = row.methods["forward"].output
        assert output is not None
        assert output.passed
        assert row.input_shape == (1, 3, 32, 48)
    assert len(table_of(rows).newest.rows) == 3


@pytest.mark.slow
def test_both_engines_take_pixels_on_an_emulated_core_in_either_precision(tmp_path: Path) -> None:
    artifacts = [
        export(tmp_path, "onnx", "uint8-nhwc"),
        export(tmp_path, "onnx", "uint8", "fp16"),
        export(tmp_path, "executorch", "uint8"),
        export(tmp_path, "executorch", "uint8-nhwc", "fp16"),
    ]
    rows = emulate(artifacts, tmp_path / "results")
    assert [row.failure for row in rows] == [None] * 4
    for row in rows:
        output = row.methods["forward"].output
        assert output is not None
        assert output.passed
        assert row.methods["forward"].counts
