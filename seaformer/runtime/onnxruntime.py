"""ONNX Runtime on the CPU, for ``.onnx`` files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seaformer.core.artifact import TensorInfo
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact
from seaformer.runtime._session import Array, check_inputs

os.environ.update({k: v for k, v in engine("onnxruntime").environment if k not in os.environ})

import onnxruntime as ort

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}


class OnnxRuntimeSession:
    """One ONNX file in a CPU session."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            reason = _first_line(error)
            raise CorruptArtifact(f"ONNX Runtime cannot load {path}: {reason}") from error
        self._path = path

    def inputs(self) -> tuple[TensorInfo, ...]:
        """Names, dtypes and shapes of the file's inputs."""
        return tuple(_tensor(node) for node in self._session.get_inputs())

    def outputs(self) -> tuple[TensorInfo, ...]:
        """Names, dtypes and shapes of the file's outputs."""
        return tuple(_tensor(node) for node in self._session.get_outputs())

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run the graph; an ONNX file has one method."""
        if method != "forward":
            raise CorruptArtifact(f"{self._path.name} has no method {method!r}; it has forward.")
        tensors = self.inputs()
        ready = check_inputs(arrays, tensors, self._path.name)
        feeds = {tensor.name: array for tensor, array in zip(tensors, ready, strict=True)}
        return list(self._session.run(None, feeds))


def _tensor(node: ort.NodeArg) -> TensorInfo:
    return TensorInfo(node.name, _DTYPES[node.type], tuple(int(size) for size in node.shape))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def open_session(path: Path) -> OnnxRuntimeSession:
    """The entry every runtime file has."""
    return OnnxRuntimeSession(path)
