"""What the reasons in ``core/paper/differences.csv`` say was counted, counted.

Networks are built on the meta device: only shapes are followed.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seaformer.core import paper
from seaformer.models import FAMILIES, _complexity, list_models, model_spec, zoo_entry
from seaformer.models._aspp import LrAspp
from seaformer.models._blocks import ConvBN
from seaformer.models.mobilenetv3 import SIZES, BneckRow

Counted = tuple[float, float]  # parameters in M, FLOPs in G


def built(name: str, classes: int | None = None, **fields: object) -> nn.Module:
    spec = model_spec(name, classes=classes)
    with torch.device("meta"):
        network: nn.Module = FAMILIES.load(spec.family).build(spec, **fields).eval()
    return network


def counted(name: str, network: nn.Module) -> Counted:
    flops = _complexity.paper_flops(network, model_spec(name).input_shape)
    return _complexity.parameters(network) / 1e6, flops / 1e9


def printed(name: str) -> float:
    row = model_spec(name).paper
    assert row is not None
    assert row.flops_g is not None
    return row.flops_g


def with_dense_scale(name: str) -> nn.Module:
    """The head's scale per channel made a 1x1 convolution that mixes channels."""
    network = built(name)
    head = network.get_submodule("head")
    channels = head.get_parameter("scale.conv.weight").shape[0]
    with torch.device("meta"):
        head.add_module("scale", ConvBN(channels, channels).eval())
    return network


@pytest.mark.parametrize(
    ("name", "dense"),
    [
        ("seaformer_s.pascal_context", 0.978),
        ("seaformer_s.pascal_context_59", 0.977),
        ("seaformer_s.coco_stuff", 1.152),
        ("seaformerpp_s.pascal_context", 0.986),
        ("seaformerpp_s.pascal_context_59", 0.985),
        ("seaformerpp_s.coco_stuff", 1.161),
    ],
)
def test_a_dense_head_counts_what_tables_4_and_5_print_for_s(name: str, dense: float) -> None:
    _, flops = counted(name, with_dense_scale(name))
    assert flops == pytest.approx(dense, abs=5e-4)
    assert flops == pytest.approx(printed(name), rel=0.015)
    if name.startswith("seaformer_"):
        assert round(flops, 2) == printed(name)


@pytest.mark.parametrize("size", ["t", "b"])
@pytest.mark.parametrize("tag", ["pascal_context", "coco_stuff"])
def test_t_and_b_are_nearer_to_these_tables_with_the_released_head(size: str, tag: str) -> None:
    name = f"seaformer_{size}.{tag}"
    released, dense = (counted(name, n)[1] for n in (built(name), with_dense_scale(name)))
    assert abs(released - printed(name)) < abs(dense - printed(name))


def test_a_dense_head_on_topformer_t_counts_what_table_4_prints_and_table_5_with_150_classes() -> (
    None
):
    pascal, coco = "topformer_t.pascal_context", "topformer_t.coco_stuff"
    for name in (pascal, f"{pascal}_59"):
        assert round(counted(name, built(name, dense_head=True))[1], 2) == printed(name) == 0.53
    _, ours = counted(coco, built(coco, dense_head=True))
    _, fewer = counted(coco, built(coco, 150, dense_head=True))
    assert (round(ours, 3), round(fewer, 3)) == (0.654, 0.643)
    assert round(fewer, 2) == printed(coco) == 0.64


@pytest.mark.parametrize(
    ("size", "without", "agrees"), [("xxs", 0.329, False), ("xs", 0.909, True), ("s", 1.823, True)]
)
def test_mobilevit_is_counted_without_norms_and_products_of_attention_except_xxs(
    size: str, without: float, agrees: bool
) -> None:
    name = f"mobilevit_{size}.imagenet_256"
    network = built(name)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.empty(model_spec(name).input_shape, device="meta"))
    counts = counter.get_flop_counts()["Global"]
    plain = sum(n for op, n in counts.items() if op is not torch.ops.aten.bmm) / 2e9
    assert plain == pytest.approx(without, abs=5e-4)
    assert (round(plain, 1) == printed(name)) == agrees


def test_mobilevitv2_075s_figure_is_of_multiply_accumulates_alone() -> None:
    name = "mobilevitv2_075.imagenet_256"
    entry = zoo_entry(name)
    assert round(entry.macs / 1e9, 1) == printed(name) != round(entry.paper_flops / 1e9, 1)


def test_efficientnet_b1_with_the_originals_padding_counts_what_table_14_prints() -> None:
    """TensorFlow's padding answers at 8x8 for 240x240, that of the transformers library at 7x7."""
    name = "efficientnet_b1.imagenet_240"
    network = built(name)
    _, high = network.get_submodule("backbone")(torch.empty(1, 3, 240, 240, device="meta"))
    assert high.shape[-2:] == (8, 8)
    _, flops = counted(name, network)
    assert round(flops, 2) == 0.71
    assert round(flops, 1) == printed(name)


