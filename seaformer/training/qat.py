"""Quantisation-aware training: a network that rounds like its int8 file learns from its float self.

Weights are rounded to 8 bits an output channel, activations to 8 bits a tensor, where a quantizer
rounds them: behind convolutions, linear layers, sums, products and concatenations, and behind the
norm or clamp that alone reads one of those. Gradients pass the rounding as if it were not there
(straight-through, Bengio et al. 2013). The teacher is the network that the run began with, frozen;
the loss is the KL divergence of the student's classes from the teacher's, so labels are not read.

Simple on purpose: ranges are the least and the greatest value of each batch, so that a run keeps no
state of them and resumes exactly; a file's are those of its calibration images. Norms keep their
statistics. Weights are saved as ever, and the export rounds them.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from seaformer.core.errors import UsageError
from seaformer.core.spec import ModelSpec
from seaformer.data.dataset import DETECTION
from seaformer.models._blocks import Network
from seaformer.training.distillation import divergence
from seaformer.training.losses import Batch, Loss
from seaformer.training.recipes import Recipe

RATE = 0.01  # of the recipe's learning rate
_WEIGHTED = (F.conv2d, torch.conv2d, F.linear)
_FUSED = (
    F.batch_norm, torch.batch_norm, F.relu, torch.relu, F.relu6, F.hardtanh, torch.clamp,
    Tensor.clamp, Tensor.relu,
)  # fmt: skip
_ARITHMETIC = (
    torch.add, Tensor.add, Tensor.__add__, torch.mul, Tensor.mul, Tensor.__mul__, torch.cat,
)  # fmt: skip
_SOURCES = (*_WEIGHTED, *_ARITHMETIC, *_FUSED)


def round_weight(weight: Tensor) -> Tensor:
    """To 8 bits an output channel, symmetric, as both quantizers do. Any shape, channels first."""
    peak = weight.detach().abs().flatten(1).amax(dim=1)
    scale = (peak / 127).clamp(min=1e-12)
    zeros = torch.zeros_like(scale, dtype=torch.int32)
    rounded: Tensor = torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -127, 127)
    return rounded


def round_activation(value: Tensor) -> Tensor:
    """To 8 bits between the least and the greatest value, zero among the codes."""
    least, greatest = (end.clamp(max=0) if i == 0 else end.clamp(min=0)
                       for i, end in enumerate(torch.aminmax(value.detach())))  # fmt: skip
    scale = ((greatest - least) / 255).clamp(min=1e-12)
    zero = (-128 - torch.round(least / scale)).clamp(-128, 127).to(torch.int32)
    rounded: Tensor = torch.fake_quantize_per_tensor_affine(value, scale, zero, -128, 127)
    return rounded


class Rounding(TorchFunctionMode):
    """Rounds weights, and results of the calls at ``places``; with ``None`` it looks for those."""

    def __init__(self, places: frozenset[int] | None = None) -> None:
        super().__init__()
        self._places = places
        self._results: list[Tensor] = []
        self._readers: Counter[int] = Counter()
        self._fused: set[int] = set()
        self._kept: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if self._places is None:
            self._look(func, args)
        elif func in _WEIGHTED:
            args = (args[0], round_weight(args[1]), *args[2:])
        result = func(*args, **(kwargs or {}))
        if func in _SOURCES and isinstance(result, Tensor) and result.is_floating_point():
            self._results.append(result)
            if self._places is not None and len(self._results) - 1 in self._places:
                return round_activation(result)
        return result

    def _look(self, func: Any, args: Any) -> None:
        for value in args:
            for tensor in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(tensor, Tensor):
                    self._kept.append(tensor)
                    self._readers[id(tensor)] += 1
        if func in _FUSED:
            self._fused.add(id(args[0]))

    def found(self) -> frozenset[int]:
        """The calls whose results are rounded: all but those that a norm or clamp alone reads."""
        alone = (id(r) in self._fused and self._readers[id(r)] == 1 for r in self._results)
        return frozenset(i for i, inner in enumerate(alone) if not inner)


def places_of(network: nn.Module, image: Tensor) -> frozenset[int]:
    """Where results are rounded, by the number of the call in one run."""
    look = Rounding()
    with torch.no_grad(), look:
        network(image)
    return look.found()


class Quantising:
    """The objective of a student that rounds: call it with the (wrapped) student and a batch."""

    def __init__(self, student: Network, device: torch.device | str = "cpu") -> None:
        self.teacher = copy.deepcopy(student).eval().requires_grad_(False).to(device)
        self._places: frozenset[int] | None = None

    def __call__(self, network: nn.Module, batch: Batch) -> Loss:
        """The divergence from the float network."""
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        with torch.no_grad():
            expected = self.teacher(batch.images)
        if self._places is None:
            self._places = places_of(network, batch.images[:1])
        with Rounding(self._places):
            seen = network(batch.images)
        return Loss(divergence(seen, expected))


def qat_recipe(recipe: Recipe, spec: ModelSpec, checkpoint: str, *, distils: bool) -> Recipe:
    """The recipe without dropout and averages, at a hundredth of its rate and without warm-up.

    Raises ``UsageError`` without trained weights, for a detector, and beside another teacher.
    """
    if distils:
        raise UsageError("--qat has the float network as its teacher: leave the other away.")
    if spec.task == DETECTION:
        raise UsageError(f"--qat does not support detection ({spec.name}).")
    if not checkpoint:
        raise UsageError("--qat requires --checkpoint with trained weights.")
    return replace(
        recipe, lr=recipe.lr * RATE, dropout=0.0, stochastic_depth=0.0, ema=0.0, mixup=0.0
    )
