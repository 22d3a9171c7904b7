"""MobileNets and their kin: figures of their own papers, and outputs of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seaformer.core import paper
from seaformer.models import FAMILIES, create_model, list_models, resolve_name, zoo_entry
from tests import requirements
from tests.models import golden

# Multiply-accumulates (M) and parameters (M): table 6 of MobileNetV1's paper (569 is of table 8),
# and for MobileNetV2 its paper's tables 4 and the figures published beside its weights.
OWN_PAPERS = {
    "mobilenetv1_x025.imagenet": (41, 0.5),
    "mobilenetv1_x050.imagenet": (149, 1.3),
    "mobilenetv1_x075.imagenet": (325, 2.6),
    "mobilenetv1_x100.imagenet": (569, 4.2),
    "mobilenetv2_x035.imagenet": (59, 1.66),
    "mobilenetv2_x050.imagenet": (97, 1.95),
    "mobilenetv2_x075.imagenet": (209, 2.61),
    "mobilenetv2_100.imagenet": (300, 3.47),
    "mobilenetv2_x130.imagenet": (509, 5.34),
    "mobilenetv2_x140.imagenet": (582, 6.06),
    # Row 4 of table 7 of MobileNetV3's paper; its figure has the norms.
    "mobilenetv2_r_lraspp.cityscapes": (12_570, 0.98),
}


@pytest.mark.parametrize("name", OWN_PAPERS)
def test_a_mobilenet_costs_what_its_own_paper_prints(name: str) -> None:
    entry, (macs_m, params_m) = zoo_entry(name), OWN_PAPERS[name]
    assert entry.macs / 1e6 == pytest.approx(macs_m, rel=0.03)
    assert entry.params / 1e6 == pytest.approx(params_m, rel=0.06)


def test_every_network_timed_on_the_sd855_is_a_model() -> None:
    lines = paper.lines("sd855_paddlelite")
    assert len(lines) == 8
    for line in lines:
        width = round(100 * float(line["width"]))
        name = f"{line['model'].replace('_', '')}_x{width:03}.imagenet"
        assert resolve_name(name) in list_models("mobilenetv[12]_*.imagenet")


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mobilenetv2_x100", "mobilenetv2_100.imagenet"),
        ("mobilenetv3_l_x100.imagenet", "mobilenetv3_l.imagenet"),
    ],
)
def test_a_width_of_one_may_be_spelled_as_the_others_are(alias: str, name: str) -> None:
    assert resolve_name(alias) == name


@pytest.mark.parametrize("size", ["s0", "s4"])
def test_mobileone_computes_what_apples_trained_form_computed(size: str, tmp_path: Path) -> None:
    """Its branches (4, a 1x1, a norm alone; with gates in S4) are folded from the checkpoint."""
    meta, arrays = golden.load(f"mobileone_{size}_imagenet")
    state = {key: torch.from_numpy(value) for key, value in golden.state(meta).items()}
    torch.save(state, tmp_path / "trained.pth.tar")
    model = create_model(f"mobileone_{size}", tmp_path / "trained.pth.tar")
    assert model.checkpoint is not None
    assert model.checkpoint.layout == "apple/ml-mobileone, as trained"
    for case in meta["cases"]:
        with torch.no_grad():
            out = model(torch.from_numpy(golden.image(case["input_shape"]))).numpy()
        error = np.abs(out - arrays[case["array"]]).max() / case["output_std"]
        assert error < 3e-5  # rounding through 44 layers with gates; a branch left out gives 0.1


@pytest.mark.parametrize("name", ["repvit_m0_9", "efficientformer_l1", "efficientformerv2_s0"])
def test_a_network_computes_what_timms_trained_form_computed(name: str, tmp_path: Path) -> None:
    """Two heads are folded from the checkpoint, and RepViT's mixers.

    In float64, as recorded: in float32 timm's own networks are up to 5e-5 from it.
    """
    meta, arrays = golden.load(f"{name}_imagenet")
    state = {key: torch.from_numpy(value) for key, value in golden.state(meta).items()}
    torch.save(state, tmp_path / "trained.pth")
    model = create_model(name, tmp_path / "trained.pth")
    assert model.checkpoint is not None
    assert model.checkpoint.layout == "timm, as trained"
    for case in meta["cases"]:
        with torch.no_grad():
            image = torch.from_numpy(golden.image(case["input_shape"]))
            out = model.double()(image.double()).numpy()
        error = np.abs(out - arrays[case["array"]]).max() / case["output_std"]
        assert error < 3e-5  # of weights that are rounded to float32


@pytest.mark.parametrize(
    ("name", "macs_g"),
    [("m0_9", 0.8156), ("m1_0", 1.1061), ("m1_1", 1.3371), ("m1_5", 2.2736), ("m2_3", 4.5160)],
)
def test_repvit_costs_what_timms_deployed_form_costs(name: str, macs_g: float) -> None:
    assert zoo_entry(f"repvit_{name}").macs / 1e9 == pytest.approx(macs_g, rel=1e-4)


CLASSIFIER, SEGMENTER = "ForImageClassification", "ForSemanticSegmentation"
EFFICIENTNET = {"width_coefficient": 1.0, "hidden_dim": 1280}


def mobilevit(inside: list[int], necks: list[int], expansion: float) -> dict[str, Any]:
    """A configuration of the library's."""
    return {"hidden_sizes": inside, "neck_hidden_sizes": necks, "expand_ratio": expansion}


