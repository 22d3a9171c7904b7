"""Evaluation on generated sets: perfect and real predictors, modes against torch, broken images."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import seaformer
from seaformer.agreement.images import network_tensor, read_pixels
from seaformer.core.errors import DataError, UsageError
from seaformer.core.preprocessing import Preprocessing
from seaformer.data.check import check_set
from seaformer.data.dataset import DataSet
from seaformer.data.preprocessing import IMAGENET
from seaformer.data.sets import open_set, read
from seaformer.data.synth import synthesise
from seaformer.evaluation.modes import Mode, class_map
from seaformer.evaluation.predictor import Array, Predictor, of_file, of_session
from seaformer.evaluation.run import evaluate_set
from seaformer.evaluation.subject import subject_of
from seaformer.models import network_maker
from seaformer.store.accuracy import load
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

    prepare = partial(network_tensor, preprocessing=IMAGENET)
    return Predictor("linear", "segmentation", "logits", None, prepare, run)


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
    (row,) = evaluate_set(shapes, [one], [WHOLE])
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
    (row,) = evaluate_set(shapes, [linear(12)], [WHOLE])
    assert (row.images, row.skipped) == (6, 2)
    assert "cannot be read" in row.broken[0]
    assert "76" in row.broken[1]
    with pytest.raises(DataError, match="none of 1 image can be used"):
        evaluate_set(shapes, [linear(12)], [WHOLE], limit=1)


def test_a_pipe_is_not_waited_for_and_masks_without_a_label_are_refused(shapes: DataSet) -> None:
    first, second = shapes.samples[:2]
    first.image.unlink()
    os.mkfifo(first.image)
    assert second.mask is not None
    Image.fromarray(np.zeros_like(np.asarray(Image.open(second.mask)))).save(second.mask)
    with pytest.raises(DataError, match="jpg cannot be read as an image: it is not a regular file"):
        read(shapes, first)
    with pytest.raises(UsageError, match="it is not a regular file"):
        read_pixels(first.image, 8, 8)
    assert "cannot be read" in " ".join(check_set(shapes.folder).faults)
    with pytest.raises(DataError, match="no pixel of 1 image has a label of a class"):
        evaluate_set(shapes, [linear(12)], [WHOLE], limit=2)


def test_a_model_with_more_classes_is_refused(shapes: DataSet) -> None:
    with pytest.raises(UsageError, match="classes or more"):
        evaluate_set(shapes, [linear(40)], [WHOLE])


def test_a_file_agrees_with_itself_and_with_its_network(tmp_path: Path, results: Path) -> None:
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
    records, damaged = load(results)
    assert not damaged
    kept = {(one.format, one.artifact_sha256, one.miou) for one in records}
    assert kept == {("onnx", artifact.sha256, first.miou), ("", "", network.miou)}
    assert len(records) == 4
    assert {(one.model, one.data, one.images) for one in records} == {
        ("seaformer_t.ade20k", "a b", 1)
    }


@pytest.mark.parametrize("kind", ["logits", "channels last", "argmax"])
def test_a_file_of_anybody_is_evaluated(shapes: DataSet, tmp_path: Path, kind: str) -> None:
    weights = np.random.default_rng(0).standard_normal((12, 3, 1, 1)).astype(np.float32)
    make, tensor = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    nhwc = kind == "channels last"
    nodes = [make("Conv", ["x", "w"], ["y"])]
    if nhwc:
        nodes.insert(0, make("Transpose", ["image"], ["x"], perm=[0, 3, 1, 2]))
        nodes.append(make("Transpose", ["y"], ["out"], perm=[0, 2, 3, 1]))
    if kind == "argmax":
        nodes.append(make("ArgMax", ["y"], ["out"], axis=1, keepdims=0))
    graph = onnx.helper.make_graph(
        nodes, "any",
        [tensor("image" if nhwc else "x", 1, [1, 64, 96, 3] if nhwc else [1, 3, 64, 96])],
        [tensor("y" if kind == "logits" else "out", 7 if kind == "argmax" else 1, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "any.onnx")
    grey = (127.5, 127.5, 127.5)
    (row,) = seaformer.evaluate(
        tmp_path / "any.onnx", data=shapes.folder, split="train", size=(64, 96), mean=grey, std=grey
    )
    own = Preprocessing(grey, grey, "RGB")

    def run(array: Array) -> Array:
        return np.asarray(np.einsum("kc,bchw->bkhw", weights[:, :, 0, 0], array))

    prepare = partial(network_tensor, preprocessing=own)
    same = Predictor("same", "segmentation", "logits", (64, 96), prepare, run)
    (expected,) = evaluate_set(shapes, [same], [WHOLE])
    assert row.images == expected.images == 8
    bound = 3.0 if kind == "argmax" else 0.02  # of classes the nearest is taken, of scores none
    assert row.miou == pytest.approx(expected.miou, abs=bound)


def test_a_file_without_a_map_or_scores_is_refused(shapes: DataSet, tmp_path: Path) -> None:
    make, tensor = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    shape = onnx.numpy_helper.from_array(np.array([-1]), "shape")
    graph = onnx.helper.make_graph(
        [make("Reshape", ["x", "shape"], ["y"])], "any",
        [tensor("x", 1, [1, 3, 32, 32])], [tensor("y", 1, [3072])], [shape],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "flat.onnx")
    with pytest.raises(UsageError, match=r"must be logits 1xKxHxW.*got float32 3072"):
        seaformer.evaluate(tmp_path / "flat.onnx", data=shapes.folder, split="train")


def test_nothing_named_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No model was named"):
        seaformer.evaluate(data=tmp_path)
    with pytest.raises(UsageError, match="--stride must be from 1 to --window"):
        seaformer.evaluate(model="seaformer_t", data=tmp_path, window=64)


def test_options_without_an_effect_and_impossible_ones_are_refused(tmp_path: Path) -> None:
    of_network, of_file = {"model": "seaformer_t"}, {"files": tmp_path / "x.onnx"}
    nan = float("nan")
    for options, sentence in (
        (of_network | {"window": -5, "stride": 1}, "--window must be at least 0 (got -5)."),
        (of_network | {"stride": 10}, "--stride requires --window (got 10 and no window)."),
        (of_network | {"size": (64, 64)}, "are for model files, and none is named."),
        (of_network | {"mean": (1.0, 2.0, 3.0)}, "are for model files, and none is named."),
        (of_file | {"size": (0, 64)}, "--size must have sides from 1 to 16384 (got 0x64)."),
        (of_file | {"mean": (nan, 1.0, 1.0)}, "--mean must be finite numbers"),
        (of_file | {"std": (0.0, 1.0, 1.0)}, "--std must be numbers other than 0"),
    ):
        with pytest.raises(UsageError, match=re.escape(sentence)):
            seaformer.evaluate(data=tmp_path, results=tmp_path / "results", **options)
    assert list(tmp_path.iterdir()) == []


def test_results_that_cannot_be_kept_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="file/accuracy cannot be written"):
        seaformer.evaluate(model="seaformer_t", data="no set", results=tmp_path / "file")


def test_windows_and_scales_are_refused_where_they_have_no_effect(shapes: DataSet) -> None:
    fixed = replace(linear(shapes.classes), size=(64, 64))
    scales = Mode(ratios=(0.5, 1.0), flip=True)
    with pytest.raises(UsageError, match="--multi-scale is not supported for linear"):
        evaluate_set(shapes, [fixed], [scales], limit=1)
    kinds = replace(shapes, task="classification")
    for mode in (scales, Mode(window=64, stride=64)):
        with pytest.raises(UsageError, match="are for segmentation, not for classification"):
            evaluate_set(kinds, [fixed], [mode], limit=1)
    (row,) = evaluate_set(shapes, [fixed], [Mode(window=64, stride=64)], limit=1)
    assert row.mode == "windows of 64 every 64"


def test_a_classifier_that_ends_with_the_class_is_refused_by_name(tmp_path: Path) -> None:
    kinds = open_set(synthesise(tmp_path / "kinds", 10, 1, "classification").folder, "train")
    one = replace(linear(kinds.classes), task="classification", scope="argmax")
    with pytest.raises(UsageError, match="linear ends with the best class alone") as caught:
        evaluate_set(kinds, [one], [WHOLE], limit=1)
    assert "--scope logits" in caught.value.hint


@pytest.mark.parametrize(
    ("model", "size"), [("seaformer_t.synth_classes", (96, 96)), ("seaformer_t.synth", None)]
)
def test_a_classifier_takes_its_own_crop_and_a_segmenter_any_image(
    model: str, size: tuple[int, int] | None
) -> None:
    assert of_session(network_maker(model)(3)).size == size


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "executorch"])
def test_a_file_in_half_precision_takes_the_images_of_any(format: str, tmp_path: Path) -> None:
    """A program's input is float16, an ONNX file's float32; classes are the labels' here."""
    artifact = exports.half(format)
    folder = synthesise(tmp_path / "set", 5, 1).folder
    names = [f"class {number}" for number in range(artifact.spec.classes)]
    (folder / "classes.json").write_text(json.dumps({"schema": 1, "names": names}))
    base, row = seaformer.evaluate(
        [exports.small(format), artifact], data=folder, results=tmp_path / "results"
    )
    assert base.difference is None
    assert row.difference is not None
    assert row.difference.argmax_agreement > 0.98
    (folder / "out").mkdir()
    seen = seaformer.predict(next(folder.rglob("*.jpg")), artifact, out=folder / "out")
    assert len(seen.frames) == 1


def test_a_record_has_the_size_that_was_evaluated() -> None:
    artifact = exports.small("onnx")
    predictor = of_file(artifact)
    assert subject_of(artifact, predictor).input_shape == (1, 3, 64, 96)
    resized = replace(predictor, size=(32, 48))
    assert subject_of(artifact, resized).input_shape == (1, 3, 32, 48)
