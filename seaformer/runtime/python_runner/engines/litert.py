"""LiteRT for the Python runner. It reports no per-operator events."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from seaformer.core.errors import CorruptArtifact
from seaformer.runtime.python_runner.engines._engine import Array, Spec, imported
from seaformer.runtime.python_runner.flags import ENGINE, MODEL, RunnerProblem


class LiteRtEngine:
    """LiteRT through its interpreter, with its own options: XNNPACK on the CPU."""

    name = "litert"
    bounded = False

    def __init__(self, model: Path, threads: int, profile_ops: str | None) -> None:
        if profile_ops is not None:
            raise RunnerProblem(ENGINE, "LiteRT does not report the time of its operators here.")
        self._litert = imported("ai_edge_litert.interpreter", self.name)
        self.version = metadata.version("ai-edge-litert")
        self.threads = threads
        self._path = model
        from seaformer.runtime._litert import file

        try:
            self._model = file.read_model(model)
        except CorruptArtifact as error:
            raise RunnerProblem(MODEL, error.message) from error

    @property
    def methods(self) -> tuple[str, ...]:
        """The first signature, and the others by their keys."""
        return tuple(sorted(method.name for method in self._model.methods))

    def load(self, method: str) -> tuple[Spec, ...]:
        self._method = self._model.method(method)
        if self._method.subgraph != 0:
            raise RunnerProblem(
                ENGINE,
                f"Method '{method}' of {self._path} has a graph of its own, which LiteRT's Python "
                "interpreter does not time: use the C++ runner.",
            )
        try:
            self._interpreter = self._litert.Interpreter(str(self._path), num_threads=self.threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise RunnerProblem(ENGINE, f"LiteRT cannot load {self._path}: {error}") from error
        return tuple(
            Spec(each.name, each.dtype, tuple(n if isinstance(n, int) else -1 for n in each.shape))
            for each in self._model.tensors(self._method, self._method.inputs)
        )

    def set_inputs(self, arrays: Sequence[Array]) -> None:
        try:
            for (_, number), array in zip(self._method.inputs, arrays, strict=True):
                self._interpreter.resize_tensor_input(number, array.shape)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            shapes = ", ".join(str(array.shape) for array in arrays)
            reason = str(error).strip().partition("\n")[0]
            raise RunnerProblem(
                ENGINE, f"LiteRT cannot prepare {self._path} for {shapes}: {reason}"
            ) from error
        for (_, number), array in zip(self._method.inputs, arrays, strict=True):
            self._interpreter.set_tensor(number, array)

    def run(self) -> None:
        self._interpreter.invoke()

    def outputs(self) -> list[tuple[str, Array]]:
        return [
            (name, np.array(self._interpreter.get_tensor(number)))
            for name, number in self._method.outputs
        ]

    def finish_profile(self) -> str | None:
        return None


def recognises(head: bytes) -> bool | None:
    """By the flatbuffer identifier at byte 4."""
    return head[4:8] == b"TFL3"


def expected_bytes(head: bytes) -> int:
    """Not stated in the first bytes."""
    return 0


def open_engine(model: Path, threads: int, profile_ops: str | None) -> LiteRtEngine:
    """The entry every engine file has."""
    return LiteRtEngine(model, threads, profile_ops)
