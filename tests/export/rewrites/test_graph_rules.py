"""Every rule of operators is an equal function, applies to a network of anyone, and has a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seaformer.core.engine import engine_of
from seaformer.core.precision import BASE, find_precision
from seaformer.core.quiet import quiet
from seaformer.export import export_model
from seaformer.export.rewrites import list_graph_rules, list_rules, select_graph_rules
from seaformer.export.rewrites._graph import GraphRule, rewrite_graph

EXACT = 1e-10
TABLE = torch.linspace(0, 1, 8, dtype=torch.float64)


class Function(nn.Module):
    """A function of a map (1, 8, 12, 16), and a few layers that it may use."""

    def __init__(self, function: Callable[[Function, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.conv, self.bn = nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)
        self.table = nn.Parameter(TABLE)
        with torch.no_grad():
            for tensor in (self.bn.running_mean, self.bn.running_var, self.bn.weight, self.bn.bias):
                assert tensor is not None
                tensor.uniform_(0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def tokens(x: Tensor) -> Tensor:
    """1 8 12 16 to 1 4 heads, 48 tokens, 8 wide."""
    return x.reshape(1, 4, 48, 8)


# What each rule rewrites, written several ways, and how many operators those are.
EXAMPLES: dict[str, list[tuple[Callable[[Function, Tensor], Tensor], int]]] = {
    "graph-constants": [
        (lambda f, x: x + f.table[torch.arange(8) % 3].reshape(1, 8, 1, 1), 4),
    ],
    "graph-batch-norm": [(lambda f, x: f.bn(f.conv(x)), 1), (lambda f, x: f.conv(f.bn(x)), 1)],
    "graph-hard-sigmoid": [(lambda _, x: F.hardsigmoid(4 * x), 1)],
    "graph-silu": [(lambda _, x: F.silu(x), 1)],
    "graph-layer-norm": [
        (lambda f, x: F.layer_norm(x.transpose(1, 3), (8,), f.table, f.table), 1),
        (lambda _, x: F.layer_norm(x, (16,)), 1),
    ],
    "graph-axis-mean": [
        (lambda _, x: x.mean(1), 1),
        (lambda _, x: x.mean(-1, keepdim=True), 1),
        (lambda _, x: x.mean((2, 3)), 1),
        (lambda _, x: x.flatten(2).sum(2), 1),
    ],
    "graph-adaptive-pool": [
        (lambda _, x: F.adaptive_avg_pool2d(x, (3, 4)), 1),
        (lambda _, x: F.adaptive_avg_pool2d(x, (5, 6)), 1),
    ],
    "graph-pool": [(lambda _, x: F.avg_pool2d(x, 2), 1)],
    "graph-softmax": [
        (lambda _, x: x.softmax(1), 1),
        (lambda f, x: f.conv(x).softmax(3), 1),
        (lambda _, x: x.flatten(2).softmax(1), 1),
    ],
    "graph-attention": [
        (lambda _, x: F.scaled_dot_product_attention(tokens(x), tokens(x) * 2, tokens(x)), 1),
        (
            lambda _, x: F.scaled_dot_product_attention(
                tokens(x),
                tokens(x) * 2,
                tokens(x)[..., :4],
                x.reshape(4, 48, 8)[:, :, :1],
                scale=0.3,
            ),
            1,
        ),
    ],
    "graph-matmul": [(lambda _, x: tokens(x) @ tokens(x).transpose(2, 3), 1)],
    "graph-split": [
        (lambda _, x: torch.cat(x.chunk(3, 2)[::-1], 1), 1),
        (lambda _, x: torch.cat(torch.split(x, [1, 5, 2], 1)[1:], 1), 1),
        (lambda _, x: sum(x.unbind(3), torch.zeros(1, dtype=x.dtype)), 1),
    ],
    "graph-select": [(lambda _, x: x[:, -2] + x[:, 0], 2)],
    "graph-roll": [(lambda _, x: x.roll((3, -5), (2, 3)), 1)],
    "graph-expand": [(lambda _, x: x * x[:, :1].expand(-1, 8, -1, -1), 1)],
}
RULES = pytest.mark.parametrize("rule", list_graph_rules(), ids=lambda rule: str(rule.name))


def image() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 8, 12, 16, generator=generator, dtype=torch.float64)


def test_every_rule_has_examples_and_a_name_of_its_own() -> None:
    names = [rule.name for rule in list_graph_rules()]
    assert sorted(names) == sorted(EXAMPLES)
    assert not set(names) & {rule.name for rule in list_rules()}


@RULES
def test_a_rule_alone_is_the_same_function_in_double_precision(rule: GraphRule) -> None:
    x = image()
    for function, count in EXAMPLES[rule.name]:
        network = Function(function).double().eval()
        with quiet():
            program, places = rewrite_graph(torch.export.export(network, (x,)), (x,), [rule])
        assert {name: len(where) for name, where in places.items()} == {rule.name: count}
        with torch.no_grad():
            expected, seen = network(x), program.module(check_guards=False)(x)
        assert expected.shape == seen.shape
        assert float((expected - seen).abs().max()) < EXACT * max(1.0, float(expected.abs().max()))


@pytest.mark.slow
def test_a_softmax_behind_a_convolution_is_over_its_own_axis_in_xnnpack(tmp_path: Path) -> None:
    network = Function(lambda f, x: f.conv(x).softmax(3))
    artifact = export_model(network, shape=(1, 8, 12, 16), format="executorch", out=tmp_path)
    assert artifact.rewrites["graph-softmax"] == 1
    assert artifact.delegation is not None
    assert artifact.delegation.subgraphs == 1


def test_no_rule_changes_what_is_whole_already() -> None:
    x = image()
    network = Function(lambda f, x: f.conv(x).mean((2, 3), keepdim=True)).double().eval()
    with quiet():
        program = torch.export.export(network, (x,))
        same, places = rewrite_graph(program, (x,), list_graph_rules())
    assert same is program
    assert places == {}


def test_rules_are_selected_by_engine_and_can_be_left_out() -> None:
    engine = engine_of("executorch")
    assert select_graph_rules(engine, BASE) == list_graph_rules()
    assert select_graph_rules(engine_of("onnx"), find_precision("fp16")) == ()
    names = [rule.name for rule in select_graph_rules(engine, BASE, ["graph-roll"])]
    assert names == [rule.name for rule in list_graph_rules() if rule.name != "graph-roll"]
