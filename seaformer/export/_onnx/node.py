"""``OnnxNode``: one node of an ONNX graph, with what is known of its inputs before it runs.

What depends on no data (weights, axes, sizes computed from shapes) is *constant*, because an export
is for one size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seaformer.core.errors import UnsupportedOperator

Function = Callable[..., Any]


@dataclass(frozen=True)
class OnnxNode:
    """One node.

    ``values`` has what each input is for an example (``None`` where it is left out), and
    ``constant`` whether it is that for every image. Inputs that ``axes``, ``number`` or ``numbers``
    read become part of the function; the others are its arguments (``read`` has the former).
    """

    kind: str
    name: str
    opset: int
    outputs: int
    attributes: Mapping[str, Any]
    values: Sequence[Tensor | None]
    constant: Sequence[bool]
    read: set[int] = field(default_factory=set)

    def get(self, attribute: str, default: Any = None) -> Any:
        """An attribute; text is ``str``."""
        value = self.attributes.get(attribute, default)
        return value.decode() if isinstance(value, bytes) else value

    def has(self, index: int) -> bool:
        """Whether an input is given."""
        return index < len(self.values) and self.values[index] is not None

    def like(self, index: int) -> Tensor:
        """The example of an input, for its shape and type."""
        value = self.values[index] if index < len(self.values) else None
        if value is None:
            raise self.refusal(f"without input {index}")
        return value

    def rank(self, index: int = 0) -> int:
        """The number of axes of an input."""
        return self.like(index).dim()

    def numbers(self, index: int, attribute: str = "") -> list[Any] | None:
        """A constant input, or the attribute that older opsets have instead; ``None``: neither."""
        if attribute and attribute in self.attributes:
            return list(np.atleast_1d(self.attributes[attribute]).tolist())
        if not self.has(index):
            return None
        if not self.constant[index]:
            raise self.refusal(f"whose input {index} depends on the image")
        self.read.add(index)
        return list(self.like(index).reshape(-1).tolist())

    def number(self, index: int, attribute: str = "") -> Any:
        """As ``numbers``, of one."""
        values = self.numbers(index, attribute)
        return values[0] if values else None

    def axes(self, index: int, attribute: str = "axes") -> list[int] | None:
        """Axes, counted from 0."""
        axes = self.numbers(index, attribute)
        return None if axes is None else [int(axis) % self.rank() for axis in axes]

    def axis(self, default: int, attribute: str = "axis") -> int:
        """One axis, counted from 0."""
        return int(self.get(attribute, default)) % max(self.rank(), 1)

    def refusal(self, what: str) -> UnsupportedOperator:
        """The error for a form of the operator that has no counterpart here."""
        return UnsupportedOperator(
            f"The ONNX operator {self.kind} {what} has no counterpart in PyTorch here "
            f"(node {self.name!r}).",
            hint="Export it to --format onnx, or bench the file as it is: seaformer bench FILE.",
        )


def torch_tensor(value: Any) -> Tensor:
    """A tensor of a constant; every floating type is float32, as networks are before a cast."""
    if str(getattr(value, "dtype", "")) in ("bfloat16", "float16", "float64"):
        value = np.asarray(value).astype(np.float32)
    return torch.from_numpy(np.array(value))
