"""SETR's auxiliary heads: where they look, what they add to the loss, and that files go without."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.training import auxiliary, loop
from seaformer.training.checkpoints import RunFolder, load
from seaformer.training.groups import groups
from seaformer.training.loop import TrainPlan, train
from seaformer.training.losses import Batch
from seaformer.training.recipes import recipe_of

FACTOR = 0.4


@pytest.mark.parametrize(
    ("model", "heads", "stride"),
    [("setr_naive_t", 3, 4), ("setr_pup_t", 3, 1), ("setr_mla_t", 4, 16)],
)
def test_each_head_adds_its_entropy_and_learns_ten_times_as_fast(
    model: str, heads: int, stride: int
) -> None:
    network = create_model(f"{model}.ade20k", size=(64, 64), classes=3).train()
    plain = network(torch.zeros(1, 3, 64, 64))
    auxiliary.attach(network, seed=0)
    recipe = replace(recipe_of(f"{model}.ade20k"), dropout=0.0)
    assert recipe.auxiliary == FACTOR
    rng = torch.Generator().manual_seed(1)
    batch = Batch(
        torch.randn(2, 3, 64, 64, generator=rng), torch.randint(0, 3, (2, 64, 64), generator=rng)
    )
    logits = network(batch.images)
    answers = network.get_submodule(auxiliary.NAME).take()  # type: ignore[operator]
    assert [tuple(x.shape) for x in answers] == [(2, 3, 64 // stride, 64 // stride)] * heads
    entropies = [
        float(F.cross_entropy(F.interpolate(x.detach(), (64, 64), mode="bilinear"), batch.labels))
        for x in (logits, *answers)
    ]
    loss = auxiliary.assisted(network, recipe)(network, batch)
    expected = entropies[0] + FACTOR * sum(entropies[1:])
    assert float(loss.value.detach()) == pytest.approx(expected, rel=1e-5)
    loss.value.backward()  # type: ignore[no-untyped-call]
    rates = {name: group.lr for group in groups(network, recipe, 1.0) for name in group.names}
    mine = [name for name in rates if name.startswith(f"{auxiliary.NAME}.")]
    assert mine
    assert {rates[name] for name in mine} == {10.0}
    for name in mine:
        gradient = network.get_parameter(name).grad
        assert gradient is not None
        assert gradient.any()
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == plain.shape
    assert network.get_submodule(auxiliary.NAME).take() == []  # type: ignore[operator]


def test_a_run_has_them_in_its_loss_and_the_file_loads_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(recipe_of("setr_naive_t.ade20k"), box=(64, 64), crop=(64, 64), lr=1e-3)
    monkeypatch.setattr(loop, "recipe_of", lambda *_: small)
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan(
        "setr_naive_t.ade20k", str(tmp_path / "set"), str(tmp_path / "run"), 2, batch=2, every=1
    )
    result = train(plan)
    run = RunFolder(tmp_path / "run")
    for row in csv.DictReader(run.log.read_text().splitlines()):
        expected = float(row["main"]) + FACTOR * float(row["auxiliary"])
        assert float(row["loss"]) == pytest.approx(expected, rel=1e-5)
    held = load(run.weights)["state_dict"]
    assert any(key.startswith(auxiliary.NAME) for key in held)
    network = create_model("setr_naive_t.ade20k", result.checkpoint, classes=result.classes)
    kept = network.state_dict()
    assert not any(key.startswith(auxiliary.NAME) for key in kept)
    assert all(torch.equal(value, held[key]) for key, value in kept.items() if "num_" not in key)
