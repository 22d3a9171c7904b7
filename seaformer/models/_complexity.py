"""Parameters and multiply-accumulates of a network, counted without running it.

MACs are torch's ``FlopCounterMode`` halved: convolutions (grouped ones too), linears and matrix
products. ``paper_flops`` is what fvcore's counter would give: a multiply-accumulate once, and
norms, bilinear resizing and pooling besides; SeaFormer's published FLOPs are such totals. fvcore
itself must run the network, which takes minutes and gigabytes for the largest rivals; here only
shapes are followed, and the tests compare the two to the last digit on one network per family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from seaformer.core.spec import ModelSpec
from seaformer.core.zoo import ZooEntry

Rate = Callable[[Any, Sequence[Any], Mapping[str, Any], Any], int]


def parameters(network: nn.Module) -> int:
    """Number of learnt values; running statistics are not among them."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates for one input. On the meta device nothing is computed."""
    with FlopCounterMode(display=False) as counter:
        _run(network, input_shape)
    return int(counter.get_total_flops()) // 2


def _run(network: nn.Module, input_shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        network(torch.empty(input_shape, device=next(network.parameters()).device))


class _Tally(TorchFunctionMode):
    """Adds what each rate makes of every call: the function, its arguments, keywords and output."""

    def __init__(self, *rates: Rate) -> None:
        super().__init__()
        self.rates = rates
        self.totals = [0] * len(rates)

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        output = function(*args, **given)
        for place, rate in enumerate(self.rates):
            self.totals[place] += rate(function, args, given, output)
        return output


def _tallied(network: nn.Module, input_shape: tuple[int, ...], *rates: Rate) -> list[int]:
    """The total of each rate for one input. On the meta device nothing is computed."""
    with _Tally(*rates) as tally:
        _run(network, input_shape)
    totals: list[int] = tally.totals
    return totals


def _extras(function: Any, args: Sequence[Any], given: Mapping[str, Any], output: Any) -> int:
    """fvcore's rates for everything but multiply-accumulates, in evaluation mode."""
    if function is F.batch_norm:
        weight = given.get("weight", args[3] if len(args) > 3 else None)
        return int(args[0].numel() * (1 if weight is None else 2))
    if function in (F.layer_norm, F.group_norm):
        weight = given.get("weight", args[2] if len(args) > 2 else None)
        return int(args[0].numel() * (4 if weight is None else 5))
    if function is F.interpolate:
        mode = given.get("mode", args[3] if len(args) > 3 else "nearest")
        return int(output.numel() * {"bilinear": 4, "nearest": 1}.get(mode, 0))
    return int(args[0].numel()) if function is F.adaptive_avg_pool2d else 0


def _dense(function: Any, args: Sequence[Any], given: Mapping[str, Any], output: Any) -> int:
    """Multiply-accumulates of convolutions with one group and a kernel above 1x1."""
    if function is not F.conv2d:
        return 0
    weight = given["weight"] if "weight" in given else args[1]
    groups = given.get("groups", args[6] if len(args) > 6 else 1)
    if groups != 1 or weight.shape[2:].numel() == 1:
        return 0
    return int(output.numel() * weight.shape[1:].numel())


def paper_flops(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """fvcore's total for one input. On the meta device nothing is computed."""
    (added,) = _tallied(network, input_shape, _extras)
    return macs(network, input_shape) + added


def dense_macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Those of ``macs`` that dense convolutions of more than 1x1 do. On the meta device."""
    (dense,) = _tallied(network, input_shape, _dense)
    return dense


def entry(family: ModuleType, spec: ModelSpec) -> ZooEntry:
    """The line of the index for one model of a family."""
    with torch.device("meta"):
        network: nn.Module = family.build(spec).eval()
    counted = macs(network, spec.input_shape)
    added, dense = _tallied(network, spec.input_shape, _extras, _dense)
    return ZooEntry(spec, parameters(network), counted, counted + added, dense)
