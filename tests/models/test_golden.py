"""Our network against numbers computed with the official implementation (real mmcv layers)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from seaformer.models import FAMILIES, create_model, model_spec
from seaformer.models._complexity import parameters
from seaformer.models.seaformer import SeaFormer
from tests.models import golden

PAIRS = {
    "seaformer_tiny_seg_ade20k": "seaformer_t.ade20k",
    "seaformer_tiny_cls_imagenet": "seaformer_t.imagenet",
    "topformer_tiny_seg_ade20k": "topformer_t.ade20k",
    "segformer_b0_seg_ade20k": "segformer_b0.ade20k",
    "mobilenetv4_conv_small_imagenet": "mobilenetv4_s.imagenet",
    "mobilenetv4_conv_medium_imagenet": "mobilenetv4_m.imagenet_256",
    "edgevit_xxs_imagenet": "edgevit_xxs.imagenet",
    "edgevit_xs_imagenet": "edgevit_xs.imagenet",
    "shufflenetv2_x150_imagenet": "shufflenetv2_x150.imagenet",
    "segnext_t_ade20k": "segnext_t.ade20k",
    "lvt_cls_imagenet": "lvt_cls.imagenet",
    "hrnet_w18_small_ade20k": "hrnet_w18_small.ade20k",
    "efficientvit_b0_cityscapes": "efficientvit_b0.cityscapes",
    "efficientvit_b1_ade20k": "efficientvit_b1.ade20k",
    "convmlp_s_ade20k": "convmlp_s.ade20k",
    "mobileformer_96_imagenet": "mobileformer_96.imagenet",
    "mobileformer_151_imagenet": "mobileformer_151.imagenet",
    "setr_naive_vitl_seg_ade20k": "setr_naive_l.ade20k",
}
HEAVY = "setr_naive_vitl_seg_ade20k"  # 304 M parameters: a minute, 4 GB
MARKS = {HEAVY: pytest.mark.slow}
CASES = [
    pytest.param(name, case, marks=MARKS.get(name, ()))
    for name in PAIRS
    for case in range(len(golden.load(name)[0]["cases"]))
]
TOLERANCE = 1e-5


def test_the_rule_for_weights_gives_the_documented_numbers() -> None:
    weight = golden.fill("example.weight", (2, 3, 1, 1), "weight")
    np.testing.assert_allclose(weight.ravel()[:3], [0.3065566, -0.6550633, -0.3380635], rtol=1e-6)
    norm = golden.fill("example.weight", (3,), "norm")
    np.testing.assert_allclose(norm, [1.0156811, 1.0687041, 0.9414654], rtol=1e-6)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The golden weights as files under their official names, written when first asked for."""
    folder = tmp_path_factory.mktemp("official")

    def checkpoint(name: str) -> Path:
        path = folder / f"{name}.pth"
        if not path.exists():
            arrays = golden.state(golden.load(name)[0])
            torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, path)
        return path

    return checkpoint


@pytest.mark.parametrize(("name", "case"), CASES)
def test_outputs_agree_with_the_official_model(
    checkpoints: Callable[[str], Path], name: str, case: int
) -> None:
    meta, arrays = golden.load(name)
    recorded = meta["cases"][case]
    model = create_model(PAIRS[name], checkpoint=checkpoints(name))
    with torch.no_grad():
        image = torch.from_numpy(golden.image(recorded["input_shape"]))
        exact = "float64" in meta["output"]
        out = (model.double()(image.double()) if exact else model(image)).numpy()
    assert list(out.shape) == recorded["output_shape"]
    seen = golden.pick(out, recorded["strides"])
    error = np.abs(seen - arrays[recorded["array"]]).max() / recorded["output_std"]
    assert error < TOLERANCE


@pytest.mark.parametrize("case", range(3))
def test_backbone_features_agree_with_the_official_model(
    checkpoints: Callable[[str], Path], case: int
) -> None:
    name = "seaformer_tiny_seg_ade20k"
    meta, arrays = golden.load(name)
    recorded = meta["cases"][case]
    model = create_model(PAIRS[name], checkpoint=checkpoints(name))
    assert isinstance(model, SeaFormer)
    with torch.no_grad():
        x8 = model.stem(torch.from_numpy(golden.image(recorded["input_shape"])))
        features = (x8, *model.context(x8))
    for feature, expected in zip(features, recorded["backbone_outputs"], strict=True):
        assert list(feature.shape) == expected["shape"]
        seen = golden.pick(feature.numpy(), expected["strides"])
        assert np.abs(seen - arrays[expected["array"]]).max() / expected["std"] < TOLERANCE


@pytest.mark.parametrize("name", PAIRS)
def test_every_key_of_ours_has_exactly_one_official_name_and_the_same_shape(name: str) -> None:
    meta, _ = golden.load(name)
    spec = model_spec(PAIRS[name])
    family = FAMILIES.load(spec.family)
    with torch.device("meta"):
        model = family.build(spec)
    names = family.official_keys(model)
    ours = {names[key]: list(value.shape) for key, value in model.state_dict().items()}
    assert len(ours) == len(names)
    unused = meta["unused_keys"]
    assert ours == {key: shape for key, shape, _ in meta["keys"] if key not in unused}
    without = sum(math.prod(shape) for key, shape, _ in meta["keys"] if key in unused)
    assert parameters(model) == meta["n_params"] - without
