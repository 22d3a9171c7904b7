"""Whether every value that a network computes fits the type that its file computes in.

An engine on x86 computes an FP16 file in FP32, where nothing overflows; a phone computes it in
FP16, where what lies beyond 65,504 is infinite. So the range is read off the eager network as it
is written, operator by operator, on every input of the proof: inner tensors as well as outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from seaformer.core.errors import ExportError
from seaformer.core.precision import BASE, Precision
from seaformer.export._raw_input import own_path
from seaformer.export._verify import Case

_VIEWS = ("view", "expand", "t", "transpose", "permute", "detach", "alias", "slice", "select")


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of one tensor, and on which input; NaN where it has one."""

    place: str
    input: str
    least: float
    greatest: float

    @property
    def size(self) -> float:
        """The largest absolute value; infinite where the tensor has an infinity or NaN."""
        size = max(abs(self.least), abs(self.greatest))
        return size if self.least == self.least else float("inf")

    def __str__(self) -> str:
        where = f" on {self.input}" if self.input else ""
        return f"{self.place} has values from {self.least:.6g} to {self.greatest:.6g}{where}"


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every floating tensor that an operator gives, by the module it is computed in."""

    def __init__(self, model: nn.Module, input: str, dtype: torch.dtype) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.input, self.dtype = input, dtype
        self.stack: list[str] = []
        self.ranges: list[Range] = []
        self.handles = []
        for name, module in model.named_modules():
            self.handles.append(module.register_forward_pre_hook(self._enter(name)))
            self.handles.append(module.register_forward_hook(self._leave, always_call=True))

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda *_: self.stack.append(own_path(name))

    def _leave(self, *_: Any) -> None:
        self.stack.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        operator = func.name().partition("::")[2].partition(".")[0]
        if operator not in _VIEWS:
            several = result if isinstance(result, (tuple, list)) else (result,)
            # What a norm gives beside its result is kept for training: no file computes it.
            for value in several[:1] if "_norm" in operator else several:
                if isinstance(value, Tensor) and value.dtype == self.dtype and value.numel():
                    self._see(value, operator)
        return result

    def _see(self, value: Tensor, operator: str) -> None:
        least, greatest = (float(end) for end in torch.aminmax(value))
        place = self.stack[-1] if self.stack else ""
        name = f"{place} ({operator})" if place else operator
        self.ranges.append(Range(name, self.input, least, greatest))


def network_ranges(network: nn.Module, cases: Sequence[Case]) -> Iterator[Range]:
    """What each operator of a network gives for the image of each case."""
    for case in cases:
        if case.method == "forward":
            yield from _watched(network, case)


def require_range(
    weights: Mapping[str, Tensor], computed: Iterable[Range], precision: Precision
) -> tuple[str, ...]:
    """A note on the largest value and on weights that vanish; nothing for ``BASE``.

    ``weights`` are floating tensors by name; ``computed`` is read only where a range is at stake.
    Raises ``ExportError`` with the first tensor that leaves the range of the precision; of one that
    is calibrated, with the first that is not finite.
    """
    limit = finite_limit(precision)
    if precision.calibrated:
        _require_finite((*(_range(n, v) for n, v in weights.items()), *computed), precision)
    if limit is None:
        return ()
    ranges = [_range(name, value) for name, value in weights.items()]
    ranges += computed
    for each in ranges:
        if not each.size <= limit:
            raise ExportError(
                f"{precision.name} cannot hold what the network computes: {each}, and "
                f"{precision.dtype} ends at {limit:.0f}.",
                hint=f"Use --precision {BASE.name}, or scale the weights of that layer.",
            )
    largest = max(ranges, key=lambda each: each.size)
    note = f"{precision.name}: the largest value is {largest.size:.4g}, {largest.place}"
    lost, total = _vanished(weights, precision)
    return (note + (f"; {lost} of {total} weights vanish" if lost else ""),)


def _require_finite(ranges: Iterable[Range], precision: Precision) -> None:
    for each in ranges:
        if not math.isfinite(each.size):
            raise ExportError(
                f"{precision.name} requires finite values in the network: {each}.",
                hint="Scale the weights of that layer.",
            )


def finite_limit(precision: Precision) -> float | None:
    """The largest value of a type that has a smaller range than float32; ``None`` of others."""
    dtype = getattr(torch, precision.dtype, None)
    if precision is BASE or not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        return None
    limit = float(torch.finfo(dtype).max)
    # bfloat16 has the range of float32
    return limit if limit < torch.finfo(torch.float32).max / 2 else None


def ranges_of(network: nn.Module, cases: Sequence[Case]) -> list[Range]:
    """The ranges of all weights, then of what each operator gives on each input."""
    ranges = [_range(name, value) for name, value in network_weights(network).items()]
    return [*ranges, *network_ranges(network, cases)]


def vanished(network: nn.Module, precision: Precision) -> tuple[int, int]:
    """How many weights that are not zero become zero in that precision, and how many there are."""
    return _vanished(network_weights(network), precision)


def _vanished(weights: Mapping[str, Tensor], precision: Precision) -> tuple[int, int]:
    dtype: torch.dtype = getattr(torch, precision.dtype)
    lost, total = 0, 0
    for value in weights.values():
        lost += int(((value != 0) & (value.to(dtype) == 0)).sum())
        total += value.numel()
    return lost, total


def _watched(network: nn.Module, case: Case) -> list[Range]:
    watch = _Watch(network, case.name, torch.float32)
    try:
        with torch.no_grad(), watch:
            network(torch.from_numpy(case.image))
    finally:
        for handle in watch.handles:
            handle.remove()
    return watch.ranges


def network_weights(network: nn.Module) -> dict[str, Tensor]:
    """The floating weights of a network by name."""
    state = network.state_dict()
    return {name: value for name, value in state.items() if _is_float(value)}


def _is_float(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.numel() > 0


def _range(name: str, value: Tensor) -> Range:
    least, greatest = (float(end) for end in torch.aminmax(value.detach()))
    return Range(f"the weight {name}", "", least, greatest)
