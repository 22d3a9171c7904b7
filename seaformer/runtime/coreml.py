"""Core ML on macOS, for ``.mlpackage`` folders. Prediction exists on macOS alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np

from seaformer.core import files
from seaformer.core.artifact import TensorInfo
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact, DeviceError
from seaformer.core.model_file import ModelFile, TensorDescription, precision_of
from seaformer.runtime._session import Array, check_inputs

_KINDS = {65552: "float16", 65568: "float32", 65600: "float64", 131104: "int32"}
_TOOLS = "com.github.apple.coremltools."
_VERSION = f"{_TOOLS}version"


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

    @property
    def model(self) -> ct.models.MLModel:
        """The package as coremltools reads it."""
        return self._model

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
    tensors = []
    for feature in features:
        array = feature.type.multiArrayType  # type: ignore[attr-defined]
        name = str(feature.name)  # type: ignore[attr-defined]
        tensors.append(TensorInfo(name, _KINDS[array.dataType], tuple(int(n) for n in array.shape)))
    return tuple(tensors)


def describe(path: Path) -> ModelFile:
    """What the package reports of itself, on any system: nothing is run."""
    model = CoreMLSession(path).model
    spec = model.get_spec()
    description, operators = spec.description, Counter(_operators(spec))
    weights: Counter[str] = Counter()
    if spec.WhichOneof("Type") == "mlProgram":
        for entry in ct.optimize.coreml.get_weights_metadata(model, weight_threshold=0).values():
            weights[str(entry.val.dtype)] += entry.val.size
    inputs, outputs = (
        tuple(map(_description, each)) for each in (description.input, description.output)
    )
    row, own = engine("coreml"), dict(description.metadata.userDefined)
    version = own.pop(_VERSION, "")
    return ModelFile(
        file=path.name,
        format=row.format,
        engine=row.name,
        precision=precision_of(operators, weights, {each.dtype for each in inputs}),
        sha256=files.sha256_file(path),
        size_bytes=files.size_bytes(path),
        inputs=inputs,
        outputs=outputs,
        methods=("forward",),
        operators=dict(operators.most_common()),
        weights=dict(weights.most_common()),
        producer=f"coremltools {version}" if version else "",
        opsets={"Core ML specification": int(spec.specificationVersion)},
        metadata={key: value for key, value in own.items() if not key.startswith(_TOOLS)},
    )


def _operators(spec: Any) -> Iterator[str]:
    """The kind of each operator of an ML Program, of each layer of an older neural network."""
    if spec.WhichOneof("Type") == "neuralNetwork":
        yield from (layer.WhichOneof("layer") for layer in spec.neuralNetwork.layers)
    elif spec.WhichOneof("Type") == "mlProgram":
        for function in spec.mlProgram.functions.values():
            block = function.block_specializations[function.opset]
            yield from (op.type for op in block.operations if op.type != "const")


def _description(feature: Any) -> TensorDescription:
    """An array, or an image: pixels of one or three channels."""
    kind = feature.type.WhichOneof("Type")
    if kind == "imageType":
        image = feature.type.imageType
        channels = 1 if image.colorSpace == image.GRAYSCALE else 3
        return TensorDescription(
            feature.name, "uint8", (int(image.height), int(image.width), channels)
        )
    if kind != "multiArrayType":
        raise CorruptArtifact(f"{feature.name!r} is not a tensor: only tensors are supported.")
    array = feature.type.multiArrayType
    shape = tuple(int(size) for size in array.shape)
    return TensorDescription(feature.name, _KINDS.get(array.dataType, "unknown"), shape)


def open_session(path: Path) -> CoreMLSession:
    """The entry every runtime file has."""
    return CoreMLSession(path)
