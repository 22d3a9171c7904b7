"""The detector: size and cost beside the paper's, anchors, boxes, layouts of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seaformer.core.errors import WeightsMismatch
from seaformer.models import create_model, model_spec, zoo_entry
from seaformer.models._anchors import BoxDecoder, anchors
from seaformer.models._fpn import NearestDouble
from seaformer.models._tags import ANCHORS_PER_PLACE, anchor_count
from seaformer.models.retinanet import RetinaHead, RetinaNet, official_keys
from tests.models.test_networks import photograph

# In M and in per cent off the paper's (table 15); why L is short is said in the family's file.
PAPER = {
    "seaformer_t.coco": (10.9, 0.5),
    "seaformer_s.coco": (13.3, 0.5),
    "seaformer_b.coco": (18.1, 0.5),
    "seaformer_l.coco": (24.0, 2.1),
    "seaformerpp_t.coco": (11.0, 0.7),
    "seaformerpp_s.coco": (13.4, 0.5),
    "seaformerpp_b.coco": (18.2, 0.5),
    "seaformerpp_l.coco": (24.1, 1.9),
}


@pytest.fixture(scope="module")
def tiny() -> RetinaNet:
    model = create_model("seaformer_t.coco")
    assert isinstance(model, RetinaNet)
    return model


def run(model: RetinaNet, image: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        found: tuple[Tensor, Tensor] = model(image)
    return found


@pytest.mark.parametrize("name", PAPER)
def test_size_and_cost_are_the_papers(name: str) -> None:
    entry = zoo_entry(name)
    params_m, per_cent = PAPER[name]
    assert entry.spec.paper is not None
    assert entry.spec.paper.params_m == params_m
    assert entry.spec.paper.flops_g is not None
    assert entry.params / 1e6 == pytest.approx(params_m, rel=per_cent / 100)
    assert entry.macs / 1e9 == pytest.approx(entry.spec.paper.flops_g, rel=0.012)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (160, 32), (65, 97)])
def test_outputs_are_logits_and_offsets_of_every_anchor(
    tiny: RetinaNet, height: int, width: int
) -> None:
    logits, offsets = run(tiny, torch.zeros(2, 3, height, width))
    assert logits.shape == (2, 80, anchor_count(height, width))
    assert offsets.shape == (2, 4, anchor_count(height, width))
    if height % 32 == 0:
        assert (
            model_spec("seaformer_t.coco", size=(height, width)).output_shape[1:]
            == (logits.shape[1:])
        )


def test_every_parameter_of_a_seeded_detector_has_an_effect(tiny: RetinaNet) -> None:
    logits, offsets = tiny(photograph(256, 256))
    assert 0.3 < float(logits.detach().std()) < 6
    (logits.square().sum() + offsets.square().sum()).backward()
    dead = [
        name
        for name, parameter in tiny.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.abs().max() > 0)
    ]
    tiny.zero_grad()
    assert not dead


def test_an_anchors_values_stand_together_place_by_place() -> None:
    head = RetinaHead(channels=4, depth=1, classes=3)
    for layer in (head.classify, head.regress):
        torch.nn.init.zeros_(layer.weight)
        assert layer.bias is not None
        with torch.no_grad():
            layer.bias.copy_(torch.arange(len(layer.bias)))
    with torch.no_grad():
        logits, offsets = head(torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 1, 2))
    assert logits.shape == (1, 3, (6 + 2) * ANCHORS_PER_PLACE)
    for place, anchor in ((0, 0), (4, 7), (7, 8)):
        column = place * ANCHORS_PER_PLACE + anchor
        assert logits[0, :, column].tolist() == [anchor * 3 + k for k in range(3)]
        assert offsets[0, :, column].tolist() == [anchor * 4 + k for k in range(4)]


def test_anchors_are_three_shapes_of_three_sizes_around_every_place() -> None:
    centres, sides = anchors(64, 96)
    assert centres.shape == sides.shape == (2, anchor_count(64, 96))
    # mmdetection's first base anchor of stride 8 is (-22.627, -11.314, 22.627, 11.314).
    assert sides[:, 0].tolist() == pytest.approx([45.2548, 22.6274], abs=1e-3)
    assert sides[:, 3].tolist() == pytest.approx([32, 32])
    areas = sides.prod(0)[:9].reshape(3, 3)
    torch.testing.assert_close(areas, (32 * 2 ** (torch.arange(3) / 3)).square().expand(3, 3))
    assert centres[:, 9].tolist() == [8, 0]
    assert centres[:, 12 * 9].tolist() == [0, 8]
    assert sides[:, -1].max() == pytest.approx(128 * 4 * 2 ** (2 / 3) * 2**0.5, rel=1e-5)


def test_offsets_move_and_stretch_an_anchor_and_boxes_stay_in_the_image() -> None:
    decoder = BoxDecoder(64, 96)
    count = anchor_count(64, 96)
    place = (3 * 12 + 5) * 9 + 3  # a 32x32 anchor at x = 40, y = 24
    offsets = torch.zeros(1, 4, count)
    offsets[0, :, place] = torch.tensor([0.25, -0.125, 0.0, float(torch.tensor(0.5).log())])
    scores, boxes = decoder(torch.zeros(1, 2, count), offsets)
    assert boxes[0, :, place].tolist() == pytest.approx([32, 12, 64, 28])
    assert float(scores.min()) == float(scores.max()) == 0.5
    assert boxes[0, :, 0].tolist() == pytest.approx([0, 0, 22.627, 11.314], abs=1e-2)
    offsets[:] = 99
    _, huge = decoder(torch.zeros(1, 2, count), offsets)
    assert bool(huge.isfinite().all())
    assert float(huge[:, 0::2].max()) <= 96
    assert float(huge[:, 1::2].max()) <= 64


@pytest.mark.parametrize(("height", "width"), [(6, 10), (5, 9), (1, 2), (25, 42)])
def test_doubling_is_the_nearest_neighbour_of_the_finer_map(height: int, width: int) -> None:
    x = torch.rand(1, 3, -(-height // 2), -(-width // 2))
    finer = torch.zeros(1, 3, height, width)
    rows, columns = torch.arange(height) // 2, torch.arange(width) // 2
    seen = NearestDouble()(x, finer)
    assert torch.equal(seen, x[:, :, rows][:, :, :, columns])
    assert torch.equal(seen, F.interpolate(x, size=(height, width), mode="nearest"))


def test_a_size_that_is_no_multiple_of_a_stride_has_an_anchor_for_each_output(
    tiny: RetinaNet,
) -> None:
    size = (96, 133)
    logits, offsets = run(tiny, torch.zeros(1, 3, *size))
    assert logits.shape[1:] == model_spec("seaformer_t.coco", size=size).output_shape[1:]
    assert logits.shape[-1] == offsets.shape[-1] == anchor_count(*size)
    assert anchors(*size)[0].shape == (2, anchor_count(*size))


# Checkpoints -------------------------------------------------------------------------------------


def saved(folder: Path, name: str, *, own: bool = False, classes: int | None = None) -> Path:
    model = create_model(name, seed=1, classes=classes)
    assert isinstance(model, RetinaNet)
    names = {k: k for k in model.state_dict()} if own else official_keys(model)
    path = folder / "detector.pth"
    torch.save({"state_dict": {names[k]: v for k, v in model.state_dict().items()}}, path)
    return path


def test_names_are_those_of_mmdetection_and_of_the_official_backbone(tiny: RetinaNet) -> None:
    keys = official_keys(tiny)
    assert keys.keys() == tiny.state_dict().keys()
    assert len(set(keys.values())) == len(keys)
    assert keys["neck.laterals.0.weight"] == "neck.lateral_convs.0.conv.weight"
    assert keys["neck.extra.0.bias"] == "neck.fpn_convs.4.conv.bias"
    assert keys["head.class_tower.6.weight"] == "bbox_head.cls_convs.3.conv.weight"
    assert keys["head.box_tower.0.bias"] == "bbox_head.reg_convs.0.conv.bias"
    assert keys["head.classify.weight"] == "bbox_head.retina_cls.weight"
    assert keys["stem.conv.conv.weight"] == "backbone.smb1.stem_block.0.c.weight"


@pytest.mark.parametrize(("name", "own"), [("seaformer_t", False), ("seaformerpp_t", True)])
def test_a_detectors_checkpoint_loads(tmp_path: Path, name: str, own: bool) -> None:
    path = saved(tmp_path, f"{name}.coco", own=own)
    loaded = create_model(f"{name}.coco", checkpoint=path).state_dict()
    expected = create_model(f"{name}.coco", seed=1).state_dict()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def test_another_number_of_classes_is_recognised(tmp_path: Path) -> None:
    path = saved(tmp_path, "seaformer_t.coco", classes=20)
    with pytest.raises(WeightsMismatch) as caught:
        create_model("seaformer_t.coco", checkpoint=path)
    assert "--classes 20" in caught.value.hint
    loaded = create_model("seaformer_t.coco", checkpoint=path, classes=20)
    assert loaded.spec.classes == 20


def test_a_segmentation_model_is_not_a_detector(tmp_path: Path) -> None:
    path = saved(tmp_path, "seaformer_t.coco")
    with pytest.raises(WeightsMismatch) as caught:
        create_model("seaformer_t.ade20k", checkpoint=path)
    assert "seaformer_t.coco" in caught.value.hint
