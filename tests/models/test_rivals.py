"""The rivals: their costs, their answers, their checkpoints, what is particular to each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seaformer.agreement import images
from seaformer.models import FAMILIES, _complexity, create_model
from seaformer.models.setr import PositionedTokens
from seaformer.models.topformer import TopFormer
from tests import requirements
from tests.models.meta import on_meta

# Parameters and multiply-accumulates (G) of the official implementations, counted with them.
OFFICIAL = {
    "topformer_t.ade20k": (1_389_654, 0.534),
    "topformer_t.ade20k_448": (1_389_654, 0.408),
    "topformer_s.ade20k": (3_034_662, 1.112),
    "topformer_b.ade20k": (5_062_646, 1.752),
    "pp_mobileseg_t.ade20k": (1_492_298, 0.7065),
    "pp_mobileseg_b.ade20k": (5_943_878, 2.0981),
    "mobilenetv4_s.imagenet": (3_774_024, 0.186006),
    "mobilenetv4_m.imagenet_256": (9_715_512, 1.080244),
    "mobileone_s0.imagenet": (2_078_504, 0.2751),
    "mobileone_s1.imagenet": (4_764_840, 0.8251),
    "mobileone_s2.imagenet": (7_808_168, 1.2984),
    "mobileone_s3.imagenet": (10_078_312, 1.8958),
    "mobileone_s4.imagenet": (14_838_352, 2.9793),
    "efficientvit_b0.cityscapes": (706_691, 4.391436),
    "efficientvit_b1.cityscapes": (4_803_443, 25.105007),
    "efficientvit_b1.ade20k": (4_791_414, 3.090416),
    "segnext_t.ade20k": (4_263_414, 6.404342),
    # The official code adds up windows by an operator that is not counted.
    "lvt_cls.imagenet": (5_521_844, 0.888816 + 0.008129),
    "edgevit_xxs.imagenet": (4_067_704, 0.551263),
    "edgevit_xs.imagenet": (6_770_056, 1.127815),
    # Without the second classifier, of 448_000 and 176_000 weights and 1000 biases.
    "efficientformer_l1.imagenet": (12_289_928 - 449_000, 1.291285 - 0.000448),
    "efficientformerv2_s0.imagenet": (3_600_256 - 177_000, 0.395893 - 0.000176),
    "shufflenetv2_x150.imagenet": (3_503_624, 0.2958),  # torchvision states 0.296
    "mobileformer_96.imagenet": (4_585_252, 0.092017),
    "mobileformer_151.imagenet": (7_595_828, 0.146249),
    "mobileformer_508.imagenet": (13_976_976, 0.498468),
    "segformer_b0.ade20k": (3_752_694, 8.388),
    "segformer_b1.ade20k": (13_715_798, 15.878),
    "segformer_b2.ade20k": (27_461_974, 62.338),
    "segformer_b3.ade20k": (47_337_814, 78.963),
    "segformer_b4.ade20k": (64_108_374, 95.568),
    "segformer_b5.ade20k_640": (84_708_694, 183.141),
    "setr_naive_l.ade20k": (304_450_710, 362.9),
    "setr_pup_l.ade20k": (308_318_870, 425.2),
}


TORCHVISION = {  # as its documentation prints them
    ("mobilenetv3_l.imagenet", 1000): 5_483_032,
    ("mobilenetv3_s.imagenet", 1000): 2_542_856,
    ("mobilenetv3_l.ade20k", 21): 3_221_538,
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_parameters_and_macs_are_the_official_models(name: str) -> None:
    network, spec = on_meta(name)
    params, macs_g = OFFICIAL[name]
    assert _complexity.parameters(network) == params
    assert _complexity.macs(network, spec.input_shape) / 1e9 == pytest.approx(macs_g, rel=1e-3)


@pytest.mark.parametrize(("name", "classes"), TORCHVISION)
def test_mobilenetv3_has_the_parameters_of_torchvisions(name: str, classes: int) -> None:
    network, _ = on_meta(name, classes=classes)
    assert _complexity.parameters(network) == TORCHVISION[name, classes]


def test_lr_aspp_computes_what_torchvisions_head_computes() -> None:
    """Its layers one after the other; the backbone's norms have 1e-3, the head's PyTorch's 1e-5."""
    head = create_model("mobilenetv3_s", classes=21).get_submodule("head")
    low, high = torch.randn(1, 24, 8, 12), torch.randn(1, 576, 4, 6)
    w = head.state_dict()
    with torch.no_grad():
        w["project.bn.running_var"].fill_(0.01)  # where an epsilon is seen
        x = F.conv2d(high, w["project.conv.weight"])
        norm = (w[f"project.bn.{end}"] for end in ("running_mean", "running_var", "weight", "bias"))
        x = F.relu(F.batch_norm(x, *norm))
        x = x * torch.sigmoid(F.conv2d(F.adaptive_avg_pool2d(high, 1), w["gate.weight"]))
        x = F.interpolate(x, size=(8, 12), mode="bilinear", align_corners=False)
        expected = F.conv2d(low, w["classify.low.weight"], w["classify.low.bias"])
        expected = expected + F.conv2d(x, w["classify.high.weight"], w["classify.high.bias"])
        torch.testing.assert_close(head(low, high), expected)
    backbone = create_model("mobilenetv3_s").get_submodule("backbone")
    assert {m.eps for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


# How near table 13 the light head comes: 0.626 G for 0.64, 1.194 for 1.19, 1.858 for 1.85.
LIGHT = {"t": 0.025, "s": 0.005, "b": 0.005}


@pytest.mark.parametrize("size", LIGHT)
def test_the_light_head_on_topformer_costs_what_table_13_prints_and_the_simple_one_does_not(
    size: str,
) -> None:
    network, spec = on_meta(f"topformer_{size}_light.ade20k")
    simple, _ = on_meta(f"topformer_{size}.ade20k")
    assert spec.paper is not None
    assert spec.paper.flops_g is not None
    near = pytest.approx(spec.paper.flops_g, rel=LIGHT[size])
    assert _complexity.paper_flops(network, spec.input_shape) / 1e9 == near
    assert _complexity.paper_flops(simple, spec.input_shape) / 1e9 != near
    assert round(_complexity.parameters(network) / 1e6, 1) == spec.paper.params_m


FAMILY_NAMES = [
    "pp_mobileseg_t.ade20k",
    "pp_mobileseg_b.ade20k",
    "topformer_t.ade20k",
    "topformer_t_light.ade20k",
    "segformer_b0.ade20k",
    "segformer_b0_mmseg.ade20k",
    "setr_naive_t.ade20k",
    "setr_pup_t.ade20k",
    "setr_mla_t.ade20k",
    "mobilenetv3_s.ade20k",
    "mobilenetv3_s.imagenet",
    "mobilenetv3_l_x035.imagenet",
    "mobilenetv1_x025.imagenet",
    "mobilenetv2_100.imagenet",
    "mobilenetv2_100_torchvision.imagenet",
    "mobilenetv4_s.imagenet",
    "mobilenetv4_m.imagenet_256",
    "mobileone_s0.imagenet",
    "mobileone_s4.imagenet",
    "repvit_m0_9.imagenet",
    "mobilenetv2_r_lraspp.cityscapes",
    "mobilenetv2_fcn.cityscapes",
    "mobilenetv2_psp.cityscapes",
    "mobilenetv2_laspp.ade20k",
    "mobilenetv2_lraspp.ade20k",
    "mobilenetv2_deeplabv3plus.ade20k",
    "mobilevit_xxs.imagenet_256",
    "mobilevitv2_050.imagenet_256",
    "efficientnet_b1.imagenet_240",
    "efficientnet_b0_deeplabv3plus.ade20k",
    "edgevit_xxs.imagenet",
    "efficientformer_l1.imagenet",
    "efficientformerv2_s0.imagenet",
    "shufflenetv2_x150_deeplabv3plus.ade20k",
    "mobileformer_96.imagenet",
    "resnet18_lite_aspp.ade20k",
    "mobilenetv2_lite_aspp.ade20k",
    "hrnet_w18_small.ade20k",
    "convmlp_s.ade20k",
    "efficientvit_b0.ade20k",
    "efficientvit_b1.cityscapes",
    "segnext_t.ade20k",
    "lvt_cls.imagenet",
]


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_seeded_rival_gives_ordinary_numbers_on_which_every_parameter_has_an_effect(
    name: str,
) -> None:
    """PP-MobileSeg attends at 1/64: of one row no position can count."""
    size = (128, 192) if name.startswith("pp_mobileseg") else (64, 128)
    model = create_model(name, size=size)
    out = model(torch.from_numpy(images.photograph("china", *size)))
    assert out.shape == model.spec.output_shape
    assert 0.05 < float(out.detach().std()) < 50
    assert tuple(n for n, _ in model.named_children()) == model.COMPONENTS
    out.square().sum().backward()
    assert [key for key, value in model.named_parameters() if not _moves(value)] == []


def _moves(parameter: nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.abs().max() > 0)


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_rivals_weights_load_back_under_their_official_names(name: str, tmp_path: Path) -> None:
    first = create_model(name, seed=1)
    names = FAMILIES.load(first.spec.family).official_keys(first)
    assert len(set(names.values())) == len(names)
    state = {names[key]: value for key, value in first.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    again = create_model(name, checkpoint=tmp_path / "w.pth").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in first.state_dict().items())


FIRST_BASES = [0.06733490526676178, 0.028662577271461487, 0.004635135177522898]


def test_segnexts_factorisation_starts_alike_from_every_seed_of_a_file_without_bases(
    tmp_path: Path,
) -> None:
    bases = "decode_head.hamburger.ham.bases"
    first = create_model("segnext_t", seed=1)
    names = FAMILIES.load("segnext").official_keys(first)
    state = {names[key]: value for key, value in first.state_dict().items()}
    torch.save({"state_dict": {k: v for k, v in state.items() if k != bases}}, tmp_path / "w.pth")
    one, other = (
        create_model("segnext_t", checkpoint=tmp_path / "w.pth", seed=seed) for seed in (2, 3)
    )
    seen = one.state_dict()["head.factorise.bases"]
    assert torch.equal(seen, other.state_dict()["head.factorise.bases"])
    assert not torch.equal(seen, state[bases])
    assert float(seen.min()) >= 0
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(1, 16))
    torch.testing.assert_close(seen.flatten()[:3], torch.tensor(FIRST_BASES), rtol=0, atol=1e-7)


