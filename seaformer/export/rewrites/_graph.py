"""``GraphRule``: one rewrite of operators in a captured graph, for any network.

Rules of modules (``_rule.py``) match a class; these match what ``torch.export`` made of one, so
that it is of no matter whose class it was. Shapes are known, and the graph is captured again behind
the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from seaformer.core.engine import Engine
from seaformer.core.precision import Precision
from seaformer.export._raw_input import own_path
from seaformer.export.rewrites._rule import EVERYWHERE

Nodes = Node | list[Node] | None
aten = torch.ops.aten


@dataclass(frozen=True)
class Site:
    """One operator of a graph; what is called here goes right before it."""

    graph: GraphModule
    node: Node

    def arg(self, index: int, default: Any = None) -> Any:
        """A positional argument, or its default."""
        return self.node.args[index] if index < len(self.node.args) else default

    @property
    def x(self) -> Node:
        """The first argument of an operator of a tensor."""
        node: Any = self.node.args[0]
        return node  # type: ignore[no-any-return]

    def call(self, function: Callable[..., Any], *args: Any) -> Node:
        """A node that computes ``function``; it is from the module that the operator is from."""
        with self.graph.graph.inserting_before(self.node):
            node = self.graph.graph.call_function(function, args)
        node.meta = {k: v for k, v in self.node.meta.items() if k != "val"}
        return node

    def constant(self, value: Tensor) -> Node:
        """A node that gives a tensor, which becomes a weight of the graph."""
        name = f"constant_{sum(1 for _ in self.graph.buffers())}"
        self.graph.register_buffer(name, value.detach().clone().contiguous())
        with self.graph.graph.inserting_before(self.node):
            return self.graph.graph.get_attr(name)

    def number(self, value: float) -> Node:
        """A constant of one element, in the type of the first argument."""
        return self.constant(torch.full((1,), value, dtype=self.like(self.x).dtype))

    def value(self, node: Any) -> Tensor | None:
        """The weight or constant that a node gives; ``None`` for what depends on the input."""
        if not (isinstance(node, Node) and node.op == "get_attr"):
            return None
        value: Any = self.graph
        for part in str(node.target).split("."):
            value = getattr(value, part)
        return value if isinstance(value, Tensor) else None

    def like(self, node: Node) -> Tensor:
        """A tensor without data, of a node's shape and type."""
        held = self.value(node)
        tensor: Tensor = node.meta["val"] if held is None else held
        return tensor

    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of what a node gives."""
        return tuple(int(side) for side in self.like(node).shape)


@dataclass(frozen=True)
class GraphRule:
    """One rewrite of operators.

    Attributes:
        name: unique among all rules of graphs and modules.
        operators: names such as ``aten::roll``; empty for every operator.
        make: the node that takes the operator's place, several for one with several outputs, or
            ``None`` where the rule does not apply.
        reason: one sentence.
        delegates, dtypes: as of ``Rule``.
    """

    name: str
    operators: tuple[str, ...]
    make: Callable[[Site], Nodes]
    reason: str
    delegates: tuple[str, ...] = ("xnnpack",)
    dtypes: tuple[str, ...] = ()

    def applies(self, engine: Engine, precision: Precision) -> bool:
        """Whether files of that engine in that precision are rewritten so."""
        return (not self.delegates or engine.delegate in self.delegates) and (
            not self.dtypes or precision.dtype in self.dtypes
        )

    @property
    def where(self) -> str:
        """``modules: xnnpack``."""
        return "modules: " + (", ".join((*self.delegates, *self.dtypes)) or EVERYWHERE)


def rewrite_graph(
    program: ExportedProgram, inputs: tuple[Tensor, ...], rules: Sequence[GraphRule]
) -> tuple[ExportedProgram, dict[str, tuple[str, ...]]]:
    """An equal program, and the places where each rule replaced an operator, by name."""
    graph = program.run_decompositions({}).module(check_guards=False)
    _prepare(graph)
    places: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        for node in list(graph.graph.nodes):
            if _matches(rule, node):
                made = rule.make(Site(graph, node))
                if made is not None:
                    _replace(graph, node, made)
                    places[rule.name] = (*places.get(rule.name, ()), place_of(node))
    if not places:
        return program, places
    graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()
    return torch.export.export(graph, inputs), places


def _prepare(graph: GraphModule) -> None:
    """Drop outputs that nothing reads; what was a view of one layout may get another."""
    graph.graph.eliminate_dead_code()
    for node in graph.graph.nodes:
        if operator(node) == "aten::view":
            node.target = aten.reshape.default


def operator(node: Any) -> str:
    """``aten::linear`` for a call of an operator, nothing for anything else."""
    schema = getattr(node.target, "_schema", None) if isinstance(node, Node) else None
    return str(schema.name) if schema is not None else ""


def place_of(node: Node) -> str:
    """The path of the module that a node is from."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return own_path(str(stack[-1][0])) if stack else ""


def _matches(rule: GraphRule, node: Node) -> bool:
    name = operator(node)
    return bool(name) and (not rule.operators or name in rule.operators) and bool(node.users)


def _replace(graph: GraphModule, node: Node, made: Node | list[Node]) -> None:
    if isinstance(made, Node):
        made.meta.setdefault("val", node.meta.get("val"))
        node.replace_all_uses_with(made)
    else:
        for user in list(node.users):
            one = made[int(str(user.args[1]))]
            one.meta.setdefault("val", user.meta.get("val"))
            user.replace_all_uses_with(one)
            graph.graph.erase_node(user)
    graph.graph.erase_node(node)
