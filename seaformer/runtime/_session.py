"""What every engine's session looks like from Python: arrays in, arrays out, by method name.

These sessions check answers. Latencies are taken by the C++ runner, not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seaformer.core.artifact import Artifact, TensorInfo
from seaformer.core.errors import ShapeError
from seaformer.core.plural import counted

Array = npt.NDArray[Any]
FREE = 0  # a size that a file leaves free


@dataclass(frozen=True)
class Answer:
    """What an engine on this machine computes for a file, to compare a bench's output with.

    ``independent``: it comes from other code than the runner's, so that a bench on this machine
    is judged by it too.
    """

    by: str
    outputs: tuple[Array, ...]
    independent: bool


class Session(Protocol):
    """An opened model file."""

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run one method; inputs and outputs in the file's own order and shapes."""
        ...


class PartsSession:
    """An artifact whose components are files of their own, each opened when it is first run."""

    def __init__(
        self, artifact: Artifact, whole: Session, open_session: Callable[[Path], Session]
    ) -> None:
        self._artifact = artifact
        self._open = open_session
        self._opened = {artifact.path: whole}

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run one method. Raises ``CorruptArtifact`` for one that the artifact does not have."""
        path, name = self._artifact.callable_of(method)
        if path not in self._opened:
            self._opened[path] = self._open(path)
        return self._opened[path].run(arrays, name)


def check_inputs(arrays: Sequence[Array], tensors: Sequence[TensorInfo], file: str) -> list[Array]:
    """The arrays, cast to the expected dtypes.

    Raises ``ShapeError`` for another count or shape, and for fractions where pixels are taken.
    """
    if len(arrays) != len(tensors):
        raise ShapeError(f"{file} takes {counted(len(tensors), 'input')}, {len(arrays)} given.")
    for array, tensor in zip(arrays, tensors, strict=True):
        if not _fits(array.shape, tensor.shape):
            raise ShapeError(
                f"{file}: input {tensor.name!r} has shape {tensor.shape}, "
                f"found {tuple(array.shape)}.",
                hint="The size is fixed at export: seaformer export --size HxW",
            )
        if tensor.dtype == "uint8" and np.issubdtype(array.dtype, np.floating):
            raise ShapeError(
                f"{file}: input {tensor.name!r} takes 8-bit pixels, found {array.dtype}.",
                hint="The file normalises the image itself: give it the pixels, uint8.",
            )
    return [
        np.ascontiguousarray(array, dtype=tensor.dtype)
        for array, tensor in zip(arrays, tensors, strict=True)
    ]


def _fits(shape: Sequence[int], own: Sequence[int]) -> bool:
    same = len(shape) == len(own)
    return same and all(size in (FREE, seen) for seen, size in zip(shape, own, strict=True))
