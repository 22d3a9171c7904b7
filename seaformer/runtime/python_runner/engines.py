"""The two engines as the Python runner drives them: load, set inputs, run once, take the outputs.

Not ``onnxruntime.py`` and ``executorch.py``, whose sessions check and convert at every call: what
is timed here is the engine's own call with as little Python around it as there can be.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seaformer.runtime.python_runner.flags import ENGINE, MODEL, RunnerProblem
from seaformer.runtime.python_runner.rules import os_threads

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


class OnnxRuntimeEngine:
    """ONNX Runtime through its Python package."""

    name = "onnxruntime"
    methods: tuple[str, ...] = ("forward",)

    def __init__(self, model: Path, threads: int, profile_ops: str | None) -> None:
        # onnxruntime 1.31.1: telemetry (a thread, a database, uploads) is on unless told otherwise
        # before it is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        self._ort = _imported("onnxruntime")
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
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
}


def _onnx_spec(node: Any) -> Spec:
    shape = [1 if i == 0 and not isinstance(n, int) else n for i, n in enumerate(node.shape)]
    if not all(isinstance(size, int) for size in shape):
        raise RunnerProblem(
            MODEL,
            f"Input '{node.name}' has the shape {node.shape}; expected known sizes: "
            "export it for one size.",
        )
    if node.type not in _ONNX_TYPES:
        raise RunnerProblem(MODEL, f"Input '{node.name}' is a {node.type}, which cannot be fed.")
    return Spec(node.name, _ONNX_TYPES[node.type], tuple(shape))


# Numbers of ``ScalarType`` as a program stores them.
_SCALARS = {
    **{0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64"},
    **{5: "float16", 6: "float32", 7: "float64", 11: "bool"},
}


class ExecutorchEngine:
    """ExecuTorch through its Python runtime, XNNPACK linked in."""

    name = "executorch"

    def __init__(self, model: Path, threads: int, profile_ops: str | None) -> None:
        if profile_ops is not None:
            raise RunnerProblem(
                ENGINE,
                "ExecuTorch's Python runtime gives no per-operator events; the C++ runner does.",
            )
        self._torch = _imported("torch")
        self._runtime = _imported("executorch.runtime")
        library = _imported("executorch.extension.pybindings.portable_lib")
        self.version = str(_imported("executorch.version").__version__)
        library._unsafe_reset_threadpool(threads)  # before loading, like the C++ runner
        self.threads = int(library._threadpool_get_thread_count())
        self._model = model
        self.methods = tuple(sorted(self._program().method_names))

    def load(self, method: str) -> tuple[Spec, ...]:
        # Kept: the method points into the program.
        self._loaded = self._program()
        try:
            wrapper = self._loaded.load_method(method)
        except RuntimeError as error:
            raise RunnerProblem(MODEL, f"{self._model}, method '{method}': {error}") from error
        self._method = wrapper._method
        meta = wrapper.metadata
        infos = [meta.input_tensor_meta(i) for i in range(meta.num_inputs())]
        return tuple(
            Spec(
                f"input_{i}",
                _SCALARS.get(int(info.dtype()), "unknown"),
                tuple(int(size) for size in info.sizes()),
            )
            for i, info in enumerate(infos)
        )

    def set_inputs(self, arrays: Sequence[Array]) -> None:
        self._inputs = [self._torch.from_numpy(array) for array in arrays]

    def run(self) -> None:
        # Inputs are set for each inference, as every caller must: memory planning reuses them.
        self._method.set_inputs(self._inputs)
        self._method.execute()

    def outputs(self) -> list[tuple[str, Array]]:
        values = self._method.get_outputs()
        return [(f"output_{i}", value.contiguous().numpy()) for i, value in enumerate(values)]

    def finish_profile(self) -> str | None:
        return None

    def _program(self) -> Any:
        try:
            return self._runtime.Runtime.get().load_program(self._model)
        except (RuntimeError, ValueError) as error:
            raise RunnerProblem(MODEL, f"ExecuTorch cannot load {self._model}: {error}") from error


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


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RunnerProblem(
            ENGINE, f"{name} cannot be imported ({error}): pip install 'seaformer[export]'."
        ) from error
