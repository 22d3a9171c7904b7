"""A network as a function of arrays, for callers that do without torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from seaformer.core.spec import ModelSpec
from seaformer.models import create_model, model_spec

Array = npt.NDArray[Any]
Run = Callable[[Array], Array]


def network_maker(
    name: str, checkpoint: Path | str | None = None, *, ema: bool = False
) -> Callable[[int], tuple[ModelSpec, Run]]:
    """What makes a model of the zoo for a number of classes: its spec, and it as a function."""

    def make(classes: int) -> tuple[ModelSpec, Run]:
        count = None if model_spec(name).classes == classes else classes
        network = create_model(name, checkpoint, classes=count, ema=ema)
        return network.spec, function_of(network)

    return make


def function_of(network: nn.Module) -> Run:
    """The first output of a network in evaluation mode, arrays in and out."""

    def run(tensor: Array) -> Array:
        with torch.inference_mode():
            output = network(torch.from_numpy(tensor))
        first = output if isinstance(output, torch.Tensor) else output[0]
        answer: Array = first.float().numpy()
        return answer

    return run
