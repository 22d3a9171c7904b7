"""Half precision of LiteRT files: made of a file in single precision, which needs no converter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seaformer.runtime import describe_file
from tests import tflite
from tests.requirements import module


@pytest.fixture(autouse=True)
def package() -> None:
    module("ai_edge_litert", tflite.INSTALL)


def halved(path: Path) -> Path:
    from seaformer.export._litert.half import in_half_precision

    half = path.with_name("half.tflite")
    half.write_bytes(in_half_precision(path))
    return half


def test_weights_are_of_16_bits_and_the_file_allows_to_compute_in_them(tmp_path: Path) -> None:
    from seaformer.runtime.litert import open_session

    single = tflite.convolution(tmp_path / "single.tflite", signatures=("serving_default",))
    half = halved(single)
    described = describe_file(half)
    assert described.precision == "fp16"
    assert described.metadata["reduced_precision_support"] == "fp16accfp16"
    assert described.weights == {"float16": 4 * 3 * 9, "float32": 4}  # a short bias stays
    assert described.operators == {"DEQUANTIZE": 1, "CONV_2D": 1}
    assert half.stat().st_size < single.stat().st_size + 300
    image = np.random.default_rng(0).standard_normal(tflite.SIZES).astype(np.float32)
    ours, theirs = (open_session(path).run([image])[0] for path in (half, single))
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    assert np.abs(ours - theirs).max() > 0


def test_a_transpose_within_a_product_becomes_an_operator(tmp_path: Path) -> None:
    from seaformer.runtime.litert import open_session

    half = halved(tflite.product(tmp_path / "product.tflite"))
    assert describe_file(half).operators == {"TRANSPOSE": 1, "BATCH_MATMUL": 1}
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((1, 6, n)).astype(np.float32) for n in (4, 5))
    (seen,) = open_session(half).run([a, b])
    np.testing.assert_allclose(seen, a.transpose(0, 2, 1) @ b, atol=2e-2)
