"""Files without a manifest on an emulated ARM core, with the real engines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seaformer.bench.foreign import FileOptions, open_file
from tests import foreign
from tests.bench.emulated import bench, flags
from tests.exports import small

ELSEWHERE = FileOptions(here=False)


@pytest.mark.slow
def test_free_sizes_half_precision_external_weights_and_a_program_are_judged(
    tmp_path: Path,
) -> None:
    free = foreign.save(foreign.convolution(foreign.FREE), tmp_path / "free.onnx")
    half = foreign.save(foreign.convolution(half=True), tmp_path / "half.onnx")
    external = foreign.with_external_weights(tmp_path / "external")
    program = Path(shutil.copy(small("executorch").path, tmp_path / "net.pte"))
    artifacts = [open_file(free, FileOptions(size=(16, 24), here=False))]
    artifacts += [open_file(path, ELSEWHERE) for path in (half, external, program)]
    rows = bench(artifacts, tmp_path / "results")
    assert [row.failure for row in rows] == [None] * 4
    for row in rows:
        output = row.methods["forward"].output
        assert output is not None
        assert output.passed
        assert row.valid
        assert row.methods["forward"].counts
        assert "output unchecked" not in flags(row)
    assert rows[0].input_shape[2:] == (16, 24)
    assert "executed in fp32" not in flags(rows[1])
