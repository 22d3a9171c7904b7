"""What a run refuses before its first iteration, and that nothing of it is left then."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seaformer.core.errors import DataError, SeaFormerError, WeightsMismatch
from seaformer.data.sets import open_set
from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.training import preflight
from seaformer.training.loop import TrainPlan, train


@pytest.fixture
def plan(tmp_path: Path) -> TrainPlan:
    synthesise(tmp_path / "set", 6, seed=1)
    return TrainPlan("seaformer_t.synth", str(tmp_path / "set"), str(tmp_path / "run"), 2, batch=1)


def test_weights_for_other_classes_are_refused_or_named_where_they_are_left(
    plan: TrainPlan, tmp_path: Path
) -> None:
    file = tmp_path / "seven.pth"
    torch.save(create_model("seaformer_t.synth", classes=7).state_dict(), file)
    with pytest.raises(WeightsMismatch, match="expected 12x96x1x1, got 7x96x1x1") as refused:
        train(replace(plan, checkpoint=str(file)))
    sentence = "It has 7 classes, and the data set 12. --backbone FILE takes its other weights."
    assert refused.value.hint == sentence

    def read(sentence: str) -> None:
        if sentence.startswith("Not in seven.pth, so begun with the seed: head.classify (2) "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(plan, backbone=str(file)), notice=read)
    assert not (tmp_path / "run" / "log.csv").exists()


@pytest.mark.parametrize("read", [64, 3])
def test_a_mask_of_other_labels_ends_a_run_before_it_begins(
    plan: TrainPlan, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    monkeypatch.setattr(preflight, "MASKS", read)  # of 5: they are spread over the whole set
    mask = open_set(plan.data, "train").samples[-1].mask
    assert mask is not None
    Image.fromarray(np.full(np.asarray(Image.open(mask)).shape, 99, np.uint8)).save(mask)
    with pytest.raises(DataError, match="labels that are not one of 12 classes: 98"):
        train(plan)
    assert not Path(plan.out).exists()


def test_a_disk_without_room_for_two_checkpoints_is_refused(
    plan: TrainPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SeaFormerError, match=r"room for two checkpoints, \d+ MB \(got 2 MB\)"):
        train(plan)
    assert not Path(plan.out).exists()
