"""Metrics against a second implementation from the definitions, resizing against torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seaformer.data.metrics import ClassCounts, confusion, in_top
from seaformer.data.resample import bilinear, resize_pixels
from seaformer.data.transforms import (
    SegmentationRecipe,
    aligned,
    augment,
    evaluation_crop,
    size_within,
)

CLASSES = 6


def by_definition(prediction: list[int], labels: list[int]) -> tuple[float, float, float]:
    """mIoU, mAcc and aAcc with sets of positions, one class at a time."""
    counted = {i for i, label in enumerate(labels) if label != 255}
    iou, acc, right = [], [], 0
    for number in range(CLASSES):
        guess = {i for i in counted if prediction[i] == number}
        truth = {i for i in counted if labels[i] == number}
        right += len(guess & truth)
        if guess | truth:
            iou.append(len(guess & truth) / len(guess | truth))
        if truth:
            acc.append(len(guess & truth) / len(truth))
    return 100 * sum(iou) / len(iou), 100 * sum(acc) / len(acc), 100 * right / len(counted)


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_the_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, 4, 255], (13, 17)).astype(np.uint8)  # 3 and 5: never labelled
    prediction = rng.integers(0, 4, (13, 17))  # 5: never predicted either
    scores = ClassCounts.of(prediction, labels, CLASSES).scores()
    expected = by_definition(prediction.reshape(-1).tolist(), labels.reshape(-1).tolist())
    assert (scores.miou, scores.macc, scores.aacc) == pytest.approx(expected, abs=1e-9)
    assert scores.iou[3] == 0
    assert math.isnan(scores.iou[5])
    matrix = confusion(prediction, labels, CLASSES)
    assert ClassCounts.of_confusion(matrix).scores().iou[:5] == scores.iou[:5]


def test_counts_add_up_over_images() -> None:
    rng = np.random.default_rng(0)
    labels, prediction = (rng.integers(0, CLASSES, (2, 5, 5)) for _ in range(2))
    whole = ClassCounts.of(prediction, labels, CLASSES)
    parts = [ClassCounts.of(p, m, CLASSES) for p, m in zip(prediction, labels, strict=True)]
    assert ((parts[0] + parts[1]).stacked() == whole.stacked()).all()


@pytest.mark.parametrize("sizes", [((8, 12), (61, 90), (40, 33)), ((20, 9), (7, 4))])
def test_bilinear_steps_are_those_of_torch(sizes: tuple[tuple[int, int], ...]) -> None:
    planes = np.random.default_rng(1).standard_normal((1, 3, *sizes[0])).astype(np.float32)
    expected = torch.from_numpy(planes)
    for size in sizes[1:]:
        expected = torch.nn.functional.interpolate(
            expected, size, mode="bilinear", align_corners=False
        )
    np.testing.assert_allclose(bilinear(planes, *sizes[1:]), expected.numpy(), atol=2e-6)


def test_pixels_are_resized_without_smoothing_as_torch_does() -> None:
    image = np.random.default_rng(2).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    expected = torch.nn.functional.interpolate(planes, (21, 96), mode="bilinear")
    resized = resize_pixels(image, (21, 96)).transpose(2, 0, 1)
    assert np.abs(resized - expected[0].numpy()).max() <= 0.501


def test_sizes_follow_the_recipe() -> None:
    assert size_within((1024, 2048), (1024, 512)) == (512, 1024)
    assert size_within((480, 640), (2048, 512)) == (512, 683)
    assert aligned((512, 683)) == (512, 704)
    assert evaluation_crop(np.zeros((300, 400, 3), np.uint8)).shape == (224, 224, 3)


@pytest.mark.parametrize("image", [(100, 100), (100, 300), (300, 100), (7, 5)])
@pytest.mark.parametrize("size", [(64, 96), (96, 64), (64, 64), (32, 320)])
def test_a_central_crop_of_any_shape_is_the_middle_of_the_image(
    image: tuple[int, int], size: tuple[int, int]
) -> None:
    pixels = np.zeros((*image, 3), np.uint8)
    pixels[image[0] // 2 :, image[1] // 2 :] = 200
    crop = evaluation_crop(pixels, size, round(min(size) * 256 / 224))
    assert crop.shape == (*size, 3)
    assert crop[0, 0, 0] < 50
    assert crop[-1, -1, 0] > 150


def test_augmentation_repeats_with_its_seed() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)
    mask = rng.integers(0, 5, (60, 80)).astype(np.uint8)
    recipe = SegmentationRecipe(box=(128, 64), crop=(48, 48))
    a, b, c = (augment(image, mask, recipe, np.random.default_rng(s)) for s in (7, 7, 8))
    assert (a[0] == b[0]).all()
    assert (a[1] == b[1]).all()
    assert a[0].shape != c[0].shape or (a[0] != c[0]).any()
    assert a[0].shape[:2] == a[1].shape


def test_of_equal_scores_the_first_is_better() -> None:
    scores = np.array([0.5, 0.9, 0.9, 0.1])
    assert [in_top(scores, label, 1) for label in range(4)] == [False, True, False, False]
    assert [in_top(scores, label, 2) for label in range(4)] == [False, True, True, False]


def test_scores_are_those_of_torchmetrics() -> None:
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_jaccard_index,
    )

    rng = np.random.default_rng(3)
    guesses, masks = rng.integers(0, 6, (4, 40, 50)), rng.integers(0, 6, (4, 40, 50))
    masks[:, :9] = 255
    guesses[masks == 5] = 5
    counts = ClassCounts.none(6)
    for guess, mask in zip(guesses, masks, strict=True):
        counts = counts + ClassCounts.of(guess, mask, 6)
    scores = counts.scores()
    theirs = [torch.from_numpy(each) for each in (guesses, masks)]
    iou = multiclass_jaccard_index(*theirs, 6, average="none", ignore_index=255)
    acc = multiclass_accuracy(*theirs, 6, average="macro", ignore_index=255)
    every = multiclass_accuracy(*theirs, 6, average="micro", ignore_index=255)
    np.testing.assert_allclose(scores.iou, 100 * iou.numpy(), rtol=1e-5)
    assert scores.macc == pytest.approx(100 * float(acc), rel=1e-5)
    assert scores.aacc == pytest.approx(100 * float(every), rel=1e-5)
