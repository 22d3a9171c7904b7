"""Rivals and SeaFormer++ in half precision on an emulated ARM core: half kernels, right answers.

TopFormer-T at 64x64 is the one that half precision carries too far off with seeded weights: the
same rounding as SeaFormer's, over logits that span half as many of their standard deviations.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from seaformer.core.engine import FormatName
from seaformer.core.measurement import Measurement, document
from seaformer.export import export_model
from tests.bench.emulated import FORMATS, bench, flags

SMALL = (64, 64)
MODELS = [
    ("seaformerpp_t.ade20k", SMALL),
    ("topformer_t.ade20k", (256, 256)),
    ("segformer_b0.ade20k", SMALL),
    ("mobilenetv3_s.ade20k", SMALL),
]
IN_CI = [("seaformerpp_t.ade20k", SMALL, "onnx")]


def _halves() -> list[object]:
    every = [(model, size, format) for model, size in MODELS for format in FORMATS]
    marks = [pytest.mark.slow if one in IN_CI else pytest.mark.zoo for one in every]
    return [pytest.param(*one, marks=mark) for one, mark in zip(every, marks, strict=True)]


def half(model: str, format: FormatName, size: tuple[int, int], folder: Path) -> Measurement:
    made = folder / "made"
    artifact = export_model(model, format=format, precision="fp16", size=size, out=made)
    assert artifact.delegation is None or artifact.delegation.subgraphs == 1
    (found,) = bench([artifact], folder / "results")
    assert found.failure is None
    assert document(found)["methods"]["forward"]["executed_precision"] == "fp16"
    return found


@pytest.mark.parametrize(("model", "size", "format"), _halves())
def test_half_precision_of_a_rival_is_executed_in_half_and_answers_as_the_eager_model(
    model: str, size: tuple[int, int], format: FormatName, tmp_path: Path
) -> None:
    found = half(model, format, size, tmp_path)
    assert found.valid
    output = found.methods["forward"].output
    assert output is not None
    assert output.passed


@pytest.mark.zoo
def test_half_precision_that_is_too_far_off_is_executed_in_half_and_its_row_is_not_valid(
    tmp_path: Path,
) -> None:
    found = half("topformer_t.ade20k", "onnx", SMALL, tmp_path)
    assert not found.valid
    assert "wrong output" in flags(found)
