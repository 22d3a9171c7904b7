"""ExecuTorch's Python runtime (XNNPACK linked in), for ``.pte`` files."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from seaformer.core.artifact import TensorInfo
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import ModelFile
from seaformer.core.quiet import quiet, without_native_log
from seaformer.runtime._executorch import file
from seaformer.runtime._executorch.scalars import SCALARS
from seaformer.runtime._session import Answer, Array, check_inputs

with quiet():  # executorch 1.5.1 imports torchao, which logs each extension it cannot load
    from executorch.runtime import Runtime, Verification


class ExecuTorchSession:
    """One program; a method is loaded when it is first run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._methods: dict[str, Any] = {}
        try:
            with without_native_log():
                self._program = Runtime.get().load_program(
                    path.read_bytes(), verification=Verification.InternalConsistency
                )
        except (RuntimeError, ValueError) as error:
            raise CorruptArtifact(f"ExecuTorch cannot load {path}: {error}") from error

    def method_names(self) -> tuple[str, ...]:
        """The program's methods, sorted."""
        return tuple(sorted(self._program.method_names))

    def inputs(self, method: str = "forward") -> tuple[TensorInfo, ...]:
        """dtypes and shapes of a method's inputs; a program does not name them."""
        meta = self._method(method).metadata
        infos = [meta.input_tensor_meta(i) for i in range(meta.num_inputs())]
        return tuple(_tensor(f"input_{i}", info) for i, info in enumerate(infos))

    def outputs(self, method: str = "forward") -> tuple[TensorInfo, ...]:
        """dtypes and shapes of a method's outputs."""
        meta = self._method(method).metadata
        infos = [meta.output_tensor_meta(i) for i in range(meta.num_outputs())]
        return tuple(_tensor(f"output_{i}", info) for i, info in enumerate(infos))

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Run one method. Raises ``CorruptArtifact`` where ExecuTorch gives up inside of it."""
        ready = check_inputs(arrays, self.inputs(method), self._path.name)
        try:
            outputs = self._method(method).execute([torch.from_numpy(array) for array in ready])
        except RuntimeError as error:
            raise CorruptArtifact(f"ExecuTorch cannot run {self._path}: {error}") from error
        return [output.detach().clone().numpy() for output in outputs]

    def run_as_is(self, arrays: Sequence[Array]) -> list[Array]:
        """Run ``forward`` on arrays of any size that the program accepts.

        Inputs and outputs of bfloat16 are float32 here, of which it is the upper half.
        """
        method = self._method("forward")
        given = [torch.from_numpy(array) for array in arrays]
        for i in range(min(len(given), method.metadata.num_inputs())):
            if SCALARS.get(int(method.metadata.input_tensor_meta(i).dtype())) == "bfloat16":
                given[i] = given[i].bfloat16()
        try:
            with without_native_log():
                outputs = method.execute(given)
        except RuntimeError as error:
            raise CorruptArtifact(
                f"ExecuTorch cannot run {self._path}: {error}",
                hint="Give it inputs that it accepts: --input NAME=FILE.npy",
            ) from error
        whole = (o.float() if o.dtype == torch.bfloat16 else o.clone() for o in outputs)
        return [output.detach().numpy() for output in whole]

    def _method(self, name: str) -> Any:
        if name not in self._methods:
            if name not in self._program.method_names:
                known = ", ".join(self.method_names())
                raise CorruptArtifact(f"{self._path.name} has no method {name!r}; it has {known}.")
            try:
                with without_native_log():
                    self._methods[name] = self._program.load_method(name)
            except RuntimeError as error:
                raise CorruptArtifact(
                    f"ExecuTorch cannot load {self._path}, method {name}: {error}"
                ) from error
        return self._methods[name]


def _tensor(name: str, info: Any) -> TensorInfo:
    return TensorInfo(name, SCALARS[int(info.dtype())], tuple(int(size) for size in info.sizes()))


def describe(path: Path) -> ModelFile:
    """What the file reports of itself."""
    return file.describe(path, engine("executorch").format, "executorch")


def answer(path: Path, arrays: Sequence[Array], precision: str) -> Answer:
    """The outputs by this machine's ExecuTorch, the engine that a bench runs too.

    Raises ``CorruptArtifact`` for a file or an input that it refuses.
    """
    outputs = ExecuTorchSession(path).run_as_is(arrays)
    by = f"ExecuTorch {metadata.version('executorch')} on {platform.machine()}"
    return Answer(by, tuple(outputs), independent=False)


def open_session(path: Path) -> ExecuTorchSession:
    """The entry every runtime file has."""
    return ExecuTorchSession(path)