def test_resnet18s_stages_compute_what_the_transformers_librarys_do() -> None:
    """At 1/32, where nothing is dilated; that library has another stem."""
    transformers = requirements.module("transformers", requirements.DEV)
    backbone = create_model("resnet18_lite_aspp", seed=1, stride=32).get_submodule("backbone")
    config = transformers.ResNetConfig(
        embedding_size=64, hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], layer_type="basic"
    )
    theirs = transformers.ResNetModel(config).encoder.eval()
    state = {}
    for key, value in backbone.state_dict().items():
        if key.startswith("stages."):
            stage, block, rest = key.removeprefix("stages.").split(".", 2)
            for ours, name in (
                ("conv1", "layer.0"),
                ("conv2", "layer.1"),
                (".conv.", ".convolution."),
            ):
                rest = rest.replace(ours, name)
            state[f"stages.{stage}.layers.{block}.{rest.replace('.bn.', '.normalization.')}"] = (
                value
            )
    theirs.load_state_dict(state, strict=True)
    x = torch.randn(1, 64, 24, 40, generator=torch.Generator().manual_seed(2))
    stages = backbone.get_submodule("stages")
    assert isinstance(stages, nn.ModuleList)
    with torch.no_grad():
        expected = theirs(x).last_hidden_state
        for resnet_stage in stages:
            x = resnet_stage(x)
    torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-5)


