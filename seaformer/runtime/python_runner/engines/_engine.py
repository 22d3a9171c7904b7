"""What every engine of the Python runner looks like, and what they share."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seaformer.core.engine import engine
from seaformer.runtime.python_runner.flags import ENGINE, RunnerProblem

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Spec:
    """One input of a method; ``shape`` has known sizes."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Engine(Protocol):
    """One method of one model in this process."""

    name: str
    version: str
    methods: tuple[str, ...]
    threads: int

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
