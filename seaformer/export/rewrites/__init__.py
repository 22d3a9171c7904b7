"""Rewrites: the same function, written the way engines take it whole; a file per family of rules.

Every public file here has ``RULES``, in any order: what depends on order is a rule's ``stage``
(``_rule.py``). ``_apply.py`` applies them. Equality is proved on photographs at every export
(``_verify.py``), and per rule in double precision in the tests. Together they turn the thirteen
XNNPACK subgraphs of SeaFormer-T into one.

Reasons are those of executorch 1.5.1 and onnxruntime 1.31. Drop a rule when the pin passes a
release that takes the original.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from seaformer.core.engine import Engine
from seaformer.core.precision import Precision
from seaformer.core.registry import Registry, unknown

if TYPE_CHECKING:
    from seaformer.export.rewrites._graph import GraphRule
    from seaformer.export.rewrites._rule import Rule

FAMILIES = Registry("seaformer.export.rewrites", noun="family of rewrites", extra="export")


@cache
def list_rules() -> tuple[Rule, ...]:
    """Every rule of modules, of every family, in the order they are applied. Imports torch."""
    from seaformer.export.rewrites._rule import Rule

    rules = [rule for rule in _rules() if isinstance(rule, Rule)]
    return tuple(sorted(rules, key=lambda rule: rule.stage))


@cache
def list_graph_rules() -> tuple[GraphRule, ...]:
    """Every rule of operators, in the order they are applied. Imports torch."""
    from seaformer.export.rewrites._graph import GraphRule

    return tuple(rule for rule in _rules() if isinstance(rule, GraphRule))


def _rules() -> list[Rule | GraphRule]:
    return [rule for family in FAMILIES.names() for rule in FAMILIES.load(family).RULES]


def check_rules(names: Iterable[str]) -> None:
    """Raise ``UnknownName``, with the nearest one, for the name of no rule."""
    known = {rule.name for rule in list_rules()} | {rule.name for rule in list_graph_rules()}
    for name in names:
        if name not in known:
            raise unknown("rewrite", name, known)


def select_rules(
    engine: Engine, precision: Precision, without: Iterable[str] = (), *, free: bool = False
) -> tuple[Rule, ...]:
    """The rules of modules for files of that engine in that precision, but for those named.

    ``free``: the files leave sizes free.
    """
    left_out = tuple(without)
    check_rules(left_out)
    rules = [rule for rule in list_rules() if rule.name not in left_out]
    applied = [rule for rule in rules if rule.applies(engine, precision, free=free)]
    replaced = {name for rule in applied for name in rule.replaces}
    return tuple(rule for rule in applied if rule.name not in replaced)


def relevant_rules(
    kinds: Iterable[str],
    engine: Engine,
    precision: Precision,
    without: Iterable[str] = (),
    *,
    free: bool = False,
) -> dict[str, str]:
    """The file of each rule that meets a module of these classes, by its name, in their order."""
    from seaformer.export.rewrites._apply import kind_name

    met = set(kinds)
    homes = {rule.name: name for name in FAMILIES.names() for rule in FAMILIES.load(name).RULES}
    rules = select_rules(engine, precision, without, free=free)
    return {rule.name: homes[rule.name] for rule in rules if kind_name(rule.kind) in met}


def select_graph_rules(
    engine: Engine, precision: Precision, without: Iterable[str] = ()
) -> tuple[GraphRule, ...]:
    """As ``select_rules``, of operators."""
    left_out = tuple(without)
    check_rules(left_out)
    rules = (rule for rule in list_graph_rules() if rule.name not in left_out)
    return tuple(rule for rule in rules if rule.applies(engine, precision))