# Class, task and configuration of the library, and a size where all its paddings are ours too:
# EfficientNet's block 16 is padded for odd maps alone, MobileViTv2 cuts the border of odd ones off.
LIBRARY: dict[str, tuple[str, str, dict[str, Any], tuple[int, int]]] = {
    "mobilenetv1_x050.imagenet": ("MobileNetV1", CLASSIFIER, {"depth_multiplier": 0.5}, (64, 75)),
    "mobilenetv2_100.imagenet": ("MobileNetV2", CLASSIFIER, {}, (64, 75)),
    "mobilenetv2_x035.imagenet": ("MobileNetV2", CLASSIFIER, {"depth_multiplier": 0.35}, (64, 75)),
    "mobilenetv2_laspp.ade20k": ("MobileNetV2", SEGMENTER, {"output_stride": 16}, (64, 75)),
    "efficientnet_b0.imagenet": (
        "EfficientNet",
        CLASSIFIER,
        EFFICIENTNET | {"depth_coefficient": 1.0},
        (64, 96),
    ),
    "efficientnet_b1.imagenet_240": (
        "EfficientNet",
        CLASSIFIER,
        EFFICIENTNET | {"depth_coefficient": 1.1, "depthwise_padding": [16]},
        (80, 112),
    ),
    "mobilevit_xxs.imagenet_256": (
        "MobileViT",
        CLASSIFIER,
        mobilevit([64, 80, 96], [16, 16, 24, 48, 64, 80, 320], 2.0),
        (96, 75),
    ),
    "mobilevit_s.imagenet_256": (
        "MobileViT",
        CLASSIFIER,
        mobilevit([144, 192, 240], [16, 32, 64, 96, 128, 160, 640], 4.0),
        (64, 96),
    ),
    "mobilevitv2_075.imagenet_256": (
        "MobileViTV2",
        CLASSIFIER,
        {"width_multiplier": 0.75},
        (64, 128),
    ),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_a_network_computes_what_the_transformers_library_computes(name: str) -> None:
    """With the same weights under the library's names; one side of some images is odd."""
    transformers = requirements.module("transformers", requirements.DEV)
    family, task, fields, size = LIBRARY[name]
    model = create_model(name, seed=1)
    names = FAMILIES.load(model.spec.family).official_keys(model)
    state = {names[key]: value for key, value in model.state_dict().items()}
    config = getattr(transformers, f"{family}Config")(num_labels=model.spec.classes, **fields)
    theirs = getattr(transformers, family + task)(config).eval()
    if task == SEGMENTER:  # it computes MobileNetV2's last 1x1 and uses it nowhere
        unused = {key: v for key, v in theirs.state_dict().items() if ".conv_1x1." in key}
        state |= unused
    theirs.load_state_dict(state, strict=True)
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(model(image), theirs(image).logits, rtol=1e-4, atol=1e-5)


def test_mobilenetv2_of_torchvision_and_mmsegmentation_have_their_names() -> None:
    """Some of each, and what only they have: a bare last convolution, numbered stages."""
    expected = {
        "mobilenetv2_100_torchvision.imagenet": (
            "features.0.0.weight",
            "features.0.1.running_var",
            "features.1.conv.0.0.weight",
            "features.1.conv.1.weight",
            "features.1.conv.2.bias",
            "features.2.conv.0.0.weight",
            "features.17.conv.2.weight",
            "features.17.conv.3.weight",
            "features.18.1.bias",
            "classifier.1.weight",
            "classifier.1.bias",
        ),
        "mobilenetv2_fcn.cityscapes": (
            "backbone.conv1.conv.weight",
            "backbone.layer1.0.conv.0.conv.weight",
            "backbone.layer1.0.conv.1.bn.bias",
            "backbone.layer7.0.conv.2.conv.weight",
            "backbone.layer4.3.conv.0.bn.weight",
            "decode_head.convs.1.conv.weight",
            "decode_head.conv_cat.bn.bias",
            "decode_head.conv_seg.bias",
        ),
        "mobilenetv2_psp.cityscapes": (
            "decode_head.psp_modules.3.1.conv.weight",
            "decode_head.psp_modules.0.1.bn.weight",
            "decode_head.bottleneck.conv.weight",
            "decode_head.conv_seg.weight",
        ),
    }
    for name, some in expected.items():
        model = create_model(name, classes=3)
        names = FAMILIES.load(model.spec.family).official_keys(model)
        assert set(some) <= set(names.values())
        assert not any(key.startswith("backbone.blocks") for key in names.values())
