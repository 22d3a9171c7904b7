"""ncnn for the Python runner. It reports no per-operator events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seaformer.core.errors import CorruptArtifact
from seaformer.runtime._ncnn import param
from seaformer.runtime.python_runner.engines._engine import Array, Spec, imported
from seaformer.runtime.python_runner.flags import ENGINE, MODEL, RunnerProblem
from seaformer.runtime.python_runner.rules import os_threads


class NcnnEngine:
    """ncnn through its Python package, with its own options."""

    name = "ncnn"
    bounded = False

    def __init__(self, model: Path, threads: int, profile_ops: str | None) -> None:
        if profile_ops is not None:
            raise RunnerProblem(ENGINE, "ncnn does not report the time of its layers.")
        self._ncnn = imported("ncnn", self.name)
        self.version = str(self._ncnn.__version__)
        self._model = model
        try:
            self._param = param.read_param(model)
        except CorruptArtifact as error:
            raise RunnerProblem(MODEL, error.message) from error
        self._net = self._ncnn.Net()
        self._net.opt.num_threads = threads
        self._before = os_threads()

    @property
    def threads(self) -> int:
        """OpenMP starts its threads at the first inference."""
        return os_threads() - self._before + 1

    @property
    def methods(self) -> tuple[str, ...]:
        """The whole network, and the parts that its text names."""
        return self._param.methods

    def _outputs(self) -> tuple[str, ...]:
        return self._param.outputs_of(self._method)

    def load(self, method: str) -> tuple[Spec, ...]:
        self._method = method
        try:
            weights = param.weights_path(self._model)
        except CorruptArtifact as error:
            raise RunnerProblem(MODEL, error.message) from error
        if layer := param.missing_layer(self._param, self._ncnn.layer_to_index):
            message = (
                f"{self._model} needs the layer {layer.type}, which ncnn {self.version} lacks."
            )
            raise RunnerProblem(ENGINE, message)
        if self._net.load_param(str(self._model)) or self._net.load_model(str(weights)):
            raise RunnerProblem(
                MODEL,
                f"ncnn {self.version} cannot load {self._model} and {weights.name}: they are "
                "damaged, or of another ncnn.",
            )
        return tuple(
            Spec(each.name, each.dtype, tuple(n if isinstance(n, int) else -1 for n in each.shape))
            for each in self._param.inputs_of(method)
        )

    def set_inputs(self, arrays: Sequence[Array]) -> None:
        # Cloned: a channel begins at an address of its own.
        self._inputs = [
            (tensor.name, self._ncnn.Mat(np.ascontiguousarray(array[0])).clone())
            for tensor, array in zip(self._param.inputs_of(self._method), arrays, strict=True)
        ]

    def run(self) -> None:
        extractor = self._net.create_extractor()
        for name, value in self._inputs:
            extractor.input(name, value)
        self._values = [self._extract(extractor, name) for name in self._outputs()]

    def _extract(self, extractor: Any, name: str) -> Any:
        problem, value = extractor.extract(name)
        if problem != 0:
            raise RunnerProblem(ENGINE, f"ncnn cannot compute the output '{name}'.")
        return value

    def outputs(self) -> list[tuple[str, Array]]:
        arrays = (np.array(value, "float32")[np.newaxis] for value in self._values)
        return list(zip(self._outputs(), arrays, strict=True))

    def finish_profile(self) -> str | None:
        return None


def recognises(head: bytes) -> bool | None:
    """By the number that its text begins with."""
    return head.startswith(param.MAGIC.encode())


def expected_bytes(head: bytes) -> int:
    """Not stated in the first bytes."""
    return 0


def open_engine(model: Path, threads: int, profile_ops: str | None) -> NcnnEngine:
    """The entry every engine file has."""
    return NcnnEngine(model, threads, profile_ops)
