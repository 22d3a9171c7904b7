"""ONNX Runtime for the Python runner."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seaformer.runtime.python_runner.engines._engine import (
    Array,
    Spec,
    imported,
    set_environment,
)
from seaformer.runtime.python_runner.flags import ENGINE, MODEL, RunnerProblem
from seaformer.runtime.python_runner.rules import os_threads


class OnnxRuntimeEngine:
    """ONNX Runtime through its Python package."""

    name = "onnxruntime"
    bounded = False
    methods: tuple[str, ...] = ("forward",)

    def __init__(self, model: Path, threads: int, profile_ops: str | None) -> None:
        set_environment(self.name)
        self._ort = imported("onnxruntime", self.name)
        self.version = str(self._ort.__version__)
        self.threads = 1
        self._model = model
        self._options = self._ort.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 3
        if profile_ops is not None:
            self._options.enable_profiling = True
            self._options.profile_file_prefix = f"{profile_ops}.part"

    def load(self, method: str) -> tuple[Spec, ...]:
        before = os_threads()
        try:
            self._session = self._ort.InferenceSession(
                str(self._model), self._options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            code = ENGINE if "NOT_IMPLEMENTED" in str(error) else MODEL
            raise RunnerProblem(code, f"{self._model}: {error}") from error
        self.threads = os_threads() - before + 1
        self._names = [node.name for node in self._session.get_outputs()]
        return tuple(_onnx_spec(node) for node in self._session.get_inputs())

    def set_inputs(self, arrays: Sequence[Array]) -> None:
        nodes = self._session.get_inputs()
        self._feeds = {node.name: array for node, array in zip(nodes, arrays, strict=True)}

    def run(self) -> None:
        self._values = self._session.run(None, self._feeds)

    def outputs(self) -> list[tuple[str, Array]]:
        return list(zip(self._names, self._values, strict=True))

    def finish_profile(self) -> str | None:
        return str(self._session.end_profiling())


_ONNX_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
}


def _onnx_spec(node: Any) -> Spec:
    shape = [size if isinstance(size, int) else -1 for size in node.shape]
    if node.type not in _ONNX_TYPES:
        raise RunnerProblem(MODEL, f"Input '{node.name}' is a {node.type}, which cannot be fed.")
    return Spec(node.name, _ONNX_TYPES[node.type], tuple(shape))


def recognises(head: bytes) -> bool | None:
    """A protobuf has no magic number: ONNX Runtime itself reports it."""
    return None


def expected_bytes(head: bytes) -> int:
    """Not stated in the first bytes."""
    return 0


def open_engine(model: Path, threads: int, profile_ops: str | None) -> OnnxRuntimeEngine:
    """The entry every engine file has."""
    return OnnxRuntimeEngine(model, threads, profile_ops)
