"""Every model of the zoo states its pre-processing, and its classes where it has a data set's."""

from __future__ import annotations

import pytest

from seaformer.core.preprocessing import Labels
from seaformer.data.labels import DATASETS, dataset_labels, labels_of
from seaformer.data.preprocessing import preprocessing_of
from seaformer.models import list_models, model_spec


def test_every_model_has_the_names_of_its_classes() -> None:
    for name in list_models():
        labels = labels_of(model_spec(name))
        assert labels is not None, name
        assert len(labels.names) == model_spec(name).classes, name
        assert len(labels.palette) in (0, len(labels.names)), name
    assert labels_of(model_spec("seaformer_t", classes=7)) is None


@pytest.mark.parametrize(
    ("dataset", "index", "name", "colour"),
    [
        ("ade20k", 0, "wall", "787878"),
        ("ade20k", 149, "flag", "5C00FF"),
        ("cityscapes", 13, "car", "00008E"),
        ("pascal_context", 0, "background", "787878"),
        ("pascal_context_59", 0, "aeroplane", "B47878"),
        ("coco_stuff", 170, "wood", "404000"),
        ("coco", 79, "toothbrush", ""),
        ("imagenet", 0, "tench", ""),
        ("imagenet", 999, "toilet tissue", ""),
    ],
)
def test_classes_stand_at_their_index(dataset: str, index: int, name: str, colour: str) -> None:
    labels = dataset_labels(dataset)
    assert isinstance(labels, Labels)
    assert labels.names[index] == name
    assert (labels.palette[index] if labels.palette else "") == colour


def test_names_are_distinct_words_and_colours_six_digits() -> None:
    for dataset in DATASETS:
        labels = dataset_labels(dataset)
        assert labels is not None
        assert len(set(labels.names)) == len(labels.names), dataset
        assert all(name == name.strip() and name for name in labels.names)
        assert all(len(bytes.fromhex(colour)) == 3 for colour in labels.palette)


@pytest.mark.parametrize(
    ("model", "channels", "mean", "rule"),
    [
        ("seaformer_t.ade20k", "RGB", 123.675, "2048x512"),
        ("seaformerpp_b.cityscapes_half", "RGB", 123.675, "1024x512"),
        ("seaformer_s.imagenet", "RGB", 123.675, "central 224x224"),
        ("segformer_b0_mmseg.ade20k", "RGB", 123.675, "within 2048x512 (longer side"),
        ("setr_pup_l.pascal_context", "RGB", 123.675, "windows of 480x480 every 320"),
        ("mobilevit_s.imagenet_256", "BGR", 0.0, ""),
        ("mobilenetv2_100.imagenet", "RGB", 127.5, ""),
        ("mobilenetv1_x050.imagenet", "RGB", 127.5, ""),
        ("mobilenetv2_psp.cityscapes", "RGB", 123.675, "within 2048x1024"),
    ],
)
def test_a_model_takes_what_its_weights_were_trained_on(
    model: str, channels: str, mean: float, rule: str
) -> None:
    stated = preprocessing_of(model_spec(model))
    assert (stated.channels, stated.mean[0]) == (channels, mean)
    assert rule in stated.evaluation
    assert bool(rule) == bool(stated.evaluation)
