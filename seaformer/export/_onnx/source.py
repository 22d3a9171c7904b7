"""An ``.onnx`` file as what is exported: its graph for one size, and its own answers.

The answers that an export is proved against are ONNX Runtime's, from the file as it is. A format of
such files takes the graph itself; any other gets it as a network of PyTorch (``network``).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from seaformer.core.engine import engines
from seaformer.core.errors import CorruptArtifact, ShapeError, UnknownName, UsageError
from seaformer.core.files import expanded
from seaformer.core.model_file import ModelFile
from seaformer.export._onnx.network import OnnxNetwork, build_network
from seaformer.export._onnx.ranges import graph_ranges, weights_of
from seaformer.export._range import Range
from seaformer.export._subject import GRAPH
from seaformer.export._verify import Array
from seaformer.runtime import describe_file
from seaformer.runtime.onnxruntime import OnnxRuntimeSession

_FLOATS = ("float32", "float16")
_LARGEST_BYTES = 2_000_000_000  # of a protobuf file


@dataclass(frozen=True)
class OnnxSource:
    """One file. ``model`` has its weights inside and the sizes of its input fixed."""

    path: Path
    file: ModelFile
    model: onnx.ModelProto
    shape: tuple[int, ...]

    @property
    def format(self) -> str:
        """The format of such files."""
        return next(row.format for row in engines() if row.suffix == GRAPH)

    def weights(self) -> dict[str, Tensor]:
        """The floating weights of the graph by name."""
        return {name: torch.from_numpy(each) for name, each in weights_of(self.model).items()}

    def ranges(self, images: Mapping[str, Array]) -> Iterator[Range]:
        """What each node gives for each image, which has a name."""
        return graph_ranges(self.model, images)

    def answers(self) -> nn.Module:
        """What ONNX Runtime computes for the file as it is, as a network."""
        return OnnxAnswers(self)

    def network(self) -> OnnxNetwork:
        """The graph as a network of PyTorch. Raises ``UnsupportedOperator``."""
        return build_network(self.model, torch.zeros(self.shape))


class OnnxAnswers(nn.Module):
    """The file in ONNX Runtime. Input (1, C, H, W) float32, outputs float32 or integers."""

    def __init__(self, source: OnnxSource) -> None:
        super().__init__()
        self.OUTPUTS = tuple(tensor.name for tensor in source.file.outputs)
        self.dtype = source.file.inputs[0].dtype
        self.session = OnnxRuntimeSession(source.path)

    def forward(self, image: Tensor) -> Any:
        outputs = self.session.run_as_is([image.numpy().astype(self.dtype)])
        tensors = tuple(torch.from_numpy(_single(value)) for value in outputs)
        return tensors[0] if len(tensors) == 1 else tensors


def open_source(text: str, shape: tuple[int, ...] | None) -> OnnxSource:
    """Read a file and fix the sizes of its input; ``shape`` may be left away where it has them.

    Raises ``UnknownName`` where the file does not exist, ``CorruptArtifact`` for one that cannot be
    read, ``UsageError`` for one that is not of an image, ``ShapeError`` for a size that it refuses.
    """
    path = expanded(text)
    if not path.is_file():
        raise UnknownName(f"The file {path} does not exist.")
    file = describe_file(path)
    if file.size_bytes > _LARGEST_BYTES:
        raise UsageError(
            f"{path} must be smaller than 2 GB to be exported (got {file.size_bytes} bytes)."
        )
    fixed = _shape(path, file, shape)
    try:
        model = onnx.load(str(path))
    except (OSError, ValueError) as error:
        raise CorruptArtifact(f"The weights of {path} cannot be read: {error}") from error
    _fix(model, fixed)
    return OnnxSource(path, file, model, fixed)


def _shape(path: Path, file: ModelFile, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of the only input, an image."""
    if len(file.inputs) != 1 or len(file.inputs[0].shape) != 4:
        seen = ", ".join(map(str, file.inputs)) or "none"
        raise UsageError(
            f"{path} must have one input, an image (1, C, H, W), to be exported (got {seen}).",
            hint=f"Bench it as it is: seaformer bench {shlex.quote(str(path))}",
        )
    image = file.inputs[0]
    if image.dtype not in _FLOATS:
        raise UsageError(
            f"The input of {path} must be float32 or float16 to be exported (got {image.dtype})."
        )
    if shape is None:
        if image.free and image.free != image.shape[:1]:
            raise UsageError(
                f"{path} leaves sizes of its input free ({image}).",
                hint="Choose them: --shape 1x3x512x512",
            )
        shape = (1, *(int(size) for size in image.shape[1:]))
    stated = zip(image.shape, shape, strict=True)
    if shape[0] != 1 or any(isinstance(size, int) and size != given for size, given in stated):
        seen = "x".join(map(str, shape))
        raise ShapeError(f"{path} takes {image}, not {seen}.", hint="The batch must be 1.")
    return shape


def _fix(model: onnx.ModelProto, shape: tuple[int, ...]) -> None:
    """State the sizes of the input, and leave those that follow from them to be inferred."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    sizes = inputs[0].type.tensor_type.shape.dim
    for size, given in zip(sizes, shape, strict=True):
        size.dim_value = given
    kept = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in inputs]
    del graph.input[:]
    graph.input.extend(kept)
    del graph.value_info[:]
    # PaddlePaddle writes a free size of an output as -1, which no inferred size is equal to.
    for value in graph.output:
        for size in value.type.tensor_type.shape.dim:
            if size.dim_value < 0:
                size.Clear()
    # Since IR 4 weights are not inputs; an engine may then compute with them ahead of time.
    model.ir_version = max(model.ir_version, 4)


def _single(value: Any) -> Any:
    """float32 for any floating type."""
    return value.astype(np.float32) if np.issubdtype(value.dtype, np.floating) else value
