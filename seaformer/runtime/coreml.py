"""Core ML on macOS, for ``.mlpackage`` folders. Prediction exists on macOS alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import coremltools as ct
import numpy as np

from seaformer.core.artifact import TensorInfo
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact, DeviceError
from seaformer.runtime._session import Array, check_inputs


class CoreMLSession:
    """One ML Program. Loading its description works everywhere, running it on macOS only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._model = ct.models.MLModel(
                str(path), skip_model_load=not engine("coreml").runs_here
            )
        except Exception as error:  # coremltools raises bare RuntimeError, ValueError and others
            raise CorruptArtifact(f"Core ML cannot load {path}: {error}") from error

    def inputs(self) -> tuple[TensorInfo, ...]:
        """Names and shapes of the inputs."""
        return _tensors(self._model.get_spec().description.input)

    def outputs(self) -> tuple[TensorInfo, ...]:
        """Names and shapes of the outputs."""
        return _tensors(self._model.get_spec().description.output)

    def run(self, arrays: Sequence[Array], method: str = "forward") -> list[Array]:
        """Predict. Raises ``DeviceError`` anywhere but on macOS."""
        if not engine("coreml").runs_here:
            raise DeviceError(
                f"{self._path.name} cannot be run on this system.",
                hint="Core ML predicts on macOS only: copy the file and its manifest there.",
            )
        tensors = self.inputs()
        ready = check_inputs(arrays, tensors, self._path.name)
        feeds = {tensor.name: array for tensor, array in zip(tensors, ready, strict=True)}
        answers = self._model.predict(feeds)
        return [np.asarray(answers[tensor.name]) for tensor in self.outputs()]


def _tensors(features: Sequence[object]) -> tuple[TensorInfo, ...]:
    kinds = {65552: "float16", 65568: "float32", 131104: "int32"}
    tensors = []
    for feature in features:
        array = feature.type.multiArrayType  # type: ignore[attr-defined]
        name = str(feature.name)  # type: ignore[attr-defined]
        tensors.append(TensorInfo(name, kinds[array.dataType], tuple(int(n) for n in array.shape)))
    return tuple(tensors)


def open_session(path: Path) -> CoreMLSession:
    """The entry every runtime file has."""
    return CoreMLSession(path)
