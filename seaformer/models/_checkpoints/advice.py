"""What a checkpoint that does not fit is: which model of the zoo it fits, or how far it went."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from seaformer.core.errors import MissingExtra, WeightsMismatch
from seaformer.core.spec import ModelSpec
from seaformer.models import FAMILIES, list_models, zoo_entry
from seaformer.models._blocks import Network
from seaformer.models._checkpoints.fit import Fit, fit, prefixes

State = Mapping[str, Tensor]

_OPTION = ": add --classes"
_NEARLY = 0.9  # so much of a model's keys and shapes no other network has by chance
_OFF = 0.5  # a network that differs in its classes has so many parameters more or less, at most


def advise(spec: ModelSpec, state: State, best: Fit) -> str:
    """Which model of the zoo such a checkpoint belongs to; ``best`` is how it fits ``spec``."""
    shapes = {key: value.to("meta") for key, value in state.items()}
    starts = ["", *prefixes(shapes, len(shapes) // 2 + 1)]
    nearly = best.share > _NEARLY
    groups = _groups(spec, sum(t.numel() for t in state.values()), nearly)
    for base, specs in groups:
        fitting = _fitting(specs, shapes, starts)
        if any(other.name == spec.name for other, _ in fitting):
            return f"It has {fitting[0][1]} classes{_OPTION} {fitting[0][1]}."
        if fitting:
            return _advice(base, spec.name.partition(".")[2], fitting)
    if nearly:
        base = spec.name.partition(".")[0]
        return (
            f"{int(100 * best.share)} % of its keys fit: it is a checkpoint of {base} that was "
            "changed or is incomplete."
        )
    return _nothing_fits(len(state), len(groups), starts[1:])


@contextmanager
def classes_of_data(classes: int, remedy: str = "") -> Iterator[None]:
    """Advise no option for the classes where a data set decides them."""
    try:
        yield
    except WeightsMismatch as error:
        has, advised, _ = error.hint.partition(_OPTION)
        if not advised:
            raise
        hint = f"{has}, and the data set {classes}.{remedy}"
        raise WeightsMismatch(error.message, hint=hint) from error


def _nothing_fits(keys: int, compared: int, starts: list[str]) -> str:
    """What was compared with what."""
    removed = f", also without the prefix {starts[0]}" if starts else ""
    noun = "key and its shape" if keys == 1 else "keys and their shapes"
    return (
        f"It fits no model of the zoo: its {keys} {noun} were compared with those of "
        f"{'the model' if compared == 1 else f'{compared} networks of its size'}{removed}."
    )


def _groups(spec: ModelSpec, numbers: int, nearly: bool) -> list[tuple[str, list[ModelSpec]]]:
    """Models of one base and task together: those of ``spec`` first, then by how near their
    parameters are to what a checkpoint holds: half of it off at most, a tenth where it ``nearly``
    fits ``spec``. Building all of them takes seconds."""
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
    most = numbers * (1 - _NEARLY if nearly else _OFF)
    near = [key for key in groups if off[key] < most]
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


def _fitting(
    specs: list[ModelSpec], state: State, starts: list[str]
) -> list[tuple[ModelSpec, int]]:
    """The models of one base a checkpoint fits but for its classes, and the classes it has."""
    try:
        family = FAMILIES.load(specs[0].family)
    except MissingExtra:
        return []
    fitting: list[tuple[ModelSpec, int]] = []
    for spec in specs:
        with torch.device("meta"):
            network: Network = family.build(spec)
        fits = [fit(network, family, state, start) for start in starts]
        alike = [each for each in fits if _same_keys(each)]
        if not alike:
            if max(each.share for each in fits) > _NEARLY:
                continue  # a neighbour of the same base has another head
            return fitting
        outputs = _outputs_if_it_fits(network, alike[0])
        if outputs is not None and outputs % network.OUTPUTS_PER_CLASS == 0:
            fitting.append((spec, outputs // network.OUTPUTS_PER_CLASS))
    return fitting


def _same_keys(each: Fit) -> bool:
    return each.expected.keys() == each.shapes.keys() and not each.layout.unsupported


def _outputs_if_it_fits(network: Network, each: Fit) -> int | None:
    """The checkpoint's number of outputs, if all but the layers of classes is the model's."""
    expected, shapes = each.expected, each.shapes
    layers = tuple(f"{name}." for name in (network.CLASSIFIER, *network.MORE_CLASSIFIERS))
    last = [each.names[key] for key in each.names if key.startswith(layers)]
    if any(expected[key] != shapes[key] for key in expected if key not in last):
        return None
    if any(expected[key][1:] != shapes[key][1:] or not shapes[key] for key in last):
        return None
    return shapes[last[0]][0]
