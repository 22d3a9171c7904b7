"""``Layout``: weights of a checkpoint under the official names, and whose names they had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """What a family's ``official_state`` makes of a checkpoint.

    ``left_out`` are keys that the network does not use; ``zeros`` are official keys that the file
    lacks and that are zero then; ``unsupported`` is why weights with these names are refused.
    """

    state: State
    name: str = "official"
    left_out: tuple[str, ...] = ()
    zeros: tuple[str, ...] = ()
    unsupported: str = ""


def without(state: State, keys: Mapping[str, object] | set[str], name: str = "official") -> Layout:
    """A state without the keys that the network does not use."""
    kept = {key: value for key, value in state.items() if key not in keys}
    return Layout(kept, name, left_out=tuple(key for key in state if key in keys))
