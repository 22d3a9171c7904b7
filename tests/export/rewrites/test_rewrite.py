"""Rewrites compute the same function: proved in double precision, where rounding hides nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seaformer.export.rewrites.attention import FixedSeaAttention
from seaformer.export.rewrites.fusion import FoldedFusionBlock
from seaformer.models import create_model
from seaformer.models._blocks import ConvBN
from seaformer.models._sea_attention import SeaAttention
from tests.export.rewritten import rewritten

SIZES = ["t", "s", *(pytest.param(size, marks=pytest.mark.slow) for size in "bl")]


def image(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(64, 96), (224, 32)])
def test_rewritten_network_equals_the_eager_one_to_double_precision(
    size: str, shape: tuple[int, int]
) -> None:
    model = create_model(f"seaformer_{size}.ade20k").double()
    x = image(*shape)
    with torch.no_grad():
        expected, seen = model(x), rewritten(model, x)(x)
    # float32 scale factors inside the seeded weights are exact in double: only order differs.
    assert (seen - expected).abs().max() / expected.std() < 1e-10


@pytest.mark.parametrize("size", SIZES)
def test_rewritten_classifier_equals_the_eager_one_to_double_precision(size: str) -> None:
    model = create_model(f"seaformer_{size}.imagenet").double()
    x = image(96, 160)
    with torch.no_grad():
        expected, seen = model(x), rewritten(model, x)(x)
    assert (seen - expected).abs().max() / expected.std() < 1e-10


def test_a_rewrite_that_forgets_the_half_of_the_hard_sigmoid_is_seen() -> None:
    model = create_model("seaformer_t.ade20k").double()
    x = image(64, 64)
    network = rewritten(model, x)
    gate = next(m.gate for m in network.modules() if isinstance(m, FoldedFusionBlock))
    with torch.no_grad():
        assert gate.bias is not None
        gate.bias.sub_(0.5)
        assert (network(x) - model(x)).abs().max() / model(x).std() > 1e-2


def test_every_norm_and_every_attention_block_is_rewritten_and_the_original_is_left_alone() -> None:
    model = create_model("seaformer_t.ade20k")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    network = rewritten(model, torch.zeros(1, 3, 64, 64))
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(FixedSeaAttention) == 4
    assert not {ConvBN, SeaAttention, nn.BatchNorm2d} & set(kinds)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_rewritten_network_has_no_scalars_that_would_stay_outside_a_delegate() -> None:
    network = rewritten(create_model("seaformer_t.ade20k"), torch.zeros(1, 3, 64, 64))
    exported = torch.export.export(network, (torch.zeros(1, 3, 64, 64),))
    assert not [name for name in exported.constants if "lifted" in name]
