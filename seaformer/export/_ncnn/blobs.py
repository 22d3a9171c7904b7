"""Which module of the network each layer of an ncnn file came from, and where components begin.

pnnx keeps no names of modules. Both networks are run on the photograph, and a blob belongs to the
module that gives the same values, before or after an activation. What no module gives alone (a
product of attention) belongs to the innermost module around it. A few hundred values are kept of
each tensor, so that memory does not grow with the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from seaformer.core.errors import ExportError
from seaformer.core.operators import GraphOperator
from seaformer.export._components import Part
from seaformer.runtime._ncnn.param import Cut, Param

Array = npt.NDArray[Any]
_KEPT = 509  # a prime: steps through a map do not stay in a few of its columns
_NEAR = 0.02  # of the spread of the values; a cast of the weights moves them by less


@dataclass(frozen=True, eq=False)
class Trace:
    """A tensor by its sizes that are not 1 and some of its values."""

    name: str
    sizes: tuple[int, ...]
    values: Array

    def distance(self, other: Trace) -> float:
        """The largest difference, relative to the spread; infinite for other sizes."""
        if self.sizes != other.sizes:
            return float("inf")
        spread = max(float(self.values.std()), float(np.finfo(np.float32).tiny))
        return float(np.abs(self.values - other.values).max()) / spread


def trace(name: str, value: Array) -> Trace:
    """What is kept of a tensor."""
    flat = value.reshape(-1)
    places = np.linspace(0, flat.size - 1, min(_KEPT, flat.size)).astype(np.int64)
    sizes = tuple(size for size in value.shape if size != 1)
    return Trace(name, sizes, flat[places].astype(np.float64))


def blobs(path: Path, image: Tensor) -> tuple[Trace, ...]:
    """Every blob of the file in the order of its layers."""
    from seaformer.runtime.ncnn import open_session

    session = open_session(path, plain=True)
    return tuple(trace(name, value) for name, value in session.every_blob([image.numpy()]))


def modules(network: nn.Module, image: Tensor) -> tuple[Trace, ...]:
    """What every module gave that gave one tensor, in the order they ended."""
    seen: list[Trace] = []

    def keep(path: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                seen.append(trace(path, output.detach().float().numpy()))

        return hook

    handles = [
        module.register_forward_hook(keep(path)) for path, module in network.named_modules() if path
    ]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(seen)


def _activated(tensors: Sequence[Trace]) -> Iterator[Trace]:
    """The tensors, then each behind the activations that pnnx fuses into the layer before."""
    yield from tensors
    for one in tensors:
        for activation in (_relu, _relu6, _hard_swish):
            yield replace(one, values=activation(one.values))


def _relu(values: Array) -> Array:
    value: Array = np.maximum(values, 0)
    return value


def _relu6(values: Array) -> Array:
    value: Array = np.clip(values, 0, 6)
    return value


def _hard_swish(values: Array) -> Array:
    value: Array = values * np.clip(values + 3, 0, 6) / 6
    return value


def operators(
    network: Param, of_file: Sequence[Trace], of_modules: Sequence[Trace]
) -> tuple[GraphOperator, ...]:
    """The layers in the order they run, each with its module."""
    candidates = tuple(_activated(of_modules))
    known = {each.name: _nearest(each, candidates) for each in of_file}
    layers = [layer for layer in network.layers if layer.type != "Input"]
    paths = [known.get(layer.outputs[0]) if layer.outputs else None for layer in layers]
    return tuple(
        GraphOperator(layer.type, _around(paths, i) if path is None else path, (layer.name,))
        for i, (layer, path) in enumerate(zip(layers, paths, strict=True))
    )


def cuts(parts: Iterable[Part], of_file: Sequence[Trace]) -> tuple[Cut, ...]:
    """The components by the blobs that they take and give.

    Raises ``ExportError`` for one whose tensors the file does not have.
    """
    return tuple(
        Cut(
            part.name,
            tuple((_blob(part, value, of_file), tuple(value.shape)) for value in part.inputs),
            tuple(_blob(part, value, of_file) for value in part.outputs),
        )
        for part in parts
    )


def _blob(part: Part, value: Tensor, of_file: Sequence[Trace]) -> str:
    blob = _nearest(trace(part.name, value.detach().float().numpy()), of_file)
    if blob is None:
        sizes = "x".join(map(str, value.shape))
        raise ExportError(
            f"ncnn: component {part.name} cannot be cut out, because no blob has the values of its "
            f"tensor of {sizes}.",
            hint="Leave --components out.",
        )
    return blob


def _nearest(tensor: Trace, others: Iterable[Trace]) -> str | None:
    """The name of the first of those nearest to ``tensor``, where one is near."""
    best, least = None, _NEAR
    for other in others:
        if (distance := tensor.distance(other)) < least:
            best, least = other.name, distance
    return best


def _around(paths: Sequence[str | None], place: int) -> str:
    """The innermost module that holds the nearest known ones on both sides."""
    before = next((path for path in reversed(paths[:place]) if path is not None), "")
    after = next((path for path in paths[place + 1 :] if path is not None), before)
    shared = []
    for one, other in zip(before.split("."), after.split("."), strict=False):
        if one != other:
            break
        shared.append(one)
    return ".".join(shared) or before
