"""Rivals and SeaFormer++ in half precision on an emulated ARM core: half kernels, right answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.measurement import document
from seaformer.export import export_model
from tests.bench.test_emulator import FORMATS, bench

MODELS = [
    *("seaformerpp_t.ade20k", "topformer_t.ade20k"),
    *("segformer_b0.ade20k", "mobilenetv3_s.ade20k"),
]


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("model", MODELS)
def test_half_precision_of_a_rival_is_executed_in_half_and_answers_as_the_eager_model(
    model: str, format: str, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    artifact = export_model(model, format=format, precision="fp16", size=(64, 64), out=made)
    (found,) = bench([artifact], tmp_path / "results")
    assert found.failure is None
    assert found.valid
    output = found.methods["forward"].output
    assert output is not None
    assert output.passed
    told = document(found)["methods"]["forward"]
    assert told["executed_precision"] == "fp16"
    assert told["fma_fp32"] < 0.01 * told["fma_fp16"]
