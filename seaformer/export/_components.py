"""The parts of a network that are exported and timed one by one, with what flows between them.

Found by running the network once and watching its ``COMPONENTS``, so that a part is the submodule
itself, fed with exactly what the whole feeds it. No component is described a second time here.

Every segmentation network of SeaFormer has ``stem`` (1/8 of the image), ``context`` (the stages
below with their transformers), ``spatial`` (the fusion blocks) and ``head`` (two convolutions). A
classifier has no spatial branch and another head: ``stem``, ``context``, and a ``head`` of pooling
and one linear layer; figure 10 of the paper does not list it.

The components of any other module are its children: those that are called once, with tensors alone,
and return tensors. What the module computes between them is in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seaformer.core.errors import UsageError
from seaformer.models._blocks import Network

Tensors = tuple[Tensor, ...]
_LEFT_OUT = "not a component: "
Hook = Callable[[nn.Module, Any, Any, Any], None]


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


@dataclass(frozen=True)
class _Call:
    """What a child took and gave once."""

    taken: tuple[Any, ...]
    options: Mapping[str, Any]
    given: Any


def parts(model: nn.Module, image: Tensor) -> tuple[Part, ...]:
    """Every component of ``model`` in the order it runs, watched on ``image`` (1, C, H, W)."""
    paths = _paths(model)
    calls, final = _watched(model, image, paths)
    able = {name: each[0] for name, each in calls.items() if not _reason(each)}
    components = []
    for name in able if not isinstance(model, Network) else paths:
        call, given = able[name], _as_tuple(able[name].given)
        used = tuple(range(len(given)))
        if isinstance(model, Network):
            others = [value for other in able if other != name for value in able[other].taken]
            used = tuple(i for i, value in enumerate(given) if _is_in(value, [*others, *final]))
        module = Component(method_of(name), model.get_submodule(paths[name]), used).eval()
        outputs = tuple(given[i] for i in used)
        components.append(Part(method_of(name), module, call.taken, outputs))
    return tuple(components)


def require_parts(name: str, model: nn.Module, image: Tensor) -> tuple[Part, ...]:
    """As ``parts``; raises ``UsageError`` where the network of that name has none."""
    components = parts(model, image)
    if not components:
        without = left_out(model, image) or "it has no children"
        raise UsageError(
            f"{name} has no components: {without.removeprefix(_LEFT_OUT)}.",
            hint="A component is a child that is called once, with tensors, and returns tensors.",
        )
    return components


def left_out(model: nn.Module, image: Tensor) -> str:
    """The children that are not components, each with its reason, in a sentence; or nothing."""
    if isinstance(model, Network):
        return ""
    calls, _ = _watched(model, image, _paths(model))
    reasons = {name: _reason(each) for name, each in calls.items()}
    text = ", ".join(f"{name} ({reason})" for name, reason in reasons.items() if reason)
    return f"{_LEFT_OUT}{text}" if text else ""


def method_of(child: str) -> str:
    """The name of a child as that of a method: ``part_0`` of an ``nn.Sequential``'s first."""
    return child if child.isidentifier() else f"part_{child}"


def _paths(model: nn.Module) -> dict[str, str]:
    """The name of each component, and the path of its module."""
    if isinstance(model, Network):
        return {name: name for name in model.COMPONENTS}
    inner = str(getattr(model, "INNER", ""))
    children = model.get_submodule(inner).named_children()
    return {name: f"{inner}.{name}".strip(".") for name, _ in children}


def _watched(
    model: nn.Module, image: Tensor, paths: Mapping[str, str]
) -> tuple[dict[str, list[_Call]], Tensors]:
    """Every call of each component in one run, in the order of their first calls."""
    calls: dict[str, list[_Call]] = {}
    handles = [
        model.get_submodule(path).register_forward_hook(_keep(name, calls), with_kwargs=True)
        for name, path in paths.items()
    ]
    try:
        with torch.no_grad():
            final = _as_tuple(model(image))
    finally:
        for handle in handles:
            handle.remove()
    return calls | {name: [] for name in paths if name not in calls}, final


def _keep(name: str, calls: dict[str, list[_Call]]) -> Hook:
    def hook(_: nn.Module, inputs: Any, options: Any, outputs: Any) -> None:
        calls.setdefault(name, []).append(_Call(inputs, options, outputs))

    return hook


def _reason(calls: Sequence[_Call]) -> str:
    """Why a child is not a component; nothing where it is one."""
    if len(calls) != 1:
        return f"called {len(calls)} times" if calls else "not called"
    call = calls[0]
    values = [*call.taken, *call.options.values()]
    wrong = [type(value).__name__ for value in values if not isinstance(value, Tensor)]
    if wrong:
        return f"takes {wrong[0]}"
    if call.options or not values:
        return "takes arguments by name" if call.options else "takes nothing"
    given = call.given if isinstance(call.given, tuple) else (call.given,)
    wrong = [type(value).__name__ for value in given if not isinstance(value, Tensor)]
    return f"returns {wrong[0]}" if wrong else ""


def _as_tuple(value: Any) -> Tensors:
    return value if isinstance(value, tuple) else (value,)


def _is_in(value: Tensor, tensors: Iterable[Tensor]) -> bool:
    return any(value is tensor for tensor in tensors)
