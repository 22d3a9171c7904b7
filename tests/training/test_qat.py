"""A student that rounds: where, how, that it runs and resumes, and what its export proves."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from seaformer.core.errors import UsageError
from seaformer.data.synth import synthesise
from seaformer.export import export_model
from seaformer.training.loop import TrainPlan, train
from seaformer.training.qat import Rounding, places_of, round_activation, round_weight
from tests import nets

NAME = "seaformer_t.synth"


def test_weights_have_255_codes_a_channel_and_gradients_pass() -> None:
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    rounded = round_weight(weight)
    step = weight.detach().abs().flatten(1).amax(1).reshape(-1, 1, 1, 1) / 127
    codes = rounded.detach() / step
    assert torch.allclose(codes, codes.round(), atol=1e-3)
    assert float((rounded - weight).detach().abs().max()) <= float(step.max()) / 2 + 1e-6
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_results_are_rounded_once_where_a_file_rounds_them() -> None:
    network = nets.Gated().eval()
    image = torch.randn(1, 3, 16, 16)
    places = places_of(network, image)
    with torch.no_grad():
        x = round_activation(F.relu(conv(network.stem, image)))
        y = round_activation(F.relu(conv(network.depthwise, x)))
        y = round_activation(round_activation(conv(network.project, y)) + x)
        gate = round_activation(torch.clamp(conv(network.gate, y), 0, 1))
        expected = round_activation(conv(network.head, round_activation(y * gate)))
        with Rounding(places):
            seen = network(image)
    assert torch.equal(seen, expected)


def conv(module: torch.nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    weight, bias = round_weight(module.weight), module.bias
    return F.conv2d(x, weight, bias, module.stride, module.padding, 1, module.groups)


def test_a_run_learns_from_its_float_self_and_resumes_exactly(tmp_path: Path) -> None:
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan(
        NAME, str(tmp_path / "set"), str(tmp_path / "a"), 3, batch=2, every=1, checkpoint=NAME,
        qat=True,
    )  # fmt: skip
    result = train(plan)
    assert 0 < result.loss < math.inf
    other = replace(plan, out=str(tmp_path / "b"))

    def stop(done: int, of: int, loss: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(other, progress=stop)
    train(other, resume=True)
    assert (tmp_path / "a" / "log.csv").read_text() == (tmp_path / "b" / "log.csv").read_text()
    with pytest.raises(UsageError, match="--qat requires --checkpoint"):
        train(replace(plan, checkpoint="", out=str(tmp_path / "c")))


@pytest.mark.slow
def test_its_weights_are_exported_and_proved_against_their_fake_quantised_model(
    tmp_path: Path,
) -> None:
    synthesise(tmp_path / "set", 6, seed=1)
    plan = TrainPlan(
        NAME, str(tmp_path / "set"), str(tmp_path / "run"), 1, batch=2, checkpoint=NAME, qat=True
    )
    checkpoint = train(plan).checkpoint
    made = export_model(
        NAME, format="onnx", precision="int8", checkpoint=checkpoint, size=(64, 64), out=tmp_path
    )
    (check,) = [line for line in made.parity.checks if "fake-quantised model" in line]
    assert "bit-equal" in check or float(check.split()[-2]) >= 3
    assert np.isfinite(made.parity.max_abs or 0)
