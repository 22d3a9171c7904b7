"""The rivals' rewrites compute the same function: proved in double precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seaformer.core.quiet import quiet
from seaformer.export._executorch.delegation import xnnpack_report
from seaformer.export.rewrites.activations import SigmoidSwish, TanhGelu
from seaformer.export.rewrites.mobilevit import FixedAttention, MapNorm
from seaformer.export.rewrites.tokens import LinearLayerNorm
from seaformer.export.rewrites.topformer import MatrixPool, WindowPool, shares
from seaformer.models import create_model
from tests.export.rewritten import rewritten

CASES = [
    ("topformer_t.ade20k", (64, 96)),  # every window alike
    ("topformer_t.ade20k", (96, 160)),  # 3x5 tokens to 2x3: windows of different sizes
    ("topformer_t_light.ade20k", (64, 96)),
    ("segformer_b0.ade20k", (64, 96)),
    ("segformer_b0_mmseg.ade20k", (64, 64)),
    ("setr_naive_t.ade20k", (64, 48)),
    ("setr_mla_t.ade20k", (64, 48)),
    ("mobilenetv3_s.ade20k", (64, 96)),
    ("efficientnet_b1.imagenet_240", (64, 96)),
    ("efficientvit_b0.ade20k", (64, 96)),
    ("segnext_t.ade20k", (64, 96)),
    ("mobilevit_xxs.imagenet_256", (64, 128)),
    ("mobilevitv2_050.imagenet_256", (64, 128)),
]


def image(height: int, width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("format", ["executorch", "onnx"])
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_a_rewritten_rival_equals_the_eager_one_to_double_precision(
    name: str, shape: tuple[int, int], format: str
) -> None:
    model = create_model(name).double()
    x = image(*shape)
    with torch.no_grad():
        expected, seen = model(x), rewritten(model, x, format)(x)
    assert (seen - expected).abs().max() / expected.std() < 1e-10


def test_layer_norms_stay_for_runtimes_that_have_them_and_go_for_xnnpack() -> None:
    model, x = create_model("segformer_b0"), torch.zeros(1, 3, 64, 64)
    kinds = {type(module) for module in rewritten(model, x, "onnx").modules()}
    assert nn.LayerNorm in kinds
    assert LinearLayerNorm not in kinds
    assert nn.LayerNorm not in {type(module) for module in rewritten(model, x).modules()}


@pytest.mark.parametrize(("places", "windows"), [(15, 8), (16, 8), (7, 4), (1, 1), (60, 8)])
def test_the_shares_of_adaptive_windows_are_those_of_torch(places: int, windows: int) -> None:
    x = torch.rand(1, 1, places, dtype=torch.float64)
    expected = F.adaptive_avg_pool1d(x, windows)
    torch.testing.assert_close(F.linear(x, shares(places, windows)), expected)


def test_a_pool_of_equal_windows_is_a_plain_one_and_another_a_product() -> None:
    pools = rewritten(create_model("topformer_t"), torch.zeros(1, 3, 64, 64)).modules()
    assert {type(pool) for pool in pools if "Pool" in type(pool).__name__} >= {WindowPool}
    network = rewritten(create_model("topformer_t"), torch.zeros(1, 3, 96, 96))
    assert MatrixPool in {type(module) for module in network.modules()}


def test_a_norm_over_everything_is_group_norm_of_one_group() -> None:
    norm = nn.GroupNorm(1, 6, eps=1e-3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(1, 6, 4, 5, dtype=torch.float64) * 3 + 1
    torch.testing.assert_close(MapNorm(norm)(x), norm(x))


def test_the_original_of_a_rival_is_left_alone() -> None:
    for name in ("segformer_b0", "setr_naive_t", "mobilevit_xxs.imagenet_256", "topformer_t"):
        model = create_model(name)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        network = rewritten(model, torch.zeros(1, 3, 64, 64))
        assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
        assert not any(isinstance(module, FixedAttention) for module in model.modules())
        assert network is not model


def test_gelu_with_tanh_is_gelu_to_half_a_step_of_a_half_and_does_not_overflow() -> None:
    x = torch.linspace(-12, 12, 20_001)
    assert float((TanhGelu()(x) - F.gelu(x)).abs().max()) < 5e-4
    far = torch.tensor([-200.0, 200.0]).half()
    assert torch.equal(TanhGelu().half()(far), torch.tensor([0.0, 200.0]).half())


def test_silu_written_out_is_silu_and_does_not_overflow() -> None:
    x = torch.linspace(-12, 12, 20_001)
    torch.testing.assert_close(SigmoidSwish()(x), F.silu(x))
    far = torch.tensor([-6e4, 6e4]).half()
    assert torch.equal(SigmoidSwish()(far), torch.tensor([0.0, 6e4]).half())


COPIES = ["dim_order_ops._to_dim_order_copy"]  # to FP32 and back


@pytest.mark.parametrize(
    ("activate", "outside"),
    [
        (nn.GELU(), ["aten.gelu"]),
        (TanhGelu(), []),
        (nn.Hardsigmoid(), COPIES),
        (nn.Hardswish(), []),
        (nn.SiLU(), COPIES),
        (SigmoidSwish(), []),
    ],
)
def test_xnnpack_takes_these_in_half_precision_only_as_rewrites_leave_them(
    activate: nn.Module, outside: list[str]
) -> None:
    network = nn.Sequential(nn.Linear(8, 16), activate, nn.Linear(16, 4)).half().eval()
    with quiet():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        captured = torch.export.export(network, (torch.zeros(1, 8).half(),))
        edge = to_edge_transform_and_lower(captured, partitioner=[XnnpackPartitioner()])
    report = xnnpack_report(edge.exported_program().graph_module)
    assert [op.op for op in report.outside] == outside
    assert (report.subgraphs == 1) == (not outside)
