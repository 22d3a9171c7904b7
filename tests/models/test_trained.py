"""Weights that come with seaformer: the files of the table, and that they see what they learned."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import seaformer
from seaformer.core.accuracy import MIOU
from seaformer.core.errors import WeightsMismatch
from seaformer.core.files import sha256_file
from seaformer.data.synth import synthesise
from seaformer.models import create_model, model_spec
from seaformer.models.trained import TrainedWeights, trained_weights

# Of the first loss at the end; a classifier's cannot fall below 0.5, because labels are smoothed.
_LEFT = 0.55
_LEAST = 0.75  # of the stated accuracy, on a few images of another set


@pytest.mark.parametrize("weights", trained_weights().values(), ids=list(trained_weights()))
def test_a_row_is_of_its_file(weights: TrainedWeights) -> None:
    assert sha256_file(weights.path) == weights.sha256
    network = create_model(weights.model, weights.name)
    assert network.spec.weights == f"sha256:{weights.sha256}"
    assert network.checkpoint is not None
    losses = [float(row["loss"]) for row in csv.DictReader(weights.curve.read_text().splitlines())]
    assert np.mean(losses[-5:]) < _LEFT * losses[0]
    if weights.metric == MIOU:
        assert float(weights.low) < weights.value < float(weights.high)


@pytest.mark.parametrize("weights", trained_weights().values(), ids=list(trained_weights()))
def test_a_file_sees_what_it_learned_in_images_of_another_seed(
    weights: TrainedWeights, tmp_path: Path
) -> None:
    task = model_spec(weights.model).task
    shapes = synthesise(tmp_path / "set", 50, seed=91, task=task).folder
    (row,) = seaformer.evaluate(
        data=shapes, model=weights.model, checkpoint=weights.name, results=tmp_path / "results"
    )
    value = row.miou if weights.metric == MIOU else row.top1
    assert value is not None
    assert value > _LEAST * weights.value


def test_a_name_that_is_neither_a_file_nor_trained_is_answered_with_the_names() -> None:
    with pytest.raises(WeightsMismatch, match=r"seaformer_t\.imagenet does not exist") as refused:
        create_model("seaformer_t.imagenet", "seaformer_t.imagenet")
    assert "seaformer_t.synth" in refused.value.hint


def test_a_file_of_that_name_is_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("seaformer_t.synth").write_bytes(b"mine")
    with pytest.raises(WeightsMismatch, match=r"^seaformer_t\.synth "):
        create_model("seaformer_t.synth", "seaformer_t.synth")
