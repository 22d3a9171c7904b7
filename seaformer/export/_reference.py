"""The eager model's answers on one photograph, kept beside the artifact for whoever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seaformer.core import files
from seaformer.core.artifact import Reference
from seaformer.export._verify import Array, Case

_LIMIT = 1 << 20


def write_reference(path: Path, photograph: str, cases: Sequence[Case]) -> Reference:
    """Keep what every method takes and gives; ``cases`` are of one photograph, ``forward`` first.

    What a component of the zoo takes was given by an earlier one, so each array is stored once:
    complete where another method takes it, else subsampled in its last two axes.
    """
    stride = _stride(cases[0].expected[0].shape)
    arrays = {"input": cases[0].image}
    complete = dict(arrays)
    inputs: dict[str, tuple[str, ...]] = {}
    outputs: dict[str, tuple[str, ...]] = {}
    taken = [array for case in cases for array in case.inputs]
    for case in cases:
        for i, array in enumerate(case.inputs):  # what a module computes between two components
            if not any(_same(array, other) for other in complete.values()):
                arrays[f"input_{case.method}_{i}"] = complete[f"input_{case.method}_{i}"] = array
        inputs[case.method] = tuple(_name_of(array, complete) for array in case.inputs)
        names = [f"output_{case.method}_{i}" for i in range(len(case.expected))]
        for i, value in enumerate(case.expected):
            needed = any(_same(value, array) for array in taken)
            known = next((n for n, array in complete.items() if _same(value, array)), names[i])
            names[i], complete[known] = known, value
            arrays.setdefault(known, value if needed else _subsampled(value, stride))
        outputs[case.method] = tuple(names)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return Reference(path.name, files.sha256_file(path), photograph, stride, inputs, outputs)


def _stride(shape: tuple[int, ...]) -> int:
    """The step that makes an output of this shape fit the limit; 1 for an output without a map."""
    stride = 1
    while len(shape) >= 3 and int(np.prod(shape)) / stride**2 > _LIMIT:
        stride += 1
    return stride


def _subsampled(value: Array, stride: int) -> Array:
    return value[..., ::stride, ::stride] if stride > 1 and value.ndim >= 3 else value


def _name_of(array: Array, known: dict[str, Array]) -> str:
    return next(name for name, other in known.items() if _same(array, other))


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other))
