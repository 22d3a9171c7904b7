"""A model of the zoo in PyTorch as a session: arrays in, arrays out; and where its attention looks.

No counts are taken here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.core.spec import ModelSpec
from seaformer.models import create_model, model_spec
from seaformer.models._anchors import BoxDecoder
from seaformer.models._checkpoints.advice import classes_of_data
from seaformer.models._tags import DETECTION

Array = npt.NDArray[Any]
_MARK = "Attention"  # in the name of the class of every attention module


class EagerSession:
    """One model. ``spec`` is its own, ``scope`` what its outputs are."""

    def __init__(self, network: nn.Module, spec: ModelSpec, *, attention: bool = False) -> None:
        self.spec = spec
        self._network = network
        self._boxes = spec.task == DETECTION
        self._decode = BoxDecoder(spec.height, spec.width) if self._boxes else None
        self._heat: Array | None = None
        if attention:
            _last_attention(network, spec).register_forward_hook(self._keep)

    @property
    def scope(self) -> str:
        """``boxes`` of a detector, else ``logits``."""
        return "boxes" if self._boxes else "logits"

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run the whole network on one image (1, 3, H, W)."""
        if method != "forward":
            raise UsageError(f"{self.spec.name} has one method, forward (got {method}).")
        with torch.inference_mode():
            outputs = self._network(torch.from_numpy(arrays[0]))
            if self._decode is not None:
                outputs = self._decode(*outputs)
        several = outputs if isinstance(outputs, (tuple, list)) else (outputs,)
        return [output.numpy() for output in several]

    def heat(self) -> Array | None:
        """(h, w) of the last run: the mean magnitude over channels of what attention adds there."""
        return self._heat

    def _keep(self, _: nn.Module, __: object, output: object) -> None:
        value = output[0] if isinstance(output, (tuple, list)) else output
        assert isinstance(value, Tensor)
        self._heat = _as_map(value.detach().float().abs(), self.spec)


def open_eager(
    name: str,
    checkpoint: Path | str | None = None,
    *,
    size: tuple[int, int] | None = None,
    classes: int | None = None,
    ema: bool = False,
    seed: int = 0,
    attention: bool = False,
) -> EagerSession:
    """A model by name, with the weights of a checkpoint or seeded ones.

    Raises as ``create_model``, and ``UsageError`` for ``attention`` of a model that has none.
    """
    network = create_model(name, checkpoint, seed, size=size, classes=classes, ema=ema)
    return EagerSession(network, network.spec, attention=attention)


def network_maker(
    name: str, checkpoint: Path | str | None = None, *, ema: bool = False
) -> Callable[[int], EagerSession]:
    """What makes a model for a number of classes, for callers that do without torch."""

    def make(classes: int) -> EagerSession:
        count = None if model_spec(name).classes == classes else classes
        with classes_of_data(classes):
            return open_eager(name, checkpoint, classes=count, ema=ema)

    return make


def _last_attention(network: nn.Module, spec: ModelSpec) -> nn.Module:
    """The last attention module that is not a part of another one."""
    outermost: dict[str, nn.Module] = {}
    for name, module in network.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in outermost)
        if _MARK in type(module).__name__ and not inside:
            outermost[name] = module
    if not outermost:
        raise UsageError(
            f"{spec.name} has no attention, so --attention shows nothing.",
            hint="SeaFormer, TopFormer, SegFormer and SETR have attention.",
        )
    return list(outermost.values())[-1]


def _as_map(value: Tensor, spec: ModelSpec) -> Array:
    """B C h w, or tokens B N C of a map with the sides of the image, as (h, w)."""
    if value.ndim == 4:
        plane: Array = value[0].mean(0).numpy()
        return plane
    tokens: Array = value[0].mean(-1).numpy()
    height, width = _sides(len(tokens), spec.height / spec.width)
    return tokens[-height * width :].reshape(height, width)


def _sides(tokens: int, ratio: float) -> tuple[int, int]:
    """Height and width whose product is all tokens (or all but a class token), of that ratio."""
    pairs = [
        (height, count // height)
        for count in (tokens, tokens - 1)
        for height in range(1, count + 1)
        if count % height == 0
    ]
    return min(pairs, key=lambda pair: abs(math.log(pair[0] / pair[1] / ratio)))
