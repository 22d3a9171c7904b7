"""What every engine of the Python runner looks like, and what they share."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seaformer.core.engine import engine
from seaformer.runtime.python_runner.flags import ENGINE, MODEL, RunnerProblem

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Spec:
    """One input of a method; a size that the model leaves free is below 0 until one is chosen."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def chosen_shapes(
    specs: Sequence[Spec], shapes: Sequence[tuple[int, ...]], *, bounded: bool
) -> tuple[Spec, ...]:
    """The inputs with the sizes of ``--shape``; the rules are those of ``runner/tensor.h``."""
    if shapes:
        if len(shapes) != len(specs):
            raise RunnerProblem(MODEL, f"--shape names {len(shapes)} of {len(specs)} inputs.")
        for spec, sizes in zip(specs, shapes, strict=True):
            pairs = list(zip(spec.shape, sizes, strict=False))
            fits = all(own < 0 or new == own or (bounded and new < own) for own, new in pairs)
            if not fits or len(sizes) != len(spec.shape):
                raise RunnerProblem(
                    MODEL, f"Input '{spec.name}' {list(spec.shape)} does not take {list(sizes)}."
                )
        specs = [replace(s, shape=sizes) for s, sizes in zip(specs, shapes, strict=True)]
    # A free batch is one image; any other free size has no value to assume.
    specs = [replace(s, shape=(1, *s.shape[1:])) if s.shape[:1] == (-1,) else s for s in specs]
    for spec in specs:
        if min(spec.shape, default=0) < 0:
            raise RunnerProblem(
                MODEL,
                f"Input '{spec.name}' has the shape {list(spec.shape)}; expected known sizes: "
                "choose them with --shape.",
            )
    return tuple(specs)


class Engine(Protocol):
    """One method of one model in this process."""

    name: str
    version: str
    methods: tuple[str, ...]
    threads: int
    bounded: bool  # whether smaller sizes of inputs are accepted than the file states

    def load(self, method: str) -> tuple[Spec, ...]:
        """Make the method ready; what is timed as the load. Gives its inputs."""
        ...

    def set_inputs(self, arrays: Sequence[Array]) -> None:
        """Keep the arrays that every run takes."""
        ...

    def run(self) -> None:
        """One inference."""
        ...

    def outputs(self) -> list[tuple[str, Array]]:
        """Names and values of the last run."""
        ...

    def finish_profile(self) -> str | None:
        """End profiling; the file the engine wrote, if any."""
        ...


def random_array(spec: Spec, seed: int, index: int) -> Array:
    """The values the C++ runner makes for this input: SplitMix64 of seed, input and element."""
    count = int(np.prod(spec.shape, dtype=np.int64))
    stream = _split_mix(np.array([seed ^ (index << 48)], dtype=np.uint64))
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = _split_mix(stream + steps)
    values: Array
    if spec.dtype == "bool":
        values = bits >> np.uint64(63)
    elif spec.dtype.startswith(("int", "uint")):
        values = (bits >> np.uint64(40)) % np.uint64(10)
    else:
        values = (bits >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    return values.astype(spec.dtype).reshape(spec.shape)


def _split_mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def set_environment(name: str) -> None:
    """Set what an engine's row asks for, where the user has not set it."""
    for variable, value in engine(name).environment:
        os.environ.setdefault(variable, value)


def imported(module: str, name: str) -> Any:
    """A Python package of the engine ``name``, or the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        install = f"pip install 'seaformer[{engine(name).extra}]'"
        raise RunnerProblem(ENGINE, f"{module} cannot be imported ({error}): {install}.") from error
