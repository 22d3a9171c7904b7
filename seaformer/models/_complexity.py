"""Parameters and multiply-accumulates of a network, counted without running it.

MACs are torch's ``FlopCounterMode`` halved: convolutions (grouped ones too), linears and matrix
products. ``paper_flops`` is what fvcore's counter would give: a multiply-accumulate once, and
norms, bilinear resizing and pooling besides; SeaFormer's published FLOPs are such totals. fvcore
itself must run the network, which takes minutes and gigabytes for the largest rivals; here only
shapes are followed, and the tests compare the two to the last digit on one network per family.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from seaformer.core.spec import ModelSpec
from seaformer.core.zoo import ZooEntry


def parameters(network: nn.Module) -> int:
    """Number of learnt values; running statistics are not among them."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates for one input. On the meta device nothing is computed."""
    image = torch.empty(input_shape, device=next(network.parameters()).device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image)
    return int(counter.get_total_flops()) // 2


class _Extras(TorchFunctionMode):
    """fvcore's rates for everything but multiply-accumulates, in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.total: int = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        output = function(*args, **given)
        if function is F.batch_norm:
            weight = given.get("weight", args[3] if len(args) > 3 else None)
            self.total += args[0].numel() * (1 if weight is None else 2)
        elif function in (F.layer_norm, F.group_norm):
            weight = given.get("weight", args[2] if len(args) > 2 else None)
            self.total += args[0].numel() * (4 if weight is None else 5)
        elif function is F.interpolate:
            mode = given.get("mode", args[3] if len(args) > 3 else "nearest")
            self.total += output.numel() * {"bilinear": 4, "nearest": 1}.get(mode, 0)
        elif function is F.adaptive_avg_pool2d:
            self.total += args[0].numel()
        return output


def paper_flops(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """fvcore's total for one input. On the meta device nothing is computed."""
    image = torch.empty(input_shape, device=next(network.parameters()).device)
    with torch.no_grad(), _Extras() as extras:
        network(image)
    added: int = extras.total
    return macs(network, input_shape) + added


class _Dense(TorchFunctionMode):
    """Multiply-accumulates of convolutions with one group and a kernel above 1x1."""

    def __init__(self) -> None:
        super().__init__()
        self.total: int = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        output = function(*args, **given)
        if function is F.conv2d:
            weight = given["weight"] if "weight" in given else args[1]
            groups = given.get("groups", args[6] if len(args) > 6 else 1)
            if groups == 1 and weight.shape[2:].numel() > 1:
                self.total += output.numel() * weight.shape[1:].numel()
        return output


def dense_macs(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Those of ``macs`` that dense convolutions of more than 1x1 do. On the meta device."""
    image = torch.empty(input_shape, device=next(network.parameters()).device)
    with torch.no_grad(), _Dense() as dense:
        network(image)
    total: int = dense.total
    return total


def entry(family: ModuleType, spec: ModelSpec) -> ZooEntry:
    """The line of the index for one model of a family."""
    with torch.device("meta"):
        network: nn.Module = family.build(spec).eval()
    return ZooEntry(
        spec,
        parameters(network),
        macs(network, spec.input_shape),
        paper_flops(network, spec.input_shape),
        dense_macs(network, spec.input_shape),
    )
