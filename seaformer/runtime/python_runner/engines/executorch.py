"""ExecuTorch for the Python runner. It reports no per-operator events: the C++ runner does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seaformer.runtime._executorch.scalars import SCALARS
from seaformer.runtime.python_runner.engines._engine import Array, Spec, imported
from seaformer.runtime.python_runner.flags import ENGINE, MODEL, RunnerProblem


class ExecutorchEngine:
    """ExecuTorch through its Python runtime, XNNPACK linked in."""

    name = "executorch"
    bounded = True

    def __init__(self, model: Path, threads: int, profile_ops: str | None) -> None:
        if profile_ops is not None:
            raise RunnerProblem(
                ENGINE,
                "ExecuTorch's Python runtime gives no per-operator events; the C++ runner does.",
            )
        self._torch = imported("torch", self.name)
        self._runtime = imported("executorch.runtime", self.name)
        library = imported("executorch.extension.pybindings.portable_lib", self.name)
        self.version = str(imported("executorch.version", self.name).__version__)
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
                SCALARS.get(int(info.dtype()), "unknown"),
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


def recognises(head: bytes) -> bool | None:
    """By the flatbuffer identifier at byte 4."""
    return head[4:6] == b"ET"


def expected_bytes(head: bytes) -> int:
    """What the extended header states, 0 where there is none."""
    if head[8:12] != b"eh00":
        return 0
    program, base, segment = (int.from_bytes(head[i : i + 8], "little") for i in (16, 24, 32))
    long_header = int.from_bytes(head[12:16], "little") >= 32
    return max(program, base + (segment if long_header else 0) if base else 0)


def open_engine(model: Path, threads: int, profile_ops: str | None) -> ExecutorchEngine:
    """The entry every engine file has."""
    return ExecutorchEngine(model, threads, profile_ops)
