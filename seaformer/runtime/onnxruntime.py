"""ONNX Runtime on the CPU, for ``.onnx`` files."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seaformer.core.artifact import TensorInfo
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import ModelFile
from seaformer.core.precision import BASE
from seaformer.runtime._onnx import file, reference
from seaformer.runtime._session import FREE, Answer, Array, check_inputs

os.environ.update({k: v for k, v in engine("onnxruntime").environment if k not in os.environ})

import onnxruntime as ort

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
}
_PROVIDERS = ["CPUExecutionProvider"]


class OnnxRuntimeSession:
    """One ONNX file in a CPU session."""

    def __init__(self, path: Path, *, threads: int = 1, optimised: bool = True) -> None:
        self._session = _opened(path, threads, optimised)
        self._path = path

    def inputs(self) -> tuple[TensorInfo, ...]:
        """Names, dtypes and shapes of the file's inputs."""
        return tuple(_tensor(node) for node in self._session.get_inputs())

    def outputs(self) -> tuple[TensorInfo, ...]:
        """Names, dtypes and shapes of the file's outputs."""
        return tuple(_tensor(node) for node in self._session.get_outputs())

    def sized(
        self, arrays: Sequence[Array]
    ) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """Inputs and outputs with the sizes that they have for these arrays."""
        inputs, outputs = self.inputs(), self.outputs()
        if all(all(tensor.shape) for tensor in (*inputs, *outputs)):
            return inputs, outputs
        pairs = ((inputs, arrays), (outputs, self.run(arrays)))
        taken, given = (
            tuple(replace(t, shape=tuple(a.shape)) for t, a in zip(tensors, values, strict=True))
            for tensors, values in pairs
        )
        return taken, given

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run the graph; an ONNX file has one method."""
        if method != "forward":
            raise CorruptArtifact(f"{self._path.name} has no method {method!r}; it has forward.")
        tensors = self.inputs()
        ready = check_inputs(arrays, tensors, self._path.name)
        feeds = {tensor.name: array for tensor, array in zip(tensors, ready, strict=True)}
        if any(FREE in tensor.shape for tensor in tensors):
            return self.run_as_is(ready)
        return list(self._session.run(None, feeds))

    def nodes(self) -> Sequence[ort.NodeArg]:
        """The inputs as ONNX Runtime describes them."""
        return tuple(self._session.get_inputs())

    def run_as_is(self, arrays: Sequence[Array]) -> list[Array]:
        """Run the graph on arrays as they are, of any size that the file accepts."""
        names = [node.name for node in self.nodes()]
        try:
            values = self._session.run(None, dict(zip(names, arrays, strict=True)))
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise CorruptArtifact(
                f"ONNX Runtime cannot run {self._path}: {_reason(error)}",
                hint="Give it inputs that it accepts: --input NAME=FILE.npy",
            ) from error
        return list(values)


def _opened(path: Path, threads: int, optimised: bool) -> ort.InferenceSession:
    """A session that adds products of integers exactly, where ONNX Runtime can make one.

    Without VNNI, x86 adds pairs of 8-bit products in 16 bits, which saturate; the switch avoids
    that. onnxruntime 1.31 fails to load some files with it (two of its initialisers get one name).
    """
    options = _options(threads, optimised)
    options.add_session_config_entry("session.x64quantprecision", "1")
    with contextlib.suppress(Exception):  # ONNX Runtime's exceptions share no base class
        return ort.InferenceSession(str(path), options, providers=_PROVIDERS)
    try:
        return ort.InferenceSession(str(path), _options(threads, optimised), providers=_PROVIDERS)
    except Exception as error:
        raise CorruptArtifact(f"ONNX Runtime cannot load {path}: {_reason(error)}") from error


def _options(threads: int, optimised: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # of what fails, the exception is enough
    return options


def _tensor(node: ort.NodeArg) -> TensorInfo:
    sizes = (size if isinstance(size, int) else FREE for size in node.shape)
    return TensorInfo(node.name, _DTYPES[node.type], tuple(sizes))


def _reason(error: Exception) -> str:
    """ONNX Runtime's own sentence, without the place in its sources and the status before it."""
    text = " ".join(str(error).split()) or type(error).__name__
    if newer := re.search(r"model IR version: (\d+), max supported IR version: (\d+)", text):
        return f"its IR version {newer[1]} must be at most {newer[2]} for this version."
    if newer := re.search(
        r"Opset (\d+) is under development.* domain (\S+) is till opset (\d+)", text
    ):
        return f"its opset {newer[1]} of {newer[2]} must be at most {newer[3]} for this version."
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return re.sub(r"^Load model from .*? failed:", "", text)


def describe(path: Path) -> ModelFile:
    """What the file reports of itself."""
    return file.describe(path, engine("onnxruntime").format, "onnxruntime")


def answer(path: Path, arrays: Sequence[Array], precision: str) -> Answer:
    """The outputs by onnx's reference evaluator, or else by ONNX Runtime without optimisations.

    The evaluator adds in the precision of the file, ONNX Runtime on x86 always in single: only
    single precision is asked of the evaluator. Raises ``CorruptArtifact`` for a file or an input
    that ONNX Runtime refuses.
    """
    session = OnnxRuntimeSession(path, optimised=False)
    names = [node.name for node in session.nodes()]
    outputs = session.run_as_is(arrays)
    if precision == BASE.name:
        evaluated = reference.evaluate(path, dict(zip(names, arrays, strict=True)))
        if evaluated is not None:
            return Answer(evaluated[0], tuple(evaluated[1]), independent=True)
    by = f"ONNX Runtime {ort.__version__} without optimisations on {platform.machine()}"
    return Answer(by, tuple(outputs), independent=True)


def open_session(path: Path) -> OnnxRuntimeSession:
    """The entry every runtime file has."""
    return OnnxRuntimeSession(path)
