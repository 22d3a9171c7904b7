"""Fills a network from a checkpoint: strictly, or the part that a backbone's file has.

Entries, prefixes and what only training uses are removed; every other key must be there, alone,
and of the model's shape. Which official key is which of ours is the family file's
``official_keys``.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from seaformer.core.checkpoint import LoadedCheckpoint
from seaformer.core.errors import WeightsMismatch
from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES
from seaformer.models._blocks import Network
from seaformer.models._checkpoints.advice import advise
from seaformer.models._checkpoints.fit import (
    COUNTER,
    Fit,
    best_fit,
    difference,
    fit,
    prefixes,
    shapes_of,
)
from seaformer.models._checkpoints.source import Source, find_source
from seaformer.models._checkpoints.state import TWIN, Weights, read_weights

_DIVERGED = "The training that wrote it diverged; use another."
_FEWEST = 0.5  # of a backbone file's keys, for it to be one of this model
_BACKBONE = "backbone."


def load_checkpoint(
    network: Network, spec: ModelSpec, path: Path | str, *, averaged: bool = False
) -> LoadedCheckpoint:
    """Fill ``network`` (which may be on the meta device); ``averaged`` takes averaged weights.

    Raises ``WeightsMismatch`` for a file that is not a checkpoint, and naming the keys for one
    that is not of this model.
    """
    source = find_source(path)
    weights = read_weights(source, averaged=averaged)
    by_prefix = averaged and not weights.averaged
    best = best_fit(network, FAMILIES.load(spec.family), weights.state, averaged=by_prefix)
    if not best.whole:
        raise _mismatch(source, spec, weights, best)
    if by_prefix and "ema" not in best.prefix:
        raise WeightsMismatch(
            f"{source.name} has no averaged weights: expected state_dict_ema, or keys that begin "
            "with ema_.",
            hint="Leave --ema out.",
        )
    tensors = {
        ours: torch.zeros((), dtype=torch.int64)
        if COUNTER in ours
        else _number(source, theirs, best.layout.state[theirs])
        for ours, theirs in best.names.items()
    }
    network.load_state_dict(tensors, strict=True, assign=True)
    return _loaded(source, weights, best, averaged=averaged)


def load_backbone(network: Network, spec: ModelSpec, path: Path | str) -> LoadedCheckpoint:
    """Fill what a backbone's file has of a seeded ``network``, and leave the rest.

    Raises ``WeightsMismatch`` when fewer than half of the file's keys are the model's.
    """
    source = find_source(path)
    weights = read_weights(source)
    family = FAMILIES.load(spec.family)
    states = {"": weights.state}
    states |= {
        p: _below(weights.state, p) for p in prefixes(weights.state, len(weights.state) // 2)
    }
    fits = [
        dataclasses.replace(fit(network, family, under, ""), prefix=prefix)
        for prefix, state in states.items()
        for under in (state, {_BACKBONE + key: value for key, value in state.items()})
    ]
    best = max(fits, key=lambda each: (each.share, -len(each.prefix)))
    values = best.layout.state
    filled = {
        ours: _number(source, theirs, values[theirs])
        for ours, theirs in best.names.items()
        if best.shapes.get(theirs) == best.expected.get(theirs) and theirs in best.shapes
    }
    if len(filled) < _FEWEST * len(shapes_of(weights.state)):
        raise WeightsMismatch(
            f"{source.name} does not fit the backbone of {spec.name}: {len(filled)} of its "
            f"{len(shapes_of(weights.state))} keys are keys of the model in its shape.",
            hint=advise(spec, weights.state, best),
        )
    network.load_state_dict(filled, strict=False, assign=True)
    loaded = _loaded(source, weights, best, averaged=False)
    used = {best.names[key] for key in filled}
    unused = [
        _file_key(weights, best, key) for key in values if key not in used and COUNTER not in key
    ]
    seeded = [key for key in best.names if key not in filled and COUNTER not in key]
    return dataclasses.replace(
        loaded,
        backbone=True,
        left_out=dict(loaded.left_out)
        | _grouped(unused, [_file_key(weights, best, key) for key in used]),
        seeded=_grouped(seeded, filled),
    )


def _file_key(weights: Weights, best: Fit, key: str) -> str:
    """A key as the file has it, where the layout did not rename it."""
    kept = best.prefix + key.removeprefix(_BACKBONE)
    return weights.originals.get(best.prefix + key, weights.originals.get(kept, key))


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}


def _number(source: Source, key: str, value: Tensor) -> Tensor:
    """The tensor in float32. Raises ``WeightsMismatch`` unless its numbers are finite floats."""
    if not value.is_floating_point():
        dtype = str(value.dtype).removeprefix("torch.")
        message = f"{source.name} has {dtype} numbers in {key}: expected floating point."
        raise WeightsMismatch(message, hint="Use the checkpoint from before it was quantised.")
    value = value.float()
    if not bool(value.isfinite().all()):
        message = f"{source.name} has numbers in {key} that are not finite."
        raise WeightsMismatch(message, hint=_DIVERGED)
    return value


def _mismatch(source: Source, spec: ModelSpec, weights: Weights, best: Fit) -> WeightsMismatch:
    if best.layout.unsupported:
        message = f"{source.name} has {best.layout.name} names, which {spec.name} does not support."
        return WeightsMismatch(message, hint=best.layout.unsupported)
    without = f" without the prefix {best.prefix}" if best.prefix else ""
    message = (
        f"{source.name}{without} does not fit {spec.name}: "
        f"{difference(best.expected, best.shapes)}."
    )
    return WeightsMismatch(message, hint=advise(spec, weights.state, best))


def _loaded(source: Source, weights: Weights, best: Fit, *, averaged: bool) -> LoadedCheckpoint:
    """What was taken and what was not, in the file's own keys."""
    inside = [key for key in weights.state if key.startswith(best.prefix)]
    layout_left = [best.prefix + key for key in best.layout.left_out]
    unused = {*best.outside, *best.unused, *layout_left}
    left_out = [*weights.left_out, *(weights.originals.get(key, key) for key in sorted(unused))]
    used = [weights.originals[key] for key in inside if key not in unused]
    return LoadedCheckpoint(
        file=source.name,
        sha256=source.digest(),
        layout=best.layout.name,
        entry=weights.entry,
        prefix=_removed(used[0], best.prefix, weights) if used else best.prefix,
        left_out=_grouped(left_out, used),
        zeros=best.layout.zeros,
        averaged=averaged,
    )


def _removed(original: str, prefix: str, weights: Weights) -> str:
    """What the file's key has in front of what was left of it."""
    key = next(key for key, file_key in weights.originals.items() if file_key == original)
    rest = key.removeprefix(prefix)
    return original.removesuffix(rest) if original.endswith(rest) else prefix


def _grouped(keys: Iterable[str], used: Iterable[str]) -> dict[str, int]:
    """Keys by the shortest beginning that no used key has, counted."""
    taken = {"."}
    for key in used:
        parts = key.split(".")
        taken.update(".".join(parts[: i + 1]) for i in range(len(parts)))
    groups: Counter[str] = Counter()
    for key in keys:
        parts = key.split(".")
        starts = (".".join(parts[: i + 1]) for i in range(len(parts)))
        start = next((start for start in starts if start not in taken), key)
        if start == key and parts[-1].startswith(TWIN):  # its dots are underscores
            start = ".".join([*parts[:-1], f"{TWIN}*"])
        groups[start] += 1
    return dict(groups)
