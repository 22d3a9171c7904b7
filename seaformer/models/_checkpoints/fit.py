"""How a checkpoint's keys fit a network: the prefix to remove, the layout, names and shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

from torch import Tensor

from seaformer.core.errors import WeightsMismatch
from seaformer.models._blocks import Network
from seaformer.models._checkpoints.layout import Layout

State = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

COUNTER = "num_batches_tracked"
_TRAINING_ONLY = ("auxiliary_head.", "decode_head.auxiliary")
_DEEPEST = 6  # names in a prefix


@dataclass(frozen=True)
class Fit:
    """Keys of a checkpoint without ``prefix``, beside those of a network.

    ``names`` is our key -> the key that the layout gives it; ``outside`` are keys without the
    prefix, ``unused`` keys that only training has.
    """

    prefix: str
    layout: Layout
    names: dict[str, str]
    expected: Shapes
    shapes: Shapes
    outside: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return self.shapes == self.expected and not self.layout.unsupported

    @property
    def share(self) -> float:
        """How many of the network's keys are there in their shape."""
        fitting = sum(self.shapes.get(key) == shape for key, shape in self.expected.items())
        return fitting / len(self.expected)


def best_fit(network: Network, family: ModuleType, state: State, *, averaged: bool) -> Fit:
    """The prefix with which all keys fit, or with which most do.

    Raises ``WeightsMismatch`` when several networks of the file fit.
    """
    plain = fit(network, family, state, "")
    if plain.whole:
        return plain
    fits = [plain]
    most = len(plain.expected) // 2
    starts = dict.fromkeys([*prefixes(state, most), *_fronts(state, plain.expected, most)])
    fits += [fit(network, family, state, prefix) for prefix in starts]
    whole = [each for each in fits if each.whole]
    chosen = [each for each in whole if ("ema" in each.prefix) == averaged] or whole
    if len(chosen) > 1:
        names = ", ".join(repr(each.prefix) for each in chosen)
        raise WeightsMismatch(
            f"The checkpoint holds {len(chosen)} networks that fit: {names}.",
            hint="Save the weights of one of them.",
        )
    return chosen[0] if chosen else max(fits, key=lambda each: (each.share, -len(each.prefix)))


def prefixes(keys: Iterable[str], at_least: int) -> list[str]:
    """What at least so many keys begin with, up to a dot; the shortest first."""
    counts: Counter[str] = Counter()
    for key in keys:
        parts = key.split(".")[:-1][:_DEEPEST]
        counts.update(".".join(parts[: i + 1]) + "." for i in range(len(parts)))
    return sorted((p for p, count in counts.items() if count >= max(at_least, 1)), key=len)


def _fronts(keys: State, expected: Shapes, at_least: int) -> list[str]:
    """What so many keys have in front of an expected one, also without a dot: ``model_``."""
    first = next(iter(expected))
    fronts = {key.removesuffix(first) for key in keys if key.endswith(first) and key != first}
    return [
        front for front in fronts if sum(key.startswith(front) for key in keys) >= max(at_least, 1)
    ]


def fit(network: Network, family: ModuleType, state: State, prefix: str) -> Fit:
    """The keys that begin with ``prefix``, without it, beside those of a network."""
    inside = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    unused = tuple(prefix + key for key in inside if key.startswith(_TRAINING_ONLY))
    used = {key: v for key, v in inside.items() if not key.startswith(_TRAINING_ONLY)}
    layout = official(family, used)
    names = names_of(network, family, layout.state)
    if names == {key: key for key in names} and layout.name == "official":
        layout = replace(layout, name="seaformer")
    outside = tuple(key for key in state if not key.startswith(prefix))
    expected, shapes = expected_of(network, names), shapes_of(layout.state)
    return Fit(prefix, layout, names, expected, shapes, outside, unused)


def official(family: ModuleType, state: State) -> Layout:
    """The state under the official names, where a family supports other layouts too."""
    translate: Callable[[State], Layout] | None = getattr(family, "official_state", None)
    return Layout(state) if translate is None else translate(state)


def names_of(network: Network, family: ModuleType, state: Iterable[str]) -> dict[str, str]:
    """Our key -> the file's key; a file with our own names is taken as it is."""
    own, given = network.state_dict().keys(), set(state)
    names: dict[str, str] = family.official_keys(network)
    if len(given & own) > len(given & set(names.values())):  # some names can be the same in both
        return {key: key for key in own}
    return names


def shapes_of(state: State) -> Shapes:
    return {key: tuple(value.shape) for key, value in state.items() if COUNTER not in key}


def expected_of(network: Network, names: Mapping[str, str]) -> Shapes:
    values = network.state_dict()
    return {names[key]: tuple(v.shape) for key, v in values.items() if COUNTER not in key}


def difference(expected: Shapes, shapes: Shapes) -> str:
    """What separates two sets of keys, as "2 keys are missing (a, b); ..."."""
    absent = [key for key in expected if key not in shapes]
    extra = [key for key in shapes if key not in expected]
    misshapen = [
        f"{key}: expected {_dims(expected[key])}, got {_dims(shapes[key])}"
        for key in expected
        if key in shapes and expected[key] != shapes[key]
    ]
    groups = {"missing": absent, "unexpected": extra, "of another shape": misshapen}
    return "; ".join(
        f"{len(keys)} {'key is' if len(keys) == 1 else 'keys are'} {what} "
        f"({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})"
        for what, keys in groups.items()
        if keys
    )


def _dims(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"
