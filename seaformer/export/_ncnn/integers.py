"""Layers of an ncnn network in integers: which ones, their arrays, and the same in float32.

ncnn rounds the input of such a layer to symmetric codes (one scale), multiplies by codes of the
weights (a scale for each output) and gives floats; everything else computes in half precision
where the core has it. A layer's gain is what it multiplies, its price a pass over what it takes and
one over what it gives, so layers with few products for each value are left in half precision.

``rounded`` is the network that rounds to the same codes and computes in float32: four layers
before each one, which scale, round, clip and scale back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from seaformer.export._ncnn.weights import Array, Stored
from seaformer.runtime._ncnn.param import MASK, Layer, Param

LEVELS = 127  # codes on either side of zero
_SCALED = 8  # key of the scales: 2, one for each output and one for the input
_WEIGHTS = {"Convolution": 6, "InnerProduct": 2}  # key of how many there are
_DYNAMIC = 19
_KERNEL = (1, 11)
_MULTIPLY, _ROUND = {0: "2", 1: "1"}, {0: "18"}


def can_be_integers(layer: Layer) -> bool:
    """1x1 convolutions and matrices with weights of their own."""
    if layer.type not in _WEIGHTS or layer.number(_DYNAMIC):
        return False
    return layer.type != "Convolution" or all(layer.number(key, 1) == 1 for key in _KERNEL)


def sizes(layer: Layer) -> tuple[int, int]:
    """Inputs and outputs of one position."""
    outputs = layer.number(0)
    return layer.number(_WEIGHTS[layer.type]) // outputs, outputs


def integer_network(network: Param, chosen: Iterable[str]) -> Param:
    """The text with those layers in integers."""
    names = frozenset(chosen)
    layers = (
        replace(each, values=dict(sorted({**each.values, _SCALED: "2"}.items())))
        if each.name in names
        else each
        for each in network.layers
    )
    return replace(network, layers=tuple(layers))


def weight_codes(layer: Layer, weights: Array) -> tuple[Array, Array]:
    """Codes of the weights, and the scale of each output: what a weight of 1 would be coded as."""
    rows = weights.reshape(layer.number(0), -1).astype(np.float64)
    peaks = np.abs(rows).max(axis=1)
    scales = np.where(peaks > 0, LEVELS / np.maximum(peaks, 1e-30), 1.0).astype(np.float32)
    codes = np.clip(np.round(rows * scales[:, None]), -LEVELS, LEVELS).astype(np.int8)
    return codes, scales


def integer_arrays(
    network: Param, arrays: Mapping[str, tuple[Stored, ...]], scales: Mapping[str, float]
) -> dict[str, tuple[Stored, ...]]:
    """The arrays of the file: codes for the layers with a scale of their input, halves else."""
    return {
        layer.name: (
            _coded(layer, arrays[layer.name], scales[layer.name])
            if layer.name in scales
            else tuple(_halved(each) for each in arrays[layer.name])
        )
        for layer in network.layers
        if layer.name in arrays
    }


def _coded(layer: Layer, stored: tuple[Stored, ...], scale: float) -> tuple[Stored, ...]:
    codes, scales = weight_codes(layer, stored[0].values)
    own = Stored(np.array([scale], np.float32), marked=False)
    return (Stored(codes.reshape(-1), marked=True), *stored[1:], Stored(scales, False), own)


def _halved(stored: Stored) -> Stored:
    return replace(stored, values=stored.values.astype(np.float16)) if stored.marked else stored


def _single(stored: Stored) -> Stored:
    return replace(stored, values=stored.values.astype(np.float32))


def rounded(
    network: Param, arrays: Mapping[str, tuple[Stored, ...]], scales: Mapping[str, float]
) -> tuple[Param, dict[str, tuple[Stored, ...]]]:
    """Text and arrays of the network that rounds to the same codes and computes in float32."""
    layers: list[Layer] = []
    # Weights of the other layers as the file has them, and computed with in float32.
    changed = {name: tuple(_single(_halved(each)) for each in a) for name, a in arrays.items()}
    for layer in network.layers:
        if layer.name not in scales:
            layers.append(layer)
            continue
        layers += _rounding(layer, scales[layer.name])
        layers.append(replace(layer, inputs=layers[-1].outputs))
        codes, steps = weight_codes(layer, arrays[layer.name][0].values)
        values = (codes / steps[:, None]).astype(np.float32).reshape(-1)
        changed[layer.name] = (Stored(values, marked=True), *arrays[layer.name][1:])
    return replace(network, layers=tuple(layers)), changed


def _rounding(layer: Layer, scale: float) -> Iterator[Layer]:
    """What its input goes through first."""
    mask = {key: value for key, value in layer.values.items() if key == MASK}
    steps: tuple[tuple[str, dict[int, str]], ...] = (
        ("BinaryOp", {**_MULTIPLY, 2: _exact(scale)}),
        ("UnaryOp", _ROUND),
        ("Clip", {0: _exact(-LEVELS), 1: _exact(LEVELS)}),
        ("BinaryOp", {**_MULTIPLY, 2: _exact(float(1 / np.float32(scale)))}),
    )
    blob = layer.inputs[0]
    for number, (kind, values) in enumerate(steps):
        name = f"{layer.name}.rounding{number}"
        yield Layer(kind, name, (blob,), (name,), {**values, **mask})
        blob = name


def _exact(value: float) -> str:
    """A float in an ncnn text has a point or an exponent, or it is read as a whole number."""
    return f"{value:.8e}"