@pytest.mark.parametrize(
    ("changes", "params", "flops"),
    [({}, 16.87, 26.96), ({"stride": 8}, 16.87, 74.18), ({"depth": 110}, 19.37, 29.29)],
)
def test_efficientnets_deeplabv3plus_counts_what_table_2_prints_as_b0_at_a_sixteenth(
    changes: dict[str, int], params: float, flops: float
) -> None:
    name = "efficientnet_b0_deeplabv3plus.ade20k"
    seen = counted(name, built(name, **changes))
    assert (round(seen[0], 2), round(seen[1], 2)) == (params, flops)
    near = pytest.approx(printed(name), rel=0.01)
    assert (seen[1] == near) == (not changes)


def test_shufflenets_deeplabv3plus_counts_the_papers_parameters_with_an_auxiliary_head() -> None:
    """On the map at 1/16: a dense 3x3 with its norm, and a classifier."""
    name = "shufflenetv2_x150_deeplabv3plus.ade20k"
    params, flops = counted(name, built(name))
    auxiliary = (352 * 256 * 9 + 2 * 256 + 257 * 150) / 1e6
    assert (round(params, 2), round(flops, 1)) == (16.02, printed(name)) == (16.02, 15.3)
    assert round(params + auxiliary, 1) == 16.9


@pytest.mark.parametrize(
    ("name", "auxiliary", "params", "flops"),
    [
        ("mobilenetv2_lite_aspp.ade20k", 96, 2.829, 4.440),
        ("resnet18_lite_aspp.ade20k", 256, 12.337, 19.205),
    ],
)
def test_both_lite_aspps_count_what_table_2_prints_with_mmsegmentations_auxiliary_head(
    name: str, auxiliary: int, params: float, flops: float
) -> None:
    """On the map at 1/16 before the last stage: a dense 3x3 to 64 channels, and a classifier."""
    seen = counted(name, built(name))
    assert (round(seen[0], 3), round(seen[1], 3)) == (params, flops)
    row = model_spec(name).paper
    assert row is not None
    assert round(seen[0] + (auxiliary * 64 * 9 + 2 * 64 + 65 * 150) / 1e6, 1) == row.params_m
    assert round(seen[1], 1) == row.flops_g
    other, _ = counted(name, built(name, head_channels=256))
    assert round(other, 1) > row.params_m


def halved(name: str) -> Counted:
    """MobileNetV3 reduced by two, the expansion of the last stage's first line included."""
    rows = list(SIZES["lr"].rows)
    at = max(i for i, row in enumerate(rows) if row.stride == 2)
    assert rows[at] == BneckRow(5, 672, 80, True, True, 2)
    rows[at] = rows[at]._replace(hidden=336)
    return counted(name, built(name, rows=tuple(rows)))


def test_mobilenetv3_lr_halved_one_line_earlier_counts_the_papers_flops() -> None:
    params, flops = halved("mobilenetv3_lr.ade20k")
    assert (round(params, 2), round(flops, 2)) == (1.53, 1.31)
    assert round(flops, 1) == printed("mobilenetv3_lr.ade20k")
    params, flops = halved("mobilenetv3_lr.cityscapes")
    assert (round(params, 2), round(flops, 2)) == (1.51, 9.72)
    assert round(flops, 1) == printed("mobilenetv3_lr.cityscapes")


def test_mobilenetv3_small_with_a_wider_classifier_has_the_papers_parameters() -> None:
    name = "mobilenetv3_s.imagenet"
    row = model_spec(name).paper
    assert row is not None
    params, _ = counted(name, built(name, hidden=1280))
    assert round(params, 3) == 2.947
    assert round(params, 1) == row.params_m


def test_what_is_not_explained_is_not_explained_by_what_was_tried() -> None:
    name = "mobilenetv2_lraspp.ade20k"
    found = []
    for channels in (256, 512):
        network = built(name)
        with torch.device("meta"):
            network.add_module("head", LrAspp(32, 320, channels, 150).eval())
        found.append(tuple(round(figure, 2) for figure in counted(name, network)))
    assert found == [(2.02, 2.73), (2.22, 2.97)]
    entry = zoo_entry("mobilenetv3_l.ade20k")
    assert round(entry.macs / 1e9, 2) == 2.06


def test_reasons_name_models_that_there_are() -> None:
    for reason in paper.differences():
        assert list_models(reason.model), reason.model
        assert reason.figure in ("params", "flops")