def test_setrs_positions_are_resized_and_the_class_token_keeps_its_own() -> None:
    tokens = PositionedTokens(2, (4, 4), class_token=True)
    ramp = torch.arange(16.0).reshape(4, 4)
    with torch.no_grad():
        tokens.table[0, 0] = 100.0
        tokens.table[0, 1:] = ramp.reshape(16, 1)
        out = tokens(torch.zeros(1, 2, 8, 4))
        same = tokens(torch.zeros(1, 2, 4, 4))
    assert out.shape == (1, 33, 2)
    assert float(out[0, 0, 0]) == 100.0
    assert torch.equal(same[0, 1:, 0], ramp.flatten())
    rows = out[0, 1:, 0].reshape(8, 4)[:, 0]
    torch.testing.assert_close(rows, torch.tensor([0.0, 1, 3, 5, 7, 9, 11, 12]))


def test_setr_of_another_tag_has_a_table_of_that_tags_grid_and_keeps_it_at_another_size() -> None:
    network, _ = on_meta("setr_naive_l.pascal_context", size=(64, 64))
    assert network.get_parameter("encoder.tokens.table").shape == (1, 1 + 30 * 30, 1024)


def test_topformer_pools_to_half_of_the_last_map_rounded_up() -> None:
    model = create_model("topformer_t")
    assert isinstance(model, TopFormer)
    with torch.no_grad():
        maps = model.pyramid(torch.zeros(1, 3, 160, 96))
        assert model.context.pool(*maps).shape == (1, 208, 3, 2)


def test_deeplabv3plus_on_mobilenetv2_costs_what_the_paper_prints() -> None:
    network, spec = on_meta("mobilenetv2_deeplabv3plus.ade20k")
    assert spec.paper is not None
    assert _complexity.parameters(network) / 1e6 == pytest.approx(spec.paper.params_m, rel=0.03)
    macs_g = _complexity.macs(network, spec.input_shape) / 1e9
    assert macs_g == pytest.approx(spec.paper.flops_g, rel=0.02)
