"""ncnn: 1x1 convolutions in integers where that executes less, half precision elsewhere.

Weights have a scale for each output, inputs one symmetric scale; ncnn's own tools for this
(``ncnn2table``, ``ncnn2int8``) are not in its Python package. Source of the layout:
ncnn 1.0.20261020, ``convolution.cpp`` and ``innerproduct.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from seaformer.core import files
from seaformer.core.errors import ExportError
from seaformer.core.operators import GraphOperator
from seaformer.core.quantization import ModuleNoise
from seaformer.export._format import WriteRequest
from seaformer.export._ncnn.integers import (
    LEVELS,
    can_be_integers,
    integer_arrays,
    integer_network,
    rounded,
    sizes,
)
from seaformer.export._ncnn.weights import Stored, read_weights, write_weights
from seaformer.export.quantize._calibration import Calibration
from seaformer.export.quantize._kept import check_kept, is_kept, kept_note
from seaformer.export.quantize._noise import module_noise
from seaformer.export.quantize._observers import Array, Spread, find_observer
from seaformer.export.quantize._proof import Quantised, require_fake
from seaformer.export.quantize._search import IMAGES, Network, search, search_note
from seaformer.runtime._ncnn.param import HALF, Layer, Param, finished, param_text
from seaformer.runtime.ncnn import NcnnSession, open_session

CPUS = ("arm64",)  # x86 computes the same codes, and float32 in place of half precision
_WHERE = "1x1 convolutions int8 (inputs per tensor, symmetric; weights per channel)"
SCHEME = f"{_WHERE}, {HALF.name} elsewhere"

_WEIGHTS = ".bin"
# Instructions on a core with half precision and dot products: what a product saves in int8, what a
# value that is taken costs (it is rounded), and one that is given (more than in half precision, as
# it is scaled back). By the kernel of ours where it takes the layer, else by ncnn 1.0.20261020.
_OURS = (0.062, 0.55, 0.5)
_NCNN = (0.07, 1.9, 2.2)


@dataclass(frozen=True)
class _Graph:
    """The network in float32: text, arrays, and the module of each layer."""

    network: Param
    arrays: Mapping[str, tuple[Stored, ...]]
    modules: Mapping[str, str]


def quantise(
    request: WriteRequest, network: Param, operators: Iterable[GraphOperator]
) -> tuple[Param, Quantised]:
    """Write the file in integers over that in float32, and compare the two.

    ``network`` is the text of the file at ``request.path``; ``operators`` are its layers with their
    modules. Returned is the text that was written.
    """
    path, calibration, keep = request.path, request.calibration, request.keep
    assert calibration is not None
    modules = {operator.names[0]: operator.module for operator in operators}
    graph = _Graph(network, read_weights(network, path.with_suffix(_WEIGHTS)), modules)
    layers = {layer.name: layer for layer in network.layers if can_be_integers(layer)}
    check_kept(keep.names, (modules[name] for name in layers))
    scales = _scales(network, open_session(path), calibration, request.observer, layers.values())
    chosen = {name: scale for name, scale in scales.items() if pays(layers[name])}
    _require_some(chosen, path.name)
    result, kept = None, keep.names
    if keep.auto:
        result = search(_searched(graph, chosen, calibration, path), keep, request.step)
        kept = (*kept, *result.added)
    chosen = _without(chosen, kept, modules)
    noise = _noise(graph, chosen, calibration.sample(IMAGES, raw=False), path)
    made, check = _written(request, graph, chosen, calibration)
    count = f"{len(chosen)} of {len(layers)} 1x1 convolutions"
    note = f"{request.precision.name}: {SCHEME}, for {CPUS[0]}; {count}{kept_note(kept)}"
    described = calibration.described(request.observer, CPUS[0], SCHEME, kept, result)
    described = replace(described, noise=noise)
    return made, Quantised(described, (note, *search_note(result)), check)


def _written(
    request: WriteRequest, graph: _Graph, chosen: Mapping[str, float], calibration: Calibration
) -> tuple[Param, str]:
    """Write both files. Returned are the text and the line of the proof."""
    path, shapes = request.path, [tuple(request.image.shape)]
    with _fake(graph, chosen, path) as fake:
        integers = integer_network(graph.network, chosen)
        made = finished(integers, shapes, request.precision.name)
        files.write_text(path, param_text(made))
        arrays = integer_arrays(graph.network, graph.arrays, chosen)
        write_weights(made, arrays, path.with_suffix(_WEIGHTS))
        file = open_session(path)
        check = require_fake(
            path.name,
            lambda image: file.run_as_is([image]),
            lambda image: fake.run_as_is([image]),
            calibration.arrays(raw=False),
        )
    return made, check


def pays(layer: Layer) -> bool:
    """Whether a layer executes fewer instructions in integers than in half precision, on a core
    with dot products: what is saved by each product against what each value costs."""
    inputs, outputs = sizes(layer)
    ours = layer.type == "Convolution" and inputs % 8 == 0 and outputs % 8 != 4
    saved, rounded_, scaled_back = _OURS if ours else _NCNN
    return saved * inputs * outputs > rounded_ * inputs + scaled_back * outputs


def _require_some(chosen: Mapping[str, float], file: str) -> None:
    if not chosen:
        raise ExportError(
            f"{file}: no 1x1 convolution has enough products for each value to execute less in "
            "integers than in half precision.",
            hint=f"Use --precision {HALF.name}, or another --format.",
        )


def _without(
    scales: Mapping[str, float], kept: tuple[str, ...], modules: Mapping[str, str]
) -> dict[str, float]:
    return {name: each for name, each in scales.items() if not is_kept(modules[name], kept)}


def _scales(
    network: Param,
    session: NcnnSession,
    calibration: Calibration,
    observer: str,
    layers: Iterable[Layer],
) -> dict[str, float]:
    """What an input of 1 is coded as, for each layer."""
    choose = find_observer(observer)
    inputs = {layer.name: layer.inputs[0] for layer in layers}
    fed = {blob for layer in network.layers if layer.type == "Input" for blob in layer.outputs}
    spreads = {blob: Spread() for blob in inputs.values()}
    for image in calibration.arrays(raw=False):
        for blob in spreads.keys() & fed:
            spreads[blob].see(image)
        for blob, values in session.every_blob([image]):
            if blob in spreads and blob not in fed:
                spreads[blob].see(values)
    return {name: _scale(choose(spreads[blob].mirrored())) for name, blob in inputs.items()}


def _scale(ends: tuple[float, float]) -> float:
    return float(np.float32(LEVELS / max(ends[1], -ends[0], 1e-12)))


@contextmanager
def _fake(graph: _Graph, scales: Mapping[str, float], beside: Path) -> Iterator[NcnnSession]:
    """The network that rounds as the layers with these scales do, in float32."""
    network, arrays = rounded(graph.network, graph.arrays, scales)
    path = beside.with_name(f"{beside.stem}.rounded.param")
    files.write_text(path, param_text(network))
    write_weights(network, arrays, path.with_suffix(_WEIGHTS))
    try:
        yield open_session(path)
    finally:
        files.remove(path)
        files.remove(path.with_suffix(_WEIGHTS))


def _searched(
    graph: _Graph, scales: Mapping[str, float], calibration: Calibration, path: Path
) -> Network:
    images = calibration.searched(IMAGES, raw=False)

    def answers(kept: tuple[str, ...], count: int) -> list[Array]:
        with _fake(graph, _without(scales, kept, graph.modules), path) as fake:
            return _first_outputs(fake, images[:count])

    modules = tuple(graph.modules[name] for name in scales)
    return Network(modules, answers, _first_outputs(open_session(path), images), calibration.task)


def _first_outputs(session: NcnnSession, images: Iterable[Array]) -> list[Array]:
    return [session.run_as_is([image])[0] for image in images]


def _noise(
    graph: _Graph, scales: Mapping[str, float], images: Iterable[Array], path: Path
) -> tuple[ModuleNoise, ...]:
    """Of every module, by the blob that its last layer gives."""
    ends = {
        graph.modules[layer.name]: layer.outputs[0]
        for layer in graph.network.layers
        if graph.modules.get(layer.name) and layer.outputs
    }

    def outputs(session: NcnnSession, image: Array) -> dict[str, Array]:
        last = frozenset(ends.values())
        values = {blob: v for blob, v in session.every_blob([image]) if blob in last}
        return {module: values[blob] for module, blob in ends.items()}

    plain = open_session(path)
    with _fake(graph, scales, path) as fake:
        return module_noise((outputs(fake, image), outputs(plain, image)) for image in images)
