"""A tiny run: it is logged, continues exactly, and its checkpoint loads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seaformer.core.errors import UsageError
from seaformer.data.synth import synthesise
from seaformer.models import create_model
from seaformer.training.loop import TrainPlan, train
from seaformer.training.recipes import recipe_of


class StoppedError(Exception):
    """What a killed process leaves is what this leaves: nothing is saved on the way out."""


def test_a_run_that_was_stopped_continues_to_the_same_losses(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan(
        "seaformer_t.synth", str(tmp_path / "set"), str(tmp_path / "a"), 4, batch=2, every=2
    )
    result = train(plan)
    other = replace(plan, out=str(tmp_path / "b"))

    def stop(done: int, of: int, loss: float) -> None:
        if done == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(other, progress=stop)
    with pytest.raises(UsageError, match="has a run already"):
        train(other)
    train(other, resume=True)
    logs = [(tmp_path / name / "log.csv").read_text() for name in "ab"]
    assert logs[0] == logs[1]
    assert len(logs[0].splitlines()) == 5
    network = create_model("seaformer_t.synth", result.checkpoint)
    assert network.checkpoint is not None


def test_recipes_are_the_official_rows() -> None:
    assert recipe_of("seaformer_t.ade20k").lr == 3e-4
    assert recipe_of("seaformerpp_b.ade20k").lr == 2.5e-4
    assert recipe_of("setr_mla_l.cityscapes_768").lr == 0.002
