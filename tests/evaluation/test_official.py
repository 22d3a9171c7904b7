"""How models are officially tested: boxes and windows by model and data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seaformer.data.dataset import DataSet
from seaformer.data.sets import open_set
from seaformer.data.synth import synthesise
from seaformer.evaluation import order as orders
from seaformer.evaluation.modes import Mode, official
from seaformer.evaluation.order import EvalOrder, evaluate_order
from seaformer.models import list_models, model_spec, network_maker


@pytest.fixture
def shapes(tmp_path: Path) -> DataSet:
    return open_set(synthesise(tmp_path / "shapes", 10, 5).folder, "train")


@pytest.mark.parametrize(
    ("model", "dataset", "mode"),
    [
        ("seaformer_t.ade20k", "ade20k", Mode((2048, 512), 32)),
        ("topformer_t.ade20k_448", "ade20k", Mode((2048, 448), 32)),
        ("seaformer_s.cityscapes", "cityscapes", Mode((2048, 1024))),
        ("seaformer_s.cityscapes_half", "cityscapes", Mode((1024, 512))),
        ("setr_mla_l.cityscapes_768", "cityscapes", Mode((2049, 1025), 1, 768, 512)),
        ("setr_pup_l.pascal_context", "pascal_context", Mode((520, 520), 1, 480, 320)),
        ("setr_naive_l_paddlevit.ade20k", "ade20k", Mode((2048, 576), 1, 512, 341)),
        ("segformer_b1.cityscapes_1024", "cityscapes", Mode((2048, 1024), 1, 1024, 768)),
        ("segformer_b5.ade20k_640", "ade20k", Mode((2048, 640), 32)),
        ("segformer_b5_mmseg.ade20k", "ade20k", Mode((2048, 640))),
        ("segformer_b0_paddlevit.ade20k", "ade20k", Mode((2048, 512), 1, 512, 512)),
        ("segnext_t.ade20k", "ade20k", Mode((2048, 512), 32)),
        ("segnext_t.cityscapes", "cityscapes", Mode((2048, 1024), 1, 1024, 768)),
        ("hrnet_w18_small.ade20k", "ade20k", Mode((2048, 512))),
        ("mobilenetv2_fcn.cityscapes", "cityscapes", Mode((2048, 1024))),
        ("efficientvit_b0.ade20k", "ade20k", Mode((2048, 512), 32)),
        ("setr_naive_l.ade20k", "shapes", Mode(step=32)),
        ("yours.onnx", "coco_stuff", Mode((2048, 512))),
    ],
)
def test_the_official_test_is_of_a_model_on_its_data_set(
    model: str, dataset: str, mode: Mode
) -> None:
    assert official(model, dataset) == mode


def test_every_segmentation_model_has_a_test_of_its_data_set() -> None:
    for name in list_models():
        spec = model_spec(name)
        if spec.task == "segmentation" and spec.dataset != "synth":
            assert official(name, spec.dataset.removesuffix("_half")).box is not None, name


def test_windows_are_the_official_ones_unless_others_are_asked_for(
    shapes: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    sliding = Mode(window=64, stride=48)
    monkeypatch.setattr(orders, "official", lambda model, dataset: sliding)
    session = network_maker("seaformer_t.synth")

    def mode_of(**options: Any) -> str:
        (row,) = evaluate_order(EvalOrder(shapes.folder, limit=1, **options), (), session)
        return row.mode

    assert mode_of() == "windows of 64 every 48"
    assert mode_of(window=0) == "whole"
    assert mode_of(window=96, stride=32) == "windows of 96 every 32"
