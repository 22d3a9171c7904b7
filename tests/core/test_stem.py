"""What a file's name reports of how it was made."""

from __future__ import annotations

import pytest

from seaformer.core.stem import stem, variant
from seaformer.models import model_spec

INT8 = "seaformer_t.ade20k__512x512__int8"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (f"{INT8}.onnx", ""),
        (f"{INT8}__percentile.onnx", "percentile"),
        (f"{INT8}__components.pte", ""),
        (f"{INT8}__w1a2b3c4d.onnx", ""),
        (f"{INT8}__19classes__seed3__drop-0.5.onnx", "19classes drop-0.5"),
        (f"{INT8}__upsample__mse__no-axial+gelu.param", "mse no-axial+gelu"),
        ("renamed__percentile.onnx", ""),
        ("seaformer_t.ade20k", ""),
    ],
)
def test_a_variant_is_what_another_network_has_in_its_name(file: str, expected: str) -> None:
    assert variant(file, "seaformer_t.ade20k", "int8", "upsample") == expected


def test_what_an_export_adds_to_a_name_is_its_variant() -> None:
    spec = model_spec("seaformer_t")
    name = stem(spec, "int8", "logits", components=True, observer="mse", default=spec)
    assert variant(f"{name}.onnx", spec.name, "int8", "logits") == "mse"
