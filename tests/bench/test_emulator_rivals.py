"""Rivals and SeaFormer++ in half precision on an emulated ARM core: half kernels, right answers.

TopFormer-T is the one that half precision carries too far off with seeded weights: its logits span
half as many of their standard deviations as SeaFormer's, so the same rounding is 6 dB nearer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.measurement import Measurement, document
from seaformer.export import export_model
from tests.bench.test_emulator import FORMATS, bench, flags

SIZE = (64, 64)
MODELS = ["seaformerpp_t.ade20k", "segformer_b0.ade20k", "mobilenetv3_s.ade20k"]


def half(model: str, format: str, folder: Path) -> Measurement:
    made = folder / "made"
    artifact = export_model(model, format=format, precision="fp16", size=SIZE, out=made)
    (found,) = bench([artifact], folder / "results")
    assert found.failure is None
    assert document(found)["methods"]["forward"]["executed_precision"] == "fp16"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("model", MODELS)
def test_half_precision_of_a_rival_is_executed_in_half_and_answers_as_the_eager_model(
    model: str, format: str, tmp_path: Path
) -> None:
    found = half(model, format, tmp_path)
    assert found.valid
    output = found.methods["forward"].output
    assert output is not None
    assert output.passed


@pytest.mark.slow
def test_half_precision_that_is_too_far_off_is_executed_in_half_and_its_row_is_not_valid(
    tmp_path: Path,
) -> None:
    found = half("topformer_t.ade20k", "onnx", tmp_path)
    assert not found.valid
    assert "wrong output" in flags(found)
