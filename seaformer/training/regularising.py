"""Dropout and stochastic depth, which the networks of the zoo lack, as hooks while one trains.

Masks are drawn from (seed, iteration) for the whole batch, and each process takes the part of its
images: a resumed run draws what it would have drawn, and two processes draw what one does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from seaformer.models._blocks import Network
from seaformer.training.recipes import NETWORK, Recipe


class Draws:
    """The random numbers of an iteration's masks; ``begin`` is called before each."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.first, self.images = 0, 0
        self._generator = torch.Generator()

    def begin(self, iteration: int, first: int, images: int) -> None:
        """The process has the images from ``first`` on, of ``images`` in the whole batch."""
        state = np.random.SeedSequence([self.seed, iteration]).generate_state(1, np.uint64)
        self._generator.manual_seed(int(state[0]) >> 1)
        self.first, self.images = first, images

    def kept(self, like: Tensor, rate: float, each: int) -> Tensor:
        """What to multiply with: 0, or 1 / (1 - rate); one draw for each of ``each`` values."""
        shape = (self.images, each, *[1] * (like.dim() - 2))
        drawn = torch.rand(shape, generator=self._generator)[self.first :][: like.shape[0]]
        return ((drawn >= rate) / (1 - rate)).to(like)


def regularise(network: Network, recipe: Recipe, draws: Draws) -> None:
    """Add the recipe's dropout before the classes, and stochastic depth to every residual layer.

    Nothing happens in evaluation mode.
    """
    if recipe.dropout:
        last = network.get_submodule(network.CLASSIFIER)

        def drop(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            if not module.training:
                return inputs
            x = inputs[0]
            return (x * draws.kept(x, recipe.dropout, x.shape[1]),)

        last.register_forward_pre_hook(drop)
    if recipe.stochastic_depth:
        for branch, rate in depth_rates(network, recipe):
            _skip_at_random(branch, rate, draws)


def depth_rates(network: nn.Module, recipe: Recipe) -> Iterator[tuple[nn.Module, float]]:
    """Each branch that is added to its input, with the chance that it is left out.

    It grows evenly from 0 in the first layer to the recipe's in the last, of a stage or of the
    whole network.
    """
    stages = [
        layers
        for module in network.modules()
        if (layers := [each for each in module.children() if _is_residual(each)])
    ]
    if recipe.depth_rule == NETWORK:
        stages = [[layer for layers in stages for layer in layers]]
    for layers in stages:
        for i, layer in enumerate(layers):
            rate = recipe.stochastic_depth * i / max(len(layers) - 1, 1)
            if rate:
                yield layer.get_submodule("attention"), rate
                yield layer.get_submodule("mlp"), rate


def _is_residual(module: nn.Module) -> bool:
    names = {name for name, _ in module.named_children()}
    return {"attention", "mlp"} <= names


def _skip_at_random(branch: nn.Module, rate: float, draws: Draws) -> None:
    def skip(module: nn.Module, _: object, output: Tensor) -> Tensor:
        return output * draws.kept(output, rate, 1) if module.training else output

    branch.register_forward_hook(skip)
