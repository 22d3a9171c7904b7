"""LiteRT's interpreter on the CPU, for ``.tflite`` files."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as litert

from seaformer.core.artifact import FORWARD, TensorInfo
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import ModelFile, TensorDescription
from seaformer.core.quiet import without_native_log
from seaformer.runtime._litert import file
from seaformer.runtime._session import FREE, Answer, Array, check_inputs


class LiteRtSession:
    """One model. ``plain`` uses LiteRT's reference kernels instead of XNNPACK's."""

    def __init__(self, path: Path, *, plain: bool = False) -> None:
        self._path = path
        self._model = file.read_model(path)
        kinds = litert.OpResolverType
        try:
            with without_native_log():
                self._interpreter = litert.Interpreter(
                    str(path),
                    num_threads=1,
                    experimental_op_resolver_type=kinds.BUILTIN_REF if plain else kinds.AUTO,
                )
        except (ValueError, RuntimeError) as error:
            raise CorruptArtifact(f"LiteRT cannot load {path}: {_reason(error)}") from error
        self._runners: dict[str, Any] = {}

    def inputs(self, method: str = FORWARD) -> tuple[TensorInfo, ...]:
        """Names, types and shapes of a method's inputs; a size that is free is 0."""
        own = self._model.method(method)
        return tuple(_info(each) for each in self._model.tensors(own, own.inputs))

    def outputs(self, method: str = FORWARD) -> tuple[TensorInfo, ...]:
        """Names, types and shapes of a method's outputs."""
        own = self._model.method(method)
        return tuple(_info(each) for each in self._model.tensors(own, own.outputs))

    def run(self, arrays: Sequence[Array], method: str = FORWARD) -> list[Array]:
        """Run one method. Raises ``CorruptArtifact`` for a method that the file does not have."""
        return self.run_as_is(check_inputs(arrays, self.inputs(method), self._path.name), method)

    def run_as_is(self, arrays: Sequence[Array], method: str = FORWARD) -> list[Array]:
        """Run a method on arrays of any size that the file accepts."""
        own = self._model.method(method)
        try:
            with without_native_log():
                return self._run(own, arrays)
        except (ValueError, RuntimeError) as error:
            raise CorruptArtifact(f"LiteRT cannot run {self._path}: {_reason(error)}") from error

    def _run(self, own: file.Method, arrays: Sequence[Array]) -> list[Array]:
        if own.key:
            runner = self._runners.setdefault(
                own.key, self._interpreter.get_signature_runner(own.key)
            )
            answers = runner(**dict(zip((name for name, _ in own.inputs), arrays, strict=True)))
            return [np.array(answers[name]) for name, _ in own.outputs]
        for (_, number), array in zip(own.inputs, arrays, strict=True):
            self._interpreter.resize_tensor_input(number, array.shape)
        self._interpreter.allocate_tensors()
        for (_, number), array in zip(own.inputs, arrays, strict=True):
            self._interpreter.set_tensor(number, array)
        self._interpreter.invoke()
        return [np.array(self._interpreter.get_tensor(number)) for _, number in own.outputs]


def _reason(error: Exception) -> str:
    """The first line; the others are advice on how to build TensorFlow."""
    return str(error).strip().partition("\n")[0]


def _info(tensor: TensorDescription) -> TensorInfo:
    shape = tuple(size if isinstance(size, int) else FREE for size in tensor.shape)
    return TensorInfo(tensor.name, tensor.dtype, shape)


def describe(path: Path) -> ModelFile:
    """What the file reports of itself."""
    return file.describe(path)


def answer(path: Path, arrays: Sequence[Array], precision: str) -> Answer:
    """The outputs by LiteRT's reference kernels, which share no code with XNNPACK.

    Raises ``CorruptArtifact`` for a file or an input that it refuses.
    """
    outputs = LiteRtSession(path, plain=True).run_as_is(arrays)
    by = (
        f"LiteRT {metadata.version('ai-edge-litert')} by its reference kernels "
        f"on {platform.machine()}"
    )
    return Answer(by, tuple(outputs), independent=True)


def open_session(path: Path) -> LiteRtSession:
    """The entry every runtime file has."""
    return LiteRtSession(path)
