"""The file with the weights of an ncnn network (``.bin``): arrays in the order of the layers.

An array that can have several types begins with a mark of its type and is padded to whole words;
biases, norms and scales are float32 without one. Which arrays a layer has follows from its values
in the text. Source: ncnn 1.0.20261020, ``modelbin.cpp`` and ``load_model`` of its layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core import files
from seaformer.core.errors import ExportError
from seaformer.runtime._ncnn.param import HALF_MARK, INT8_MARK, Layer, Param

Array = npt.NDArray[Any]
_WORD = 4
_DTYPES: dict[int, npt.DTypeLike] = {0: np.float32, HALF_MARK: np.float16, INT8_MARK: np.int8}
_MARKS = {np.dtype(dtype): mark for mark, dtype in _DTYPES.items()}


@dataclass(frozen=True, eq=False)
class Stored:
    """One array; ``marked`` of one that begins with a mark of its type."""

    values: Array
    marked: bool

    def bytes(self) -> bytes:
        """As the file has it."""
        data = self.values.tobytes()
        if not self.marked:
            return data
        mark = _MARKS[self.values.dtype].to_bytes(_WORD, "little")
        return mark + data + b"\0" * (-len(data) % _WORD)


@dataclass(frozen=True)
class _Shape:
    """How many numbers an array has, and whether it has a mark."""

    count: int
    marked: bool = False


def _convolution(layer: Layer) -> list[_Shape]:
    return [_Shape(layer.number(6), marked=True), _Shape(layer.number(0) * layer.number(5))]


def _inner_product(layer: Layer) -> list[_Shape]:
    return [_Shape(layer.number(2), marked=True), _Shape(layer.number(0) * layer.number(1))]


def _memory(layer: Layer) -> list[_Shape]:
    sizes = (layer.number(key) or 1 for key in (0, 1, 11, 2))
    return [_Shape(math.prod(sizes), marked=layer.number(21, 1) == 0)]


def _norm(layer: Layer) -> list[_Shape]:
    size = layer.number(1 if layer.type == "GroupNorm" else 0)
    affine = layer.number(3 if layer.type == "GroupNorm" else 2, 1)
    return [_Shape(size * affine)] * 2


_ARRAYS: dict[str, Callable[[Layer], list[_Shape]]] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Deconvolution": _convolution,
    "DeconvolutionDepthWise": _convolution,
    "InnerProduct": _inner_product,
    "BatchNorm": lambda layer: [_Shape(layer.number(0))] * 4,
    "Scale": lambda layer: [_Shape(layer.number(0))] * (1 + layer.number(1)),
    "PReLU": lambda layer: [_Shape(layer.number(0))],
    "GroupNorm": _norm,
    "InstanceNorm": _norm,
    "LayerNorm": _norm,
    "MemoryData": _memory,
}


def _shapes(layer: Layer) -> list[_Shape]:
    arrays = _ARRAYS.get(layer.type)
    return arrays(layer) if arrays else []


def read_weights(network: Param, path: Path) -> dict[str, tuple[Stored, ...]]:
    """The arrays of each layer that has some, by the layer's name.

    Raises ``ExportError`` where the file holds others: a layer has arrays that are not known here.
    """
    data, at = files.read_bytes(path), 0
    by_layer: dict[str, tuple[Stored, ...]] = {}
    for layer in network.layers:
        arrays = []
        for shape in _shapes(layer):
            if shape.count:
                stored, at = _read(data, at, shape, path)
                arrays.append(stored)
        if arrays:
            by_layer[layer.name] = tuple(arrays)
    if at != len(data):
        kinds = ", ".join(sorted({layer.type for layer in network.layers} - set(_ARRAYS)))
        raise ExportError(
            f"{path.name} holds {len(data):,} bytes of weights (read {at:,}): one of {kinds} has "
            "weights that cannot be quantised."
        )
    return by_layer


def _read(data: bytes, at: int, shape: _Shape, path: Path) -> tuple[Stored, int]:
    dtype: np.dtype[Any] = np.dtype(np.float32)
    if shape.marked:
        mark = int.from_bytes(data[at : at + _WORD], "little")
        if mark not in _DTYPES:
            raise ExportError(f"{path.name} has an array of an unknown type ({mark:#x}) at {at:,}.")
        dtype, at = np.dtype(_DTYPES[mark]), at + _WORD
    size = shape.count * dtype.itemsize
    if at + size > len(data):
        raise ExportError(f"{path.name} ends inside of an array at {at:,}.")
    values = np.frombuffer(data, dtype, shape.count, at)
    padding = -size % _WORD if shape.marked else 0
    return Stored(values, shape.marked), at + size + padding


def write_weights(network: Param, arrays: Mapping[str, tuple[Stored, ...]], path: Path) -> None:
    """Write the file of a network."""
    layers = (arrays.get(layer.name, ()) for layer in network.layers)
    path.write_bytes(b"".join(each.bytes() for stored in layers for each in stored))
