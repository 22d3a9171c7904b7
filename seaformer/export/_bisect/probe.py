"""A network that gives what flows between its modules as well, so that a file of it does.

Values are found by watching one run: what each module took and gave, by the identity of tensors. A
value that is only read by a ReLU or clamp is replaced by what that gives, because engines compute
the two at once; it would be another file with the value in between as an output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

TAKEN, GIVEN = "taken", "given"
_FUSED = (
    F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, torch.clamp, torch.clamp_,
    Tensor.clamp, Tensor.clamp_, F.hardtanh, F.hardtanh_, F.relu6,
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A tensor of one run: the ``place``-th that the ``call``-th call of a module took or gave."""

    module: str
    call: int
    side: str
    place: int


@dataclass(frozen=True)
class Site:
    """One call of a module, with the numbers of its values among those of the plan.

    ``before`` is empty where it takes the image alone, which every file has exactly.
    """

    module: str
    call: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def name(self) -> str:
        """The path, with the number of the call behind the first."""
        return self.module if self.call == 0 else f"{self.module}#{self.call + 1}"


@dataclass(frozen=True)
class Plan:
    """Which values are looked at, and the calls that they belong to, in the order of their ends."""

    values: tuple[Value, ...]
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class _Call:
    module: str
    number: int
    taken: tuple[Tensor, ...]
    given: tuple[Tensor, ...]


class _Functions(TorchFunctionMode):
    """Who reads each tensor; every tensor seen is kept, so that none gets the identity of one."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: Counter[int] = Counter()
        self.fused: dict[int, Tensor] = {}
        self.kept: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, (Tensor, tuple, list)):
            for value in _tensors((*args, *(kwargs or {}).values())):
                self.readers[id(value)] += 1
                self.kept.append(value)
            if func in _FUSED and isinstance(args[0], Tensor) and isinstance(result, Tensor):
                self.fused[id(args[0])] = result
            self.kept += _tensors(result)
        return result

    def read(self, value: Tensor) -> Tensor:
        """What readers get of a value: behind a clamp, where that is the only one."""
        if self.readers[id(value)] == 1 and id(value) in self.fused:
            return self.read(self.fused[id(value)]) if self.fused[id(value)] is not value else value
        return value


def watched(network: nn.Module, image: Tensor) -> tuple[list[_Call], Any, _Functions]:
    """One run: the calls of every module in the order of their ends, and the answer."""
    calls: list[_Call] = []
    counts: Counter[str] = Counter()
    functions = _Functions()

    def hook(name: str) -> Callable[..., None]:
        def note(_: nn.Module, taken: Any, options: Any, given: Any) -> None:
            inputs = _tensors((*taken, *options.values()))
            calls.append(_Call(name, counts[name], tuple(inputs), tuple(_tensors(given))))
            counts[name] += 1

        return note

    handles = [
        module.register_forward_hook(hook(name), with_kwargs=True)
        for name, module in network.named_modules()
    ]
    try:
        with functions:
            answer = network(image)
    finally:
        for handle in handles:
            handle.remove()
    return calls, answer, functions


def plan_of(network: nn.Module, image: Tensor) -> Plan:
    """Every value between modules once, as the module that gives it names it."""
    with torch.no_grad():
        calls, _, functions = watched(network, image)
    values: list[Value] = []
    numbers: dict[int, int] = {id(image): -1}
    sites = []
    for call in calls:
        sides = {}
        for side, tensors in ((TAKEN, call.taken), (GIVEN, call.given)):
            known = []
            for place, tensor in enumerate(tensors):
                final = tensor if side == TAKEN else functions.read(tensor)
                if not final.is_floating_point() or not final.numel():
                    continue
                if id(final) not in numbers:
                    numbers[id(final)] = len(values)
                    values.append(Value(call.module, call.number, side, place))
                known.append(numbers[id(final)])
            sides[side] = tuple(number for number in known if number >= 0)
        if sides[GIVEN] and set(sides[GIVEN]) - set(sides[TAKEN]):
            sites.append(Site(call.module, call.number, sides[TAKEN], sides[GIVEN]))
    return Plan(tuple(values), _once(sites))


def _once(sites: list[Site]) -> tuple[Site, ...]:
    """Without a module that gives what one inside of it gave; the network itself stays."""
    seen: set[tuple[int, ...]] = set()
    kept = []
    for site in sites:
        if site.after not in seen or not site.module:
            kept.append(site)
        seen.add(site.after)
    return tuple(kept)


class Probed(nn.Module):
    """A network whose outputs are values inside of it. Input as the network's."""

    def __init__(self, network: nn.Module, values: tuple[Value, ...]) -> None:
        super().__init__()
        self.network = network
        self.values = values
        self.OUTPUTS = tuple(f"value{i}" for i in range(len(values)))

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        calls, _, functions = watched(self.network, image)
        by_name = {(call.module, call.number): call for call in calls}
        tensors = []
        for value in self.values:
            call = by_name[value.module, value.call]
            tensor = getattr(call, value.side)[value.place]
            tensors.append(tensor if value.side == TAKEN else functions.read(tensor))
        return tensors[0] if len(tensors) == 1 else tuple(tensors)


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in tuples, lists and dicts, in their order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for each in value for tensor in _tensors(each)]
    return []
