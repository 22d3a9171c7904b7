"""Our network against numbers computed with the official implementation (real mmcv layers)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from seaformer.models import create_model
from seaformer.models.seaformer import SeaFormer, official_keys
from tests.models import golden

PAIRS = {
    "seaformer_tiny_seg_ade20k": "seaformer_t.ade20k",
    "seaformer_tiny_cls_imagenet": "seaformer_t.imagenet",
}
CASES = [(name, case) for name in PAIRS for case in range(len(golden.load(name)[0]["cases"]))]
TOLERANCE = 1e-5


def test_the_rule_for_weights_gives_the_documented_numbers() -> None:
    weight = golden.fill("example.weight", (2, 3, 1, 1), "weight")
    np.testing.assert_allclose(weight.ravel()[:3], [0.3065566, -0.6550633, -0.3380635], rtol=1e-6)
    norm = golden.fill("example.weight", (3,), "norm")
    np.testing.assert_allclose(norm, [1.0156811, 1.0687041, 0.9414654], rtol=1e-6)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The golden weights as files under their official names."""
    folder = tmp_path_factory.mktemp("official")
    for name in PAIRS:
        arrays = golden.state(golden.load(name)[0])
        torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, folder / f"{name}.pth")
    return {name: folder / f"{name}.pth" for name in PAIRS}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_outputs_agree_with_the_official_model(
    checkpoints: dict[str, Path], name: str, case: int
) -> None:
    meta, arrays = golden.load(name)
    recorded = meta["cases"][case]
    model = create_model(PAIRS[name], checkpoint=checkpoints[name])
    with torch.no_grad():
        out = model(torch.from_numpy(golden.image(recorded["input_shape"]))).numpy()
    assert list(out.shape) == recorded["output_shape"]
    seen = golden.pick(out, recorded["strides"])
    error = np.abs(seen - arrays[recorded["array"]]).max() / recorded["output_std"]
    assert error < TOLERANCE


@pytest.mark.parametrize("case", range(3))
def test_backbone_features_agree_with_the_official_model(
    checkpoints: dict[str, Path], case: int
) -> None:
    name = "seaformer_tiny_seg_ade20k"
    meta, arrays = golden.load(name)
    recorded = meta["cases"][case]
    model = create_model(PAIRS[name], checkpoint=checkpoints[name])
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
    model = create_model(PAIRS[name])
    assert isinstance(model, torch.nn.Module)
    names = official_keys(model)  # type: ignore[arg-type]
    ours = {names[key]: list(value.shape) for key, value in model.state_dict().items()}
    assert len(ours) == len(names)
    assert ours == {key: shape for key, shape, _ in meta["keys"]}
