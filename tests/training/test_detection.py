"""Training a detector: anchors and boxes, the two losses, what an item is, and a run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from seaformer.core.preprocessing import Labels, Preprocessing
from seaformer.data.dataset import DETECTION, Box, DataSet, Sample
from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.models._anchors import BoxDecoder, anchors
from seaformer.training.detection import box_loss, expect_background, focal_loss, match
from seaformer.training.feeding import Augmented
from seaformer.training.loop import TrainPlan, train
from seaformer.training.recipes import recipe_of

SIZE = (128, 160)
RECIPE = "seaformer_t.coco-8x1"


def test_each_box_has_its_nearest_anchor_and_what_overlaps_half_of_it() -> None:
    centres, sides = anchors(*SIZE)
    exact = torch.cat([centres[:, 100] - sides[:, 100] / 2, centres[:, 100] + sides[:, 100] / 2])
    tiny = torch.tensor([80.0, 64.0, 83.0, 67.0])
    rows = torch.stack([torch.cat([each, torch.tensor([2.0])]) for each in (exact, tiny)])
    matches = match(centres, sides, rows)
    assert matches[100] == 0
    assert (matches == 1).any()
    assert (matches == -1).sum() > len(matches) / 2
    assert set(match(centres, sides, torch.zeros(0, 5)).tolist()) == {-1}


def test_the_box_loss_is_zero_for_offsets_that_decode_to_the_box() -> None:
    centres, sides = anchors(*SIZE)
    place = 1700
    offsets = torch.zeros(4, centres.shape[1])
    offsets[:, place] = torch.tensor([0.1, -0.2, -0.3, 0.05])
    _, decoded = BoxDecoder(*SIZE)(torch.zeros(1, 1, centres.shape[1]), offsets[None])
    box = torch.cat([decoded[0, :, place], torch.tensor([0.0])])[None]
    matches = torch.full((centres.shape[1],), -1)
    matches[place] = 0
    assert float(box_loss(offsets, centres, sides, box, matches)) < 1e-5
    moved = offsets.clone()
    moved[0, place] += 0.5
    assert float(box_loss(moved, centres, sides, box, matches)) == pytest.approx(0.5, abs=1e-5)


def test_the_focal_loss_is_that_of_the_paper() -> None:
    logits = torch.tensor([[0.3, -1.0, 2.0], [-0.4, 0.0, 5.0]])  # 2 classes, 3 anchors
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0, 1.0]])
    matches = torch.tensor([0, -1, -2])  # class 1, background, neither
    expected = 0.0
    for label, anchor, hit in ((0, 0, False), (1, 0, True), (0, 1, False), (1, 1, False)):
        chance = 1 / (1 + math.exp(-float(logits[label, anchor])))
        right, weight = (chance, 0.25) if hit else (1 - chance, 0.75)
        expected -= weight * (1 - right) ** 2 * math.log(right)
    assert float(focal_loss(logits, boxes, matches)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [(300, 200), (90, 250)])  # wide, tall
def test_boxes_follow_their_image_into_the_input(tmp_path: Path, size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (0, 0, 0))
    corners = (size[0] // 2, size[1] // 4, size[0] * 3 // 4, size[1] // 2)
    ImageDraw.Draw(picture).rectangle(corners, fill=(255, 255, 255))
    path = tmp_path / "one.png"
    picture.save(path)
    crowd = Box(0, 0, 5, 5, 0, crowd=True)
    x1, y1, x2, y2 = map(float, corners)
    sample = Sample(path, boxes=(Box(x1, y1, x2, y2, 3), crowd))
    data = DataSet(tmp_path, "train", "coco", "own", DETECTION, 7, (sample,), Labels(("x",) * 7))
    plain = Preprocessing((0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "RGB")
    items = Augmented(data, recipe_of("seaformer_t.coco", RECIPE), plain, seed=0)
    flips = set()
    for iteration in range(8):
        image, boxes = items.item(iteration, 0, 0)
        assert image.shape == (3, *SIZE)
        assert boxes.shape == (1, 5)
        x1, y1, x2, y2, label = boxes[0].tolist()
        assert label == 3
        inner = image[0, round(y1) + 2 : round(y2) - 2, round(x1) + 2 : round(x2) - 2]
        assert inner.numel() > 0
        assert float(inner.min()) > 0.9
        assert float(image[0].sum()) == pytest.approx((x2 - x1) * (y2 - y1), rel=0.15)
        flips.add(round(x1))
    assert len(flips) == 2


def test_a_new_detector_expects_background() -> None:
    network = create_model("seaformer_t.coco", classes=7, size=SIZE)
    expect_background(network)
    with torch.inference_mode():
        logits, _ = network(torch.zeros(1, 3, *SIZE))
    assert float(torch.sigmoid(logits).median()) < 0.05


@pytest.mark.slow
def test_a_detector_trains_and_its_checkpoint_loads(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", 2, seed=1, task=DETECTION)
    plan = TrainPlan(
        "seaformer_t.coco", str(tmp_path / "set"), str(tmp_path / "a"), 6, RECIPE, batch=1
    )
    result = train(plan)
    losses = np.loadtxt(tmp_path / "a" / "log.csv", delimiter=",", skiprows=1)[:, 1]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert create_model("seaformer_t.coco", result.checkpoint, classes=7).checkpoint is not None
