"""A network with an operator that a format lacks is refused by the operator's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from seaformer.core.errors import UnsupportedOperator
from seaformer.core.precision import BASE
from seaformer.core.quiet import quiet
from seaformer.export import FORMATS
from seaformer.export._format import Format, WriteRequest
from tests.requirements import converter


class ConvThen(nn.Module):
    """A convolution, and a function of its output."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv(x))


@pytest.mark.parametrize("format", FORMATS.names())
@pytest.mark.parametrize(
    ("function", "operator"),
    [(torch.special.bessel_j0, "special_bessel_j0"), (lambda x: torch.fft.fft2(x).real, "fft")],
    ids=["bessel", "fft"],
)
def test_the_operator_that_a_format_lacks_is_named(
    format: str,
    function: Callable[[Tensor], Tensor],
    operator: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    converter(format)
    with quiet():
        writer: Format = FORMATS.load(format)
        request = WriteRequest(
            ConvThen(function).eval(), torch.rand(1, 3, 8, 8), tmp_path / "model", BASE, print
        )
        with pytest.raises(UnsupportedOperator, match=f"^{format} does not support .*{operator}"):
            writer.write(request)
    assert len(capfd.readouterr().out.splitlines()) <= 2  # the steps, not the graph
