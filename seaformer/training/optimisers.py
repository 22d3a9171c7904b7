"""Optimisers of the recipes: AdamW, SGD, and RMSprop as TensorFlow has it.

The last one differs from torch's: the average of squares begins at one, epsilon is added before
the root, and the rate is part of the momentum. Source: timm's training of SeaFormer on ImageNet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from seaformer.core.registry import unknown
from seaformer.training.groups import Group
from seaformer.training.recipes import Recipe

_ALPHA = 0.9


class RmspropTf(Optimizer):
    """RMSprop with epsilon inside of the root and the rate inside of the momentum."""

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        alpha: float = _ALPHA,
        momentum: float = 0.9,
        eps: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "momentum": momentum, "eps": eps, "weight_decay": 0.0}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["square"] = torch.ones_like(parameter)
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        gradient = parameter.grad.add(parameter, alpha=group["weight_decay"])
        square, momentum = state["square"], state["momentum"]
        square.lerp_(gradient * gradient, 1 - group["alpha"])
        step = gradient / (square + group["eps"]).sqrt()
        momentum.mul_(group["momentum"]).add_(step, alpha=group["lr"])
        parameter.sub_(momentum)


def optimiser(recipe: Recipe, members: Iterable[Group]) -> Optimizer:
    """The recipe's optimiser over these groups."""
    params: list[dict[str, Any]] = [
        {"params": list(g.parameters), "lr": g.lr, "weight_decay": g.weight_decay} for g in members
    ]
    makers: dict[str, Callable[[], Optimizer]] = {
        "adamw": lambda: AdamW(params, lr=recipe.lr, eps=recipe.eps),
        "sgd": lambda: SGD(params, lr=recipe.lr, momentum=recipe.momentum),
        "rmsprop_tf": lambda: RmspropTf(
            params, lr=recipe.lr, momentum=recipe.momentum, eps=recipe.eps
        ),
    }
    if recipe.optimiser not in makers:
        raise unknown("optimiser", recipe.optimiser, makers)
    return makers[recipe.optimiser]()
