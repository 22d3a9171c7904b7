"""Rules applied to a network: an equal copy, written the way an engine takes it whole."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seaformer.export.rewrites._rule import Rule, Shapes, Stage


@dataclass(frozen=True)
class Rewrite:
    """A network after the rules; ``applied`` counts the modules that each rule replaced.

    ``kinds`` names the classes of all modules that rules were compared with: a rule for another
    class changes nothing here.
    """

    network: nn.Module
    applied: Mapping[str, int]
    kinds: tuple[str, ...] = ()

    def met(self, rules: Sequence[Rule]) -> list[Rule]:
        """Those rules that meet a module here; others change nothing."""
        kinds = set(self.kinds)
        return [rule for rule in rules if kind_name(rule.kind) in kinds]


def rewrite(model: nn.Module, image: Tensor, rules: Sequence[Rule]) -> Rewrite:
    """An equal copy of ``model`` for inputs of ``image``'s shape (1, 3, H, W); eval mode."""
    whole = nn.Sequential(copy.deepcopy(model).eval())  # the model itself may match a rule, too
    applied: dict[str, int] = {}
    kinds: set[str] = set()
    for stage in Stage:
        kinds |= {kind_name(type(module)) for module in whole.modules()}
        _apply(whole, image, [rule for rule in rules if rule.stage is stage], applied)
    return Rewrite(whole[0].eval(), applied, tuple(sorted(kinds)))


def kind_name(kind: type[nn.Module]) -> str:
    """A class with its module: ``seaformer.models._blocks.ConvBN``."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _apply(
    whole: nn.Sequential, image: Tensor, rules: Sequence[Rule], applied: dict[str, int]
) -> None:
    """Replace every module that a rule of one stage matches, the innermost first."""
    matches = [
        (name, rule)
        for name, module in whole.named_modules()
        for rule in rules
        if rule.matches(module)
    ]
    shapes = _input_shapes(whole, image, {name for name, rule in matches if rule.sized})
    for name, rule in reversed(matches):  # a module is listed before those inside it
        module = whole.get_submodule(name)
        replacement = rule.make(module, shapes.get(name, ()))
        if replacement is not module:
            parent, _, attribute = name.rpartition(".")
            setattr(whole.get_submodule(parent), attribute, replacement.to(image.dtype).eval())
            applied[rule.name] = applied.get(rule.name, 0) + 1


def _input_shapes(whole: nn.Sequential, image: Tensor, names: Collection[str]) -> dict[str, Shapes]:
    """The shapes of the inputs of the modules of these names, in one run of the network."""
    shapes: dict[str, Shapes] = {}
    if not names:
        return shapes
    hooks = []
    for name in names:

        def remember(_: nn.Module, inputs: tuple[Any, ...], key: str = name) -> None:
            tensors = (value for value in inputs if isinstance(value, Tensor))
            shapes[key] = tuple(tuple(value.shape) for value in tensors)

        hooks.append(whole.get_submodule(name).register_forward_pre_hook(remember))
    try:
        with torch.no_grad():
            whole(image)
    finally:
        for hook in hooks:
            hook.remove()
    return shapes
