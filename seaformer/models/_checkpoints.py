"""Checkpoints: official files (mmsegmentation, timm) and our own, loaded strictly, no code run.

Wrappers (``state_dict_ema``, ``state_dict``, ``model``), ``module.`` prefixes and what only
training uses are taken off; every other key must be there, alone, and of the model's shape.
Which official key is which of ours is the family file's ``official_keys``.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seaformer.core import files
from seaformer.core.errors import MissingExtra, WeightsMismatch
from seaformer.core.registry import missing
from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES, list_models, zoo_entry
from seaformer.models._blocks import Network

State = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

# timm's evaluation prefers the averaged weights, and so does the official code.
_WRAPPERS = ("state_dict_ema", "state_dict", "model")
_TRAINING_ONLY = ("auxiliary_head.", "decode_head.auxiliary")
_COUNTER = "num_batches_tracked"
_NEARLY = 0.9  # so much of a model's keys and shapes no other network has by chance
# Plain data that training scripts leave beside the weights: timm its arguments, others a score.
_SCALAR, _ARRAY = np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]
_SAFE: list[Any] = [
    argparse.Namespace,
    np.ndarray,
    np.dtype,
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *((_ARRAY, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
]  # numpy before 2 called its core by another name
_AGAIN = "Download it again, or copy it again from where it was trained."


def load_checkpoint(network: Network, spec: ModelSpec, path: Path) -> str:
    """Fill ``network`` (which may be on the meta device) and return ``sha256:<digest>``.

    Raises ``WeightsMismatch`` for a file that is not a checkpoint, and naming the keys for one
    that is not of this model.
    """
    given = read_state(path)
    family = FAMILIES.load(spec.family)
    state = _official(family, given)
    names = _names(network, family, state)
    expected = _expected(network, names)
    shapes = _shapes_of(state)
    if shapes != expected:
        message = f"{path.name} does not fit {spec.name}: {_difference(expected, shapes)}."
        fitting = sum(shapes.get(key) == shape for key, shape in expected.items())
        raise WeightsMismatch(message, hint=_guess(spec, given, fitting / len(expected)))
    tensors = {
        ours: torch.zeros((), dtype=torch.int64) if _COUNTER in ours else state[theirs].float()
        for ours, theirs in names.items()
    }
    for ours, value in tensors.items():
        if not bool(value.isfinite().all()):
            message = f"{path.name} has numbers in {names[ours]} that are not finite."
            raise WeightsMismatch(message, hint="The training that wrote it diverged; use another.")
    network.load_state_dict(tensors, strict=True, assign=True)
    return f"sha256:{files.sha256_file(path)}"


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by key, wrappers and training-only entries removed.

    Raises ``WeightsMismatch`` when the file is missing, empty, cut short, holds code, or is
    something else.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsMismatch(f"The checkpoint {path} {what}.", hint="Name a .pth file.")
    content = _read(path)
    while isinstance(content, Mapping):
        inner = next((content[name] for name in _WRAPPERS if name in content), None)
        if not isinstance(inner, Mapping):
            break
        content = inner
    tensors = isinstance(content, Mapping) and all(isinstance(v, Tensor) for v in content.values())
    if not tensors or not content:
        seen = type(content).__name__ if not isinstance(content, Mapping) else "other entries"
        raise WeightsMismatch(
            f"{path.name} is not a checkpoint: expected tensors by name, got {seen}.",
            hint=f"The weights are looked for at the top and under {', '.join(_WRAPPERS)}.",
        )
    state = {str(key).removeprefix("module."): value for key, value in content.items()}
    return {key: value for key, value in state.items() if not key.startswith(_TRAINING_ONLY)}


def _read(path: Path) -> Any:
    """Whatever a file holds, or the error with the reason why it cannot be read."""
    try:
        if path.stat().st_size == 0:
            raise WeightsMismatch(f"{path.name} is empty.", hint=_AGAIN)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_SAFE):
            warnings.simplefilter("ignore")  # about old pickle protocols and TorchScript
            if path.suffix == ".safetensors":
                return _read_safetensors(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise WeightsMismatch(f"{path} cannot be read: {error.strerror}.") from error
    except (WeightsMismatch, MissingExtra):
        raise
    except Exception as error:  # a pickle that is none raises anything, from KeyError to EOFError
        raise _unreadable(path, error) from error


def _read_safetensors(path: Path) -> object:
    try:
        from safetensors.torch import load_file
    except ModuleNotFoundError as error:
        raise missing("safetensors", "a .safetensors checkpoint", "") from error
    return load_file(path)


def _unreadable(path: Path, error: Exception) -> WeightsMismatch:
    with path.open("rb") as handle:
        head = handle.read(4)
    zipped, pickled = head == b"PK\x03\x04", head[:1] == b"\x80"
    code = re.search(r"GLOBAL (?!torch\.)(\S+)", str(error))  # torch.: a name cut short
    if isinstance(error, pickle.UnpicklingError) and (code or pickled):
        seen = f" ({code[1]})" if code else ""
        return WeightsMismatch(
            f"{path.name} holds more than tensors{seen}, and code from a file is never run.",
            hint="Save it again as torch.save(model.state_dict(), ...).",
        )
    if zipped and (not zipfile.is_zipfile(path) or isinstance(error, OSError)):
        return WeightsMismatch(f"{path.name} is cut short: its end is missing.", hint=_AGAIN)
    return WeightsMismatch(
        f"{path.name} is damaged, or not a checkpoint that torch reads.", hint=_AGAIN
    )


def _official(family: ModuleType, state: State) -> State:
    """The state under the official names, where a family supports other layouts too."""
    translate: Callable[[State], State] | None = getattr(family, "official_state", None)
    return state if translate is None else translate(state)


def _names(network: Network, family: ModuleType, state: Iterable[str]) -> dict[str, str]:
    """Our key -> the file's key; a file with our own names is taken as it is."""
    own, given = network.state_dict().keys(), set(state)
    names: dict[str, str] = family.official_keys(network)
    if len(given & own) > len(given & set(names.values())):  # some names can be the same in both
        return {key: key for key in own}
    return names


