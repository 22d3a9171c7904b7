"""Evaluation on generated sets: perfect and real predictors, modes against torch, broken images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seaformer
from seaformer.core.errors import DataError, UsageError
from seaformer.data.dataset import DataSet
from seaformer.data.preprocessing import IMAGENET
from seaformer.data.sets import open_set, read
from seaformer.data.synth import synthesise
from seaformer.evaluation.modes import Mode, class_map
from seaformer.evaluation.predictor import Array, Predictor
from seaformer.evaluation.run import evaluate_set
from tests import exports

WHOLE = Mode(step=32)


@pytest.fixture
def shapes(tmp_path: Path) -> DataSet:
    return open_set(synthesise(tmp_path / "shapes", 10, 5).folder, "train")


def linear(classes: int, stride: int = 4) -> Predictor:
    """Scores that are a fixed mixture of the colours, at a quarter of the size."""
    weights = torch.from_numpy(np.random.default_rng(0).standard_normal((classes, 3, 1, 1)))

    def run(tensor: Array) -> Array:
        pooled = torch.nn.functional.avg_pool2d(torch.from_numpy(tensor), stride, ceil_mode=True)
        return np.asarray(torch.nn.functional.conv2d(pooled.double(), weights).float())

    return Predictor("linear", "segmentation", "logits", None, IMAGENET, run)


def by_torch(one: Predictor, image: Array, inside: tuple[int, int], flip: bool) -> Array:
    """Probabilities by torch alone: image to the input, logits to the input, to the image."""
    resize = torch.nn.functional.interpolate
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    planes = resize(planes, inside, mode="bilinear").round()
    planes = planes.flip(3) if flip else planes
    mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    logits = torch.from_numpy(one.run(((planes - mean) / std).numpy()))
    logits = resize(resize(logits, inside, mode="bilinear"), image.shape[:2], mode="bilinear")
    probabilities = logits.softmax(1)
    return np.asarray((probabilities.flip(3) if flip else probabilities)[0])


def test_whole_and_multi_scale_maps_are_those_of_torch(shapes: DataSet) -> None:
    image, one = read(shapes, shapes.samples[0]).image, linear(12)
    height, width = image.shape[:2]

    def up(side: int, ratio: float) -> int:
        return -(-int(side * ratio + 0.5) // 32) * 32

    whole = by_torch(one, image, (up(height, 1), up(width, 1)), False).argmax(0)
    assert (class_map(one, image, WHOLE) == whole).mean() > 0.999
    mode = Mode(step=32, ratios=(0.5, 1.25), flip=True)
    maps = [
        by_torch(one, image, (up(height, r), up(width, r)), flip)
        for r in mode.ratios
        for flip in (False, True)
    ]
    assert (class_map(one, image, mode) == np.sum(maps, axis=0).argmax(0)).mean() > 0.999


def test_one_window_over_all_is_the_whole_and_windows_cover_the_rest(shapes: DataSet) -> None:
    image, one = read(shapes, shapes.samples[0]).image, linear(12)
    whole = class_map(one, image, WHOLE)
    assert (class_map(one, image, Mode(step=32, window=256, stride=256)) == whole).mean() > 0.999
    assert (class_map(one, image, Mode(step=32, window=64, stride=48)) == whole).mean() > 0.9


def test_scores_follow_the_definitions_over_the_whole_set(shapes: DataSet) -> None:
    one = linear(12)
    (row,) = evaluate_set(shapes, [one], WHOLE)
    right = np.zeros((3, 12))
    for sample in shapes.samples:
        picture = read(shapes, sample)
        guess = class_map(one, picture.image, WHOLE)
        assert picture.mask is not None
        counted = picture.mask != 255
        for k in range(12):
            a, b = (guess == k) & counted, (picture.mask == k) & counted
            right[:, k] += (a & b).sum(), (a | b).sum(), b.sum()
    with np.errstate(invalid="ignore"):
        expected = 100 * np.nanmean(right[0] / right[1])
    assert row.miou == pytest.approx(expected, abs=1e-9)
    assert row.miou is not None
    assert row.miou_ci95 is not None
    assert row.miou_ci95.low <= row.miou <= row.miou_ci95.high
    assert row.images == 8


def test_broken_images_are_reported_counted_and_skipped(shapes: DataSet) -> None:
    shapes.samples[0].image.write_bytes(b"nothing")
    mask = shapes.samples[1].mask
    assert mask is not None
    Image.fromarray(np.full(np.asarray(Image.open(mask)).shape, 77, np.uint8)).save(mask)
    (row,) = evaluate_set(shapes, [linear(12)], WHOLE)
    assert (row.images, row.skipped) == (6, 2)
    assert "cannot be read" in row.broken[0]
    assert "76" in row.broken[1]
    with pytest.raises(DataError, match="none of 1 images can be used"):
        evaluate_set(shapes, [linear(12)], WHOLE, limit=1)


def test_a_model_with_more_classes_is_refused(shapes: DataSet) -> None:
    with pytest.raises(UsageError, match="classes or more"):
        evaluate_set(shapes, [linear(40)], WHOLE)


def test_a_file_agrees_with_itself_and_with_its_network(tmp_path: Path) -> None:
    folder = synthesise(tmp_path / "a b", 5, 1).folder
    names = tuple(f"class {i}" for i in range(150))
    document = {"schema": 1, "names": names, "reduce_zero": True}
    (folder / "classes.json").write_text(json.dumps(document))
    artifact = exports.small("onnx")
    first, again = seaformer.evaluate([artifact, artifact.path], data=folder)
    assert again.difference is not None
    assert (again.difference.miou, again.difference.argmax_agreement) == (0, 1)
    assert first.miou == again.miou
    assert "64x96" in first.mode
    network, file = seaformer.evaluate(artifact, model="seaformer_t", data=folder)
    assert network.images == file.images == 1
    assert file.difference is not None
    assert file.difference.base == "seaformer_t.ade20k"


def test_nothing_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No model was named"):
        seaformer.evaluate(data=tmp_path)
    with pytest.raises(UsageError, match="--stride must be from 1 to --window"):
        seaformer.evaluate(model="seaformer_t", data=tmp_path, window=64)
