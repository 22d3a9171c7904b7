"""The parts of a network that are exported and timed one by one, with what flows between them.

Found by running the network once and watching its ``COMPONENTS``, so that a part is the submodule
itself, fed with exactly what the whole feeds it. No component is described a second time here.

Every segmentation network of SeaFormer has ``stem`` (1/8 of the image), ``context`` (the stages
below with their transformers), ``spatial`` (the fusion blocks) and ``head`` (two convolutions). A
classifier has no spatial branch and another head: ``stem``, ``context``, and a ``head`` of pooling
and one linear layer; figure 10 of the paper does not list it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seaformer.models._blocks import Network

Tensors = tuple[Tensor, ...]
Hook = Callable[[nn.Module, Tensors, Tensor | Tensors], None]


@dataclass(frozen=True)
class Part:
    """One component, what it took and what it gave in one run of the whole network.

    ``outputs`` are those that the rest of the network uses: a classifier's head takes the last
    stage of the context branch alone.
    """

    name: str
    module: nn.Module
    inputs: Tensors
    outputs: Tensors


class Component(nn.Module):
    """A part as a network of its own; submodules keep the names they have in the whole."""

    def __init__(self, name: str, module: nn.Module, used: tuple[int, ...]) -> None:
        super().__init__()
        self.name = name
        self.used = used
        setattr(self, name, module)

    def forward(self, *inputs: Tensor) -> Tensor | Tensors:
        outputs = _as_tuple(getattr(self, self.name)(*inputs))
        kept = tuple(outputs[i] for i in self.used)
        return kept[0] if len(kept) == 1 else kept


def parts(model: nn.Module, image: Tensor) -> tuple[Part, ...]:
    """Every component of ``model`` in the order it runs, watched on ``image`` (1, 3, H, W)."""
    assert isinstance(model, Network)
    taken: dict[str, Tensors] = {}
    given: dict[str, Tensors] = {}
    modules = {name: model.get_submodule(name) for name in model.COMPONENTS}
    handles = [
        module.register_forward_hook(_keep(name, taken, given)) for name, module in modules.items()
    ]
    try:
        with torch.no_grad():
            final = _as_tuple(model(image))
    finally:
        for handle in handles:
            handle.remove()
    components = []
    for name, module in modules.items():
        others = [value for other in modules if other != name for value in taken[other]]
        used = tuple(i for i, value in enumerate(given[name]) if _is_in(value, [*others, *final]))
        outputs = tuple(given[name][i] for i in used)
        components.append(Part(name, Component(name, module, used).eval(), taken[name], outputs))
    return tuple(components)


def _keep(name: str, taken: dict[str, Tensors], given: dict[str, Tensors]) -> Hook:
    def hook(_: nn.Module, inputs: Tensors, outputs: Tensor | Tensors) -> None:
        taken[name], given[name] = inputs, _as_tuple(outputs)

    return hook


def _as_tuple(value: Tensor | Tensors) -> Tensors:
    return value if isinstance(value, tuple) else (value,)


def _is_in(value: Tensor, tensors: Iterable[Tensor]) -> bool:
    return any(value is tensor for tensor in tensors)
