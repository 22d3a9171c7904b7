"""LiteRT exports, proved in both precisions.

The converter brings jax and half a minute of work for each file, so these run before a release.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seaformer.core.errors import SeaFormerError
from seaformer.core.precision import PrecisionName
from seaformer.export import export_model
from seaformer.runtime import describe_file, load_session
from tests.nets import Small
from tests.requirements import module

pytestmark = pytest.mark.zoo
INSTALL = "pip install 'seaformer[litert]'"
SHAPE = (1, 3, 34, 46)


@pytest.fixture(autouse=True)
def packages() -> None:
    module("litert_torch", INSTALL)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_file_is_proved_and_answers_as_the_network_does(
    precision: PrecisionName, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = Small().eval()
    made = export_model(net, shape=SHAPE, format="litert", precision=precision, out=tmp_path)
    assert (made.parity.verified_by, made.parity.runtime) == ("prediction", "litert")
    described = describe_file(made.path)
    assert described.precision == precision
    half = precision == "fp16"
    assert ("float16" in described.weights) == half
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = net(x).numpy()
    (seen,) = load_session(made).run([x.numpy()])
    np.testing.assert_allclose(seen, expected, atol=2e-2 if half else 1e-5)


class Spectrum(nn.Module):
    """An operator that LiteRT does not convert."""

    def forward(self, image: Tensor) -> Tensor:
        values: Tensor = torch.linalg.svdvals(image)
        return values


def test_a_network_that_cannot_be_converted_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SeaFormerError, match="litert"):
        export_model(Spectrum().eval(), shape=SHAPE, format="litert", out=tmp_path)
    assert not list(tmp_path.glob("*.tflite"))
