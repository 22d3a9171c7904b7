"""What every variant is: size, cost, parts, seeded weights that hide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import seaformer.agreement
from seaformer.core.errors import UsageError
from seaformer.models import create_model, list_models, model_spec, zoo_entry
from seaformer.models._complexity import dense_macs, macs, parameters
from seaformer.models._sea_attention import PositionEmbedding
from seaformer.models.seaformer import SeaFormer

SEGMENTERS = [f"seaformer_{size}.ade20k" for size in "tsbl"]
CLASSIFIERS = [f"seaformer_{size}.imagenet" for size in "tsbl"]
PARAMS = dict(zip(SEGMENTERS, (1_667_318, 3_990_118, 8_605_654, 13_951_510), strict=True))
PARAMS |= dict(zip(CLASSIFIERS, (1_781_096, 4_105_656, 8_742_664, 14_046_504), strict=True))
PARAMS |= {"seaformer_s.cityscapes": 3_973_219, "seaformer_b.cityscapes_half": 8_584_563}
MACS_G = dict(zip(SEGMENTERS, (0.563, 1.031, 1.758, 6.340), strict=True))
MACS_G |= dict(zip(CLASSIFIERS, (0.0933, 0.1775, 0.3152, 1.161), strict=True))


def photograph(height: int, width: int) -> Tensor:
    """1 3 H W, normalised as the official evaluation does."""
    path = Path(seaformer.agreement.__path__[0]) / "photographs" / "china.jpg"
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((width, height)), np.float64)
    pixels = (pixels - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))


def run(model: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(image)
    return out


@pytest.mark.parametrize(
    "name", sorted({*PARAMS, *list_models("seaformer_t.*")} - {"seaformer_t.coco"})
)
def test_a_variant_builds_with_the_parameters_and_output_shape_of_its_spec(name: str) -> None:
    model = create_model(name)
    assert not model.training
    assert model.spec == model_spec(name)
    assert parameters(model) == zoo_entry(name).params == PARAMS.get(name, parameters(model))
    out = run(model, torch.zeros(1, 3, 64, 96))
    assert out.shape == model_spec(name, size=(64, 96)).output_shape


@pytest.mark.parametrize("name", MACS_G)
def test_multiply_accumulates_are_the_official_models_to_rounding(name: str) -> None:
    assert zoo_entry(name).macs / 1e9 == pytest.approx(MACS_G[name], rel=1e-3)


def test_multiply_accumulates_count_grouped_convolutions_once_per_group() -> None:
    grouped = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False, device="meta")
    assert macs(grouped, (1, 8, 10, 10)) == 8 * 9 * 100


def test_dense_multiply_accumulates_are_those_of_one_group_and_more_than_1x1() -> None:
    layers = (
        nn.Conv2d(3, 8, 3, stride=2, padding=1, device="meta"),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, device="meta"),
        nn.Conv2d(8, 16, 1, device="meta"),
    )
    assert dense_macs(nn.Sequential(*layers), (1, 3, 10, 10)) == 8 * 25 * 3 * 9


@pytest.mark.parametrize(("height", "width"), [(65, 97), (33, 200), (480, 480), (1, 1)])
def test_the_network_takes_any_size_and_rounds_up(height: int, width: int) -> None:
    out = run(create_model("seaformer_t"), torch.zeros(2, 3, height, width))
    assert out.shape == (2, 150, -(-height // 8), -(-width // 8))
    assert bool(out.isfinite().all())


def test_the_position_embedding_is_itself_at_sixteen_tokens_and_stretched_elsewhere() -> None:
    position = PositionEmbedding(3)
    ramp = torch.arange(16.0).expand(1, 3, 16)
    position.table = nn.Parameter(ramp.clone())
    assert torch.equal(position(16), ramp)
    torch.testing.assert_close(position(8)[0, 0], torch.arange(8) * 2 + 0.5)
    expected = ((torch.arange(7) + 0.5) * 16 / 7 - 0.5).clamp(0, 15)
    torch.testing.assert_close(position(7)[0, 0], expected)


def test_the_components_one_after_the_other_are_the_network() -> None:
    model = create_model("seaformer_l")
    assert isinstance(model, SeaFormer)
    assert tuple(name for name, _ in model.named_children()) == model.COMPONENTS
    image = torch.rand(1, 3, 64, 64)
    x8 = run(model.stem, image)
    with torch.no_grad():
        stages = model.context(x8)
        logits = model.head(model.spatial(x8, *stages))
    assert [tuple(stage.shape[1:]) for stage in stages] == [(192, 4, 4), (256, 2, 2), (320, 1, 1)]
    assert torch.equal(logits, run(model, image))


def test_a_batch_is_its_images_one_by_one() -> None:
    model = create_model("seaformer_t")
    images = torch.cat([photograph(128, 160), photograph(128, 160).flip(3)])
    together = run(model, images)
    apart = torch.cat([run(model, image[None]) for image in images])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_a_fused_block_computes_what_the_block_computes() -> None:
    model = create_model("seaformer_t")
    assert isinstance(model, SeaFormer)
    image = photograph(64, 64)
    torch.testing.assert_close(
        run(model.stem.conv.fuse(), image), run(model.stem.conv, image), rtol=1e-4, atol=1e-5
    )


# Seeded weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEGMENTERS + CLASSIFIERS)
def test_every_parameter_of_a_seeded_model_has_an_effect(name: str) -> None:
    model = create_model(name)
    model(photograph(128, 192)).square().sum().backward()
    dead = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.abs().max() > 0)
    ]
    assert not dead


BRANCHES = (
    "attention.rows.q_position.table",
    "attention.rows.k_position.table",
    "attention.rows.encode.bn.weight",
    "attention.columns.q_position.table",
    "attention.columns.k_position.table",
    "attention.columns.encode.bn.weight",
    "attention.project.bn.weight",
    "attention.detail.project.bn.weight",
    "mlp.fc2.bn.weight",
)


@pytest.mark.parametrize("branch", BRANCHES)
def test_switching_off_one_branch_of_any_layer_changes_the_output(branch: str) -> None:
    model = create_model("seaformer_t")
    image = photograph(256, 256)
    before = run(model, image)
    keys = [key for key, _ in model.named_parameters() if key.endswith(branch)]
    assert len(keys) == 4
    for key in keys:
        parameter = model.get_parameter(key)
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter.zero_()
        changed = (run(model, image) - before).abs().max() / before.std()
        assert changed > 1e-3, key
        with torch.no_grad():
            parameter.copy_(kept)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SEGMENTERS)
def test_a_photograph_gives_ordinary_numbers_and_a_varied_class_map(name: str, seed: int) -> None:
    out = run(create_model(name, seed=seed), photograph(256, 256))
    assert 0.3 < float(out.std()) < 6
    assert float(out.abs().max()) < 100
    shares = torch.bincount(out.argmax(1).flatten()) / out[0, 0].numel()
    assert int((shares > 0).sum()) > 20
    assert float(shares.max()) < 0.7


def test_the_same_seed_gives_the_same_weights_whatever_the_threads_and_the_state_of_torch() -> None:
    first = create_model("seaformer_s", seed=3).state_dict()
    torch.manual_seed(99)
    torch.set_num_threads(2)
    try:
        second = create_model("seaformer_s", seed=3).state_dict()
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(first[key], second[key]) for key in first)
    other = create_model("seaformer_s", seed=4).state_dict()
    assert not torch.equal(first["head.classify.weight"], other["head.classify.weight"])


def test_creating_a_model_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(5)
    np.random.seed(5)
    create_model("seaformer_t.imagenet")
    assert (torch.rand(1), np.random.rand()) == expected


def test_a_seeded_model_can_be_trained() -> None:
    model = create_model("seaformer_t").train()
    model(torch.rand(2, 3, 64, 64)).mean().backward()
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())


# Overrides -------------------------------------------------------------------------------------


def test_classes_and_size_change_the_spec_which_is_then_no_row_of_the_paper() -> None:
    model = create_model("seaformer_t", classes=7, size=(256, 320))
    assert model.spec.output_shape == (1, 7, 32, 40)
    assert model.spec.paper is None
    assert run(model, torch.zeros(1, 3, 256, 320)).shape == model.spec.output_shape


def test_a_field_of_the_row_can_be_replaced() -> None:
    model = create_model("seaformer_t", heads=2)
    assert parameters(model) < PARAMS["seaformer_t.ade20k"]
    assert model.spec.paper is None


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ({"clases": 3}, "classes"),
        ({"head": 3}, "heads"),
        ({"classes": 0}, "1 to 65,536 classes"),
        ({"classes": "ten"}, "1 to 65,536 classes"),
        ({"heads": 0}, "heads cannot be 0"),
        ({"heads": "four"}, "heads cannot be 'four'"),
        ({"fusion_channels": (64,)}, "2 numbers"),
        ({"size": 512}, "(height, width)"),
        ({"seed": -1}, "from 0 up"),
        ({"seed": 1.5}, "from 0 up"),
    ],
)
def test_an_override_that_cannot_be_is_a_usage_error(override: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        create_model("seaformer_t", **override)
    assert part in f"{caught.value} {caught.value.hint}"
