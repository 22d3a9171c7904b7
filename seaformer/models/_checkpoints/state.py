"""Where in a checkpoint the weights are: its entries, averaged twins, keys of wrapper modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seaformer.core.errors import WeightsMismatch
from seaformer.models._checkpoints.content import read_content
from seaformer.models._checkpoints.source import Source
from seaformer.models._checkpoints.unpickling import Inert

State = Mapping[str, Tensor]

# timm's evaluation prefers the averaged weights, and so does the official code.
_TIMM = "state_dict_ema"
_AVERAGED = (_TIMM, "model_ema", "params_ema", "ema_state_dict", "ema")
_ENTRIES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "module",
    "weights",
    "params",
)
_MMENGINE = "message_hub"  # its training files have the averaged weights under state_dict
# Modules that only wrap another: torch.compile, DataParallel, FSDP, activation checkpoints.
_WRAPPERS = (
    "module",
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
)
TWIN = "ema_"
_AVERAGES = "n_averaged"  # the counter of torch.optim.swa_utils.AveragedModel
_PADDLE_NAMES, _PADDLE_PARTS = "StructuredToParameterName@@", "UnpackBigParamInfor@@"


@dataclass(frozen=True)
class Weights:
    """The tensors of a checkpoint by key, and where they were.

    ``originals`` has the file's own key of each; ``left_out`` are keys of the file that are none of
    these; ``averaged`` is whether averaged weights were found where they were asked for.
    """

    name: str
    state: State
    entry: str
    originals: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    averaged: bool = False


def read_weights(source: Source, *, averaged: bool = False) -> Weights:
    """The weights of a checkpoint, or with ``averaged`` the averaged ones beside them.

    Raises ``WeightsMismatch`` when the file cannot be read or holds no tensors by name.
    """
    content, path = read_content(source), []
    in_entry = False
    while isinstance(content, Mapping):
        entry = _entry(content, averaged)
        if not entry:
            break
        in_entry |= entry in _AVERAGED or _MMENGINE in content
        path.append(entry)
        content = content[entry]
    tensors, others = _tensors(content)
    if not tensors:
        raise _no_weights(source.name, content, path)
    weights = _unwrapped(Weights(source.name, tensors, ".".join(path), {}, tuple(others)))
    weights = _without_twins(weights, averaged=averaged and not in_entry)
    return replace(weights, averaged=averaged and (in_entry or weights.averaged))


def _entry(content: Mapping[object, object], averaged: bool) -> str:
    """The entry of a checkpoint that holds the weights; empty where it holds them itself."""
    names: tuple[str, ...] = (_TIMM, *_ENTRIES, *_AVERAGED)
    if _MMENGINE in content:
        names = _ENTRIES
    elif averaged:
        names = (*_AVERAGED, *_ENTRIES)
    named = next((name for name in names if isinstance(content.get(name), Mapping)), "")
    if named or any(_as_tensor(value) is not None for value in content.values()):
        return named
    others = [key for key, value in content.items() if isinstance(key, str) and _holds(value)]
    return others[0] if len(others) == 1 else ""


def _holds(value: object, depth: int = 3) -> bool:
    """Whether an entry of any name holds tensors by name, itself or some entries below."""
    if not isinstance(value, Mapping) or not depth:
        return False
    named = [each for key, each in value.items() if isinstance(key, str)]
    return any(_as_tensor(each) is not None or _holds(each, depth - 1) for each in named)


def _tensors(content: object) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by key, and the keys of what is none. Arrays become tensors."""
    if not isinstance(content, Mapping):
        return {}, []
    content = _joined(content)
    tensors: dict[str, Tensor] = {}
    others = []
    for key, value in content.items():
        tensor = _as_tensor(value)
        if tensor is not None and str(key) != _AVERAGES:
            tensors[str(key)] = tensor
        elif str(key) != _PADDLE_NAMES:
            others.append(str(key))
    return tensors, others


def _joined(content: Mapping[object, object]) -> Mapping[object, object]:
    """Paddle's arrays of more than 1 GiB, which protocols 2 and 3 cut up, in one piece."""
    parts = content.get(_PADDLE_PARTS)
    if not isinstance(parts, Mapping):
        return content
    whole = {key: value for key, value in content.items() if key != _PADDLE_PARTS}
    for key, info in parts.items():
        pieces = [np.asarray(whole.pop(name)).ravel() for name in info["slices"]]
        whole[key] = np.concatenate(pieces).reshape(info["OriginShape"])
    return whole


def _as_tensor(value: object) -> Tensor | None:
    """A tensor or array as a tensor; ``None`` for anything else."""
    if isinstance(value, tuple) and len(value) == 2:
        return _as_tensor(value[1])  # Paddle's nested files: (name, array)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.ascontiguousarray(value))
    return value if isinstance(value, Tensor) else None


def _no_weights(name: str, content: object, path: list[str]) -> WeightsMismatch:
    if isinstance(content, Mapping):
        model = next((v for v in content.values() if isinstance(v, Inert)), None)
        seen = "other entries" if content else "an empty dict"
        if model is not None:
            seen = f"an object of the class {model.origin}"
        elif content:
            seen = f"{seen} ({', '.join(str(key)[:40] for key in list(content)[:4])})"
    elif isinstance(content, Inert):
        seen = f"an object of the class {content.origin}"
    else:
        seen = type(content).__name__
    where = f" under {'.'.join(path)}" if path else ""
    return WeightsMismatch(
        f"{name} is not a checkpoint: expected tensors by name{where}, got {seen}.",
        hint=f"Save model.state_dict(), at the top or under {', '.join(_ENTRIES[:4])}.",
    )


def _unwrapped(weights: Weights) -> Weights:
    """Without the names of wrapper modules, wherever they are in a key."""
    originals: dict[str, str] = {}
    for key in weights.state:
        parts = [part for part in key.split(".") if part not in _WRAPPERS]
        originals[".".join(parts)] = key
    if len(originals) < len(weights.state):  # two networks that differ in a wrapper only
        originals = {key: key for key in weights.state}
    state = {key: weights.state[original] for key, original in originals.items()}
    return replace(weights, state=state, originals=originals)


def _without_twins(weights: Weights, *, averaged: bool) -> Weights:
    """Without the averaged twin of each key (``ema_backbone_stem_weight``), or in its place."""
    twins = {}  # a key -> its twin
    last = {key for key in weights.state if key.rpartition(".")[2].startswith(TWIN)}
    places = {key.rpartition(".")[0] for key in last}
    for key in weights.state:
        for place in places if key not in last else ():
            prefix = f"{place}." if place else ""
            twin = f"{prefix}{TWIN}{key.removeprefix(prefix).replace('.', '_')}"
            if key.startswith(prefix) and twin in last:
                twins[key] = twin
    named = set(twins.values())
    state = {
        key: weights.state[twins.get(key, key) if averaged else key]
        for key in weights.state
        if key not in named
    }
    others = sorted(twins) if averaged else sorted(named)
    left_out = (*weights.left_out, *(weights.originals[key] for key in others))
    originals = {key: weights.originals[key] for key in state}
    return replace(
        weights, state=state, originals=originals, left_out=left_out, averaged=bool(twins)
    )