def _shapes_of(state: State) -> Shapes:
    return {key: tuple(value.shape) for key, value in state.items() if _COUNTER not in key}


def _expected(network: Network, names: Mapping[str, str]) -> Shapes:
    values = network.state_dict()
    return {names[key]: tuple(v.shape) for key, v in values.items() if _COUNTER not in key}


def _difference(expected: Shapes, shapes: Shapes) -> str:
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


def _guess(spec: ModelSpec, state: State, share: float) -> str:
    """Which model of the zoo such a checkpoint belongs to, as advice; ``share`` of its keys fit."""
    for base, specs in _groups(spec, sum(t.numel() for t in state.values()), share > _NEARLY):
        fitting = _fitting(specs, state)
        if not fitting:
            continue
        if any(other.name == spec.name for other, _ in fitting):
            return f"It has {fitting[0][1]} classes: add --classes {fitting[0][1]}."
        return _advice(base, spec.name.partition(".")[2], fitting)
    if share > _NEARLY:
        base = spec.name.partition(".")[0]
        return f"It is a checkpoint of {base} that was changed or is incomplete: use the original."
    return "It fits no model here; it may be of another network."


def _groups(spec: ModelSpec, numbers: int, nearly: bool) -> list[tuple[str, list[ModelSpec]]]:
    """Models of one base and task together: those of ``spec`` first, then by how near their
    parameters are to what a checkpoint holds; a tenth off at most where it ``nearly`` fits
    ``spec``. Building all of them takes seconds."""
    groups: dict[tuple[str, str], list[ModelSpec]] = {}
    off: dict[tuple[str, str], int] = {}
    for entry in map(zoo_entry, list_models()):
        key = (entry.spec.name.partition(".")[0], entry.spec.task)
        groups.setdefault(key, []).append(entry.spec)
        far = abs(entry.params - numbers)
        off[key] = min(off.get(key, far), far)
    own = (spec.name.partition(".")[0], spec.task)
    groups[own].insert(0, spec)
    off[own] = -1
    near = [key for key in groups if not nearly or off[key] < numbers / 10]
    return [(key[0], groups[key]) for key in sorted(near, key=off.__getitem__)]


def _advice(base: str, tag: str, fitting: list[tuple[ModelSpec, int]]) -> str:
    """The option that chooses the model a checkpoint looks like, keeping the tag if possible."""
    ranked = sorted(fitting, key=lambda f: (f[0].classes != f[1], f[0].name != f"{base}.{tag}"))
    chosen, classes = ranked[0]
    known = re.fullmatch(r"seaformer(pp)?_([tsbl])(_kd)?", base)
    option = f"--model {chosen.name}"
    if known and chosen.name == f"{base}.ade20k":
        plus, size, student = known.groups()
        option = f"--variant {size}{'++' if plus else ''}{'kd' if student else ''}"
    more = "" if chosen.classes == classes else f" --classes {classes}"
    return f"It looks like a checkpoint of {base}: use {option}{more}."


def _fitting(specs: list[ModelSpec], state: State) -> list[tuple[ModelSpec, int]]:
    """The models of one base a checkpoint fits but for its classes, and the classes it has."""
    try:
        family = FAMILIES.load(specs[0].family)
    except MissingExtra:
        return []
    shapes = _shapes_of(_official(family, state))
    fitting = []
    for spec in specs:
        with torch.device("meta"):
            network: Network = family.build(spec)
        names = _names(network, family, shapes)
        expected = _expected(network, names)
        if expected.keys() != shapes.keys():
            return []  # its neighbours of the same base have the same keys
        last = [names[key] for key in names if key.startswith(f"{network.CLASSIFIER}.")]
        outputs = _outputs_if_it_fits(expected, shapes, last)
        if outputs is not None and outputs % network.OUTPUTS_PER_CLASS == 0:
            fitting.append((spec, outputs // network.OUTPUTS_PER_CLASS))
    return fitting


def _outputs_if_it_fits(expected: Shapes, shapes: Shapes, last: list[str]) -> int | None:
    """The checkpoint's number of outputs, if all but the last layer is the model's."""
    if any(expected[key] != shapes[key] for key in expected if key not in last):
        return None
    if any(expected[key][1:] != shapes[key][1:] or not shapes[key] for key in last):
        return None
    return shapes[last[0]][0]
