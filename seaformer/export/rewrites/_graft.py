"""Putting another module where one stands: what all rewrites are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Shapes = tuple[tuple[int, ...], ...]
Rule = Callable[[Any, Shapes], nn.Module]


def graft(network: nn.Module, rules: Mapping[type[nn.Module], Rule], image: Tensor) -> None:
    """Replace every module of these kinds in place by what its rule makes of it.

    A rule gets the module and the shapes of the inputs it had when ``network`` saw ``image``.
    """
    found = [
        (name, module, rules[type(module)])
        for name, module in network.named_modules()
        if type(module) in rules
    ]
    seen = _input_shapes(network, image, tuple(rules)) if found else {}
    for name, module, rule in found:
        parent, _, attribute = name.rpartition(".")
        made = rule(module, seen[name]).to(image.dtype)
        setattr(network.get_submodule(parent), attribute, made)


def _input_shapes(
    model: nn.Module, image: Tensor, kinds: tuple[type[nn.Module], ...]
) -> dict[str, Shapes]:
    """The shapes of the inputs of every module of these kinds, by qualified name."""
    shapes: dict[str, Shapes] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, kinds):

            def remember(_: nn.Module, inputs: tuple[Any, ...], key: str = name) -> None:
                tensors = (value for value in inputs if isinstance(value, Tensor))
                shapes[key] = tuple(tuple(value.shape) for value in tensors)

            hooks.append(module.register_forward_pre_hook(remember))
    try:
        with torch.no_grad():
            model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes
