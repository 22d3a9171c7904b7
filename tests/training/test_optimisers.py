"""RMSprop as TensorFlow has it, and averaged weights: by their formulas, step by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.training import loop
from seaformer.training.checkpoints import load
from seaformer.training.optimisers import RmspropTf
from seaformer.training.recipes import recipe_of


def test_rmsprop_begins_with_squares_of_one_and_has_epsilon_in_the_root() -> None:
    rate, alpha, momentum, eps, decay = 0.1, 0.9, 0.8, 1e-3, 0.01
    rng = np.random.default_rng(0)
    value = rng.normal(size=5)
    parameter = torch.nn.Parameter(torch.tensor(value))
    groups: list[dict[str, Any]] = [{"params": [parameter], "weight_decay": decay}]
    optimiser = RmspropTf(groups, lr=rate, alpha=alpha, momentum=momentum, eps=eps)
    square, moved = np.ones(5), np.zeros(5)
    for step in range(4):
        if step == 2:  # the rate is in the momentum: what was gathered keeps the old one
            rate = optimiser.param_groups[0]["lr"] = 0.01
        gradient = rng.normal(size=5)
        parameter.grad = torch.tensor(gradient)
        optimiser.step()
        gradient = gradient + decay * value
        square = alpha * square + (1 - alpha) * gradient**2
        moved = momentum * moved + rate * gradient / np.sqrt(square + eps)
        value = value - moved
        assert parameter.detach().numpy() == pytest.approx(value, abs=1e-12)


def test_averaged_weights_follow_their_formula_and_are_what_ema_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = 0.75
    name = "seaformer_t.synth_classes"
    averaged = replace(recipe_of(name), ema=keep, batch=4)
    monkeypatch.setattr(loop, "recipe_of", lambda *_: averaged)
    synthesise(tmp_path / "set", 12, seed=1, task="classification")
    plan = loop.TrainPlan(name, str(tmp_path / "set"), str(tmp_path / "run"), 3, batch=4, every=1)
    states: list[dict[str, torch.Tensor]] = []

    def look(done: int, of: int, loss: float) -> None:
        states.append(load(tmp_path / "run" / "last.pth")["state_dict"])

    result = loop.train(plan, progress=look)
    content = load(result.checkpoint)
    assert len(states) == 3
    for key, value in content["state_dict_ema"].items():
        if not value.is_floating_point():
            assert torch.equal(value, states[-1][key])
            continue
        expected = states[0][key]
        for state in states[1:]:
            expected = keep * expected + (1 - keep) * state[key]
        assert torch.allclose(value, expected, atol=1e-6), key
    network = create_model(name, result.checkpoint, ema=True)
    first = next(iter(dict(network.named_parameters())))
    assert torch.equal(network.get_parameter(first), content["state_dict_ema"][first])
    assert not torch.equal(network.get_parameter(first), states[-1][first])
