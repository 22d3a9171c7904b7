"""ncnn's Python package on the CPU, for ``.param`` files with their ``.bin``."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ncnn
import numpy as np

from seaformer.core.artifact import FORWARD, TensorInfo
from seaformer.core.errors import CorruptArtifact, ShapeError
from seaformer.core.model_file import ModelFile
from seaformer.core.precision import BASE
from seaformer.core.quiet import without_native_log
from seaformer.runtime._ncnn import param
from seaformer.runtime._session import Answer, Array, check_inputs

_MOST_AXES = 4  # the batch, which ncnn lacks, included


class NcnnSession:
    """One network. ``plain`` leaves out what ncnn does to be fast, and half precision.

    ``is_packed``: ncnn keeps four and more channels side by side where it can.
    """

    def __init__(self, path: Path, *, plain: bool = False) -> None:
        self._path = path
        self._param = param.read_param(path)
        weights = param.weights_path(path)
        check_layers(self._param, path)
        self._net = ncnn.Net()
        self._net.opt.num_threads = 1
        self.is_packed = not plain or _is_dilated(self._param)
        if plain:
            _make_plain(self._net.opt, packed=self.is_packed)
        with without_native_log():
            problem = self._net.load_param(str(path))
            if problem == 0:
                problem = self._net.load_model(str(weights))
                if problem != 0:
                    raise CorruptArtifact(
                        f"{weights} does not hold the weights of {path.name}: it was cut short, "
                        "or is of another network."
                    )
        if problem != 0:
            raise CorruptArtifact(
                f"ncnn {ncnn.__version__} cannot read {path}: it is damaged, or of another ncnn."
            )

    def inputs(self, method: str = FORWARD) -> tuple[TensorInfo, ...]:
        """Names and shapes of the inputs. Raises ``CorruptArtifact`` where sizes are not stated."""
        infos = []
        for tensor in self._param.inputs_of(method):
            if tensor.free:
                raise CorruptArtifact(f"{self._path} does not state the sizes of {tensor.name!r}.")
            infos.append(TensorInfo(tensor.name, tensor.dtype, tuple(map(int, tensor.shape))))
        return tuple(infos)

    def outputs(self, method: str = FORWARD) -> tuple[TensorInfo, ...]:
        """Names and shapes of the outputs, seen in a run on zeros."""
        zeros = [np.zeros(info.shape, info.dtype) for info in self.inputs(method)]
        values = zip(self._param.outputs_of(method), self.run_as_is(zeros, method), strict=True)
        return tuple(TensorInfo(name, BASE.dtype, value.shape) for name, value in values)

    def run(self, arrays: Sequence[Array], method: str = FORWARD) -> list[Array]:
        """Run the network, or a part of it. Raises ``CorruptArtifact`` for another method."""
        if method not in self._param.methods:
            known = ", ".join(self._param.methods)
            raise CorruptArtifact(f"{self._path.name} has no method {method!r}; it has {known}.")
        return self.run_as_is(check_inputs(arrays, self.inputs(method), self._path.name), method)

    def every_blob(self, arrays: Sequence[Array]) -> Iterator[tuple[str, Array]]:
        """Every blob of the whole network, one after the other in the order of the layers."""
        extractor = self._fed(arrays, FORWARD)
        for layer in self._param.layers:
            for name in layer.outputs:
                yield name, self._extract(extractor, name)

    def run_as_is(self, arrays: Sequence[Array], method: str = FORWARD) -> list[Array]:
        """Run the network on arrays of any size, each with a batch of 1."""
        extractor = self._fed(arrays, method)
        return [self._extract(extractor, name) for name in self._param.outputs_of(method)]

    def _fed(self, arrays: Sequence[Array], method: str) -> Any:
        """An extractor that has its inputs."""
        extractor = self._net.create_extractor()
        for tensor, array in zip(self._param.inputs_of(method), arrays, strict=True):
            if array.ndim > _MOST_AXES or (array.ndim > 1 and array.shape[0] != 1):
                raise ShapeError(
                    f"{self._path.name}: input {tensor.name!r} must have a batch of 1 and "
                    f"{_MOST_AXES} axes at most (got {array.shape}): ncnn takes no other."
                )
            inner = np.ascontiguousarray(array.reshape(array.shape[1:] or array.shape), "float32")
            extractor.input(tensor.name, ncnn.Mat(inner).clone())
        return extractor

    def _extract(self, extractor: Any, name: str) -> Array:
        with without_native_log():
            problem, value = extractor.extract(name)
        if problem != 0:
            raise CorruptArtifact(f"ncnn cannot compute the output {name!r} of {self._path}.")
        array: Array = np.array(value, "float32")
        return array[np.newaxis]


def check_layers(network: param.Param, path: Path) -> None:
    """Raise ``CorruptArtifact`` for a layer that this ncnn lacks."""
    if layer := param.missing_layer(network, ncnn.layer_to_index):
        raise CorruptArtifact(
            f"{path} needs the layer {layer.type}, which ncnn {ncnn.__version__} lacks: it is a "
            "custom layer, or of another ncnn."
        )


def _make_plain(options: Any, *, packed: bool) -> None:
    half = (f"use_{param.HALF.name}_{what}" for what in ("packed", "storage", "arithmetic"))
    fast = ("use_winograd_convolution", "use_sgemm_convolution")
    for name in (*fast, *half, *(() if packed else ("use_packing_layout",))):
        setattr(options, name, False)


def _is_dilated(network: param.Param) -> bool:
    """Whether a convolution is dilated.

    ncnn 1.0.20261020 on x86 computes those without packing in as many parts as the dilation is, and
    the process dies (SIGSEGV) where a part is empty: an output narrower than the dilation.
    """
    convolutions = (layer for layer in network.layers if layer.type.startswith("Convolution"))
    return any(max(each.number(2, 1), each.number(12, 1)) > 1 for each in convolutions)


def describe(path: Path) -> ModelFile:
    """What the file reports of itself."""
    return param.describe(path)


def answer(path: Path, arrays: Sequence[Array], precision: str) -> Answer:
    """The outputs by ncnn's Python package without packing, Winograd and products of matrices.

    Packing stays where a convolution is dilated.

    Raises ``CorruptArtifact`` for a file or an input that it refuses.
    """
    session = NcnnSession(path, plain=True)
    outputs = session.run_as_is(arrays)
    left_out = "Winograd" if session.is_packed else "packing and Winograd"
    by = f"ncnn {ncnn.__version__} without {left_out} on {platform.machine()}"
    return Answer(by, tuple(outputs), independent=True)


def open_session(path: Path, *, plain: bool = False) -> NcnnSession:
    """The entry every runtime file has."""
    return NcnnSession(path, plain=plain)
