"""Rewrites of SeaFormer++, the students, the ablations and the detector, in double precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seaformer.export.rewrites._axial import FixedPlusAttention
from seaformer.export.rewrites.attention import FixedWindows
from seaformer.models import create_model, list_models
from seaformer.models._plus_attention import PlusAttention
from tests.export.rewritten import rewritten
from tests.models.test_seaformer_plus import CHOICES

NAMES = ["seaformerpp_t.ade20k", "seaformerpp_s.imagenet", "seaformerpp_t_kd.ade20k"]
SLOW = [
    *(f"seaformerpp_{size}{kind}.ade20k" for size in "sbl" for kind in ("", "_kd")),
    *list_models("seaformer_*_*.ade20k"),
]


def image(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)


def difference(model: nn.Module, x: Tensor, format: str = "executorch") -> float:
    with torch.no_grad():
        expected, seen = model(x), rewritten(model, x, format)(x)
    pairs = zip(expected, seen, strict=True) if isinstance(expected, tuple) else [(expected, seen)]
    return max(float((a - b).abs().max() / a.std()) for a, b in pairs)


@pytest.mark.parametrize(
    "name", [*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_rewritten_network_equals_the_eager_one_to_double_precision(name: str) -> None:
    assert difference(create_model(name).double(), image(128, 192)) < 1e-10


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_rewritten_choice_equals_the_eager_one_to_double_precision(choice: dict[str, Any]) -> None:
    model = create_model("seaformerpp_t", **choice).double()
    assert difference(model, image(96, 160)) < 1e-10


def test_places_beyond_the_edge_of_a_window_are_a_constant_of_the_rewritten_network() -> None:
    model, x = create_model("seaformer_t_attention_local").double(), image(96, 160)
    network = rewritten(model, x)
    windows = [module for module in network.modules() if isinstance(module, FixedWindows)]
    assert len(windows) == 4
    assert any(module.beyond.min() < 0 for module in windows)  # 3x5 is cut into 3x4
    captured = torch.export.export(network, (x,))
    made = {str(node.target) for node in captured.graph.nodes}
    assert not {name for name in made if "ones" in name or "full" in name}
    assert difference(model, x) < 1e-10


@pytest.mark.parametrize("format", [pytest.param("executorch", marks=pytest.mark.slow), "onnx"])
def test_rewritten_detector_equals_the_eager_one_to_double_precision(format: str) -> None:
    assert difference(create_model("seaformerpp_t.coco").double(), image(96, 160), format) < 1e-10


def test_a_mask_of_the_wrong_head_is_seen() -> None:
    model = create_model("seaformerpp_t").double()
    x = image(128, 128)
    network = rewritten(model, x)
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(FixedPlusAttention) == 4
    assert PlusAttention not in kinds
    block = next(m for m in network.modules() if isinstance(m, FixedPlusAttention))
    with torch.no_grad():
        first = block.from_x.weight[block.v_end : block.v_end + 2]
        first.copy_(first.flip(0).clone())
        assert (network(x) - model(x)).abs().max() / model(x).std() > 1e-4
