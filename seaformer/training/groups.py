"""Parameters in groups of one learning rate and weight decay, by name, as the recipes have them.

Rules are written for the official names (``decode_head.conv_seg.weight``), so each parameter is
looked up by its official name. As in mmcv the longest part is tried first, of equally long ones
the alphabetically first, and the first hit is the only one: a parameter of a head keeps the full
decay, though its name contains ``norm``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from seaformer.models import FAMILIES
from seaformer.models._blocks import Network
from seaformer.training.recipes import NameRule, Recipe

# Networks without official names: where theirs would be, of SeaFormer's.
_OWN = (("spatial.", "decode_head."), ("head.", "decode_head."), ("neck.", "neck."))
AUXILIARY = "auxiliary_head."  # heads that only training has: the name is official already
_TABLE = ".table"  # position embeddings


@dataclass(frozen=True, eq=False)
class Group:
    """Parameters with one rate and one decay; ``names`` are ours."""

    lr: float
    weight_decay: float
    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]


def groups(network: Network, recipe: Recipe, lr: float) -> tuple[Group, ...]:
    """Every trainable parameter in one group, in the order of the network."""
    names = official_names(network)
    members: dict[tuple[float, float], list[tuple[str, nn.Parameter]]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        rule = rule_of(names[name], recipe.rules)
        decay = recipe.weight_decay * rule.decay
        if recipe.undecayed and parameter.ndim <= 1:
            decay = 0.0
        members.setdefault((lr * rule.lr, decay), []).append((name, parameter))
    return tuple(
        Group(rate, decay, tuple(n for n, _ in pairs), tuple(p for _, p in pairs))
        for (rate, decay), pairs in members.items()
    )


def rule_of(name: str, rules: Iterable[NameRule]) -> NameRule:
    """The rule of an official name; one that changes nothing where none hits."""
    ordered = sorted(sorted(rules, key=lambda rule: rule.part), key=lambda rule: -len(rule.part))
    return next((rule for rule in ordered if rule.part in name), NameRule(""))


def official_names(network: Network) -> dict[str, str]:
    """Our parameter name -> the official one."""
    keys: dict[str, str] = FAMILIES.load(network.spec.family).official_keys(network)
    if all(ours == theirs for ours, theirs in keys.items()):
        return {name: _as_official(name) for name, _ in network.named_parameters()}
    names = (name for name, _ in network.named_parameters())
    return {name: name if name.startswith(AUXILIARY) else keys[name] for name in names}


def _as_official(name: str) -> str:
    ours = next(((old, new) for old, new in _OWN if name.startswith(old)), None)
    name = ours[1] + name.removeprefix(ours[0]) if ours else f"backbone.{name}"
    return name.removesuffix(_TABLE) + ".pos_embed" if name.endswith(_TABLE) else name
