"""Parameters and multiply-accumulates of a network, by counters that are not ours.

MACs are torch's ``FlopCounterMode`` halved: convolutions (grouped ones too), linears and matrix
products. ``paper_flops`` is fvcore's total, which counts a multiply-accumulate once and adds
norms, resizing and pooling; SeaFormer's published FLOPs are such totals. fvcore is only needed
to write the index.
"""

from __future__ import annotations

import warnings
from types import ModuleType

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seaformer.core.registry import missing
from seaformer.core.spec import ModelSpec
from seaformer.models._zoo import ZooEntry


def parameters(network: nn.Module) -> int:
    """Number of learnt values; running statistics are not among them."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates for one input. On the meta device nothing is computed."""
    image = torch.empty(input_shape, device=next(network.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops()) // 2


def paper_flops(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """fvcore's total for one input. Raises ``MissingExtra`` where fvcore is not installed."""
    image = torch.empty(input_shape, device=next(network.parameters()).device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it scripts and traces, which torch 2.13 calls deprecated
        try:
            from fvcore.nn import FlopCountAnalysis
        except ModuleNotFoundError as error:
            raise missing("fvcore", "the index of models", "") from error
        analysis = FlopCountAnalysis(network, image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return int(analysis.total())


def entry(family: ModuleType, spec: ModelSpec) -> ZooEntry:
    """The line of the index for one model of a family."""
    params, counted = cost(family, spec)
    flops = paper_flops(family.build(spec).eval(), spec.input_shape)  # cannot trace without data
    return ZooEntry(spec, params, counted, flops)


def cost(family: ModuleType, spec: ModelSpec) -> tuple[int, int]:
    """Parameters and MACs of one model of a family; only shapes are followed, nothing is run."""
    with torch.device("meta"):
        network: nn.Module = family.build(spec).eval()
    return parameters(network), macs(network, spec.input_shape)
