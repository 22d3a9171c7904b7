"""The text of an ncnn network (``.param``): layers, inputs with their sizes, and the precision.

A magic number, the numbers of layers and blobs, then a layer a line: type, name, how many blobs it
takes and gives, their names, and values by key. Source: ncnn's wiki, "param and model file
structure". The weights are in a file of the same name that ends with ``.bin``. Behind the layers,
where ncnn reads no further, are the parts of a network that can be run alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.checksums import joint_sha256
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import INTEGERS, ModelFile, TensorDescription
from seaformer.core.plural import counted
from seaformer.core.precision import BASE, precisions

MAGIC = "7767517"
NAME = "ncnn"
HALF = next(row for row in precisions() if row.dtype == "float16")
_ROW = engine(NAME)
_SIZES = (2, 11, 1, 0)  # keys of an Input layer: channels, depth, height, width
MASK = 31  # key of the features that a layer is to do without
_NO_HALF = 0b11  # bit 0: no arithmetic in half precision, bit 1: no storage in it
_INT8 = {"Convolution": 8, "ConvolutionDepthWise": 8, "InnerProduct": 8}  # key of the scales
_NUMBERS = {  # key of how many weights; an array of them begins with a mark of its type
    "Convolution": 6,
    "ConvolutionDepthWise": 6,
    "Deconvolution": 6,
    "DeconvolutionDepthWise": 6,
    "InnerProduct": 2,
}
HALF_MARK, INT8_MARK = 0x01306B47, 0x000D4B38
_MARK_BYTES = 4
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_METHOD, _WHOLE = "#method", "forward"
_CONVOLUTIONS = {"Convolution": (0, 1, 11, 6)}  # outputs, kernel width and height, weights


@dataclass(frozen=True)
class Layer:
    """One line."""

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Mapping[int, str]

    def number(self, key: int, default: int = 0) -> int:
        """A value that is a whole number."""
        text = self.values.get(key, "")
        return int(text) if _WHOLE_NUMBER.fullmatch(text) else default

    def __str__(self) -> str:
        head = f"{self.type:24s} {self.name:24s} {len(self.inputs)} {len(self.outputs)}"
        values = (f"{key}={value}" for key, value in self.values.items())
        return " ".join([head, *self.inputs, *self.outputs, *values])


@dataclass(frozen=True)
class Cut:
    """A method that is a part of the network: blobs that it is given, with their shapes, and gives.

    Its line is ``#method stem 1 2 in0=1x3x512x512 24 29``.
    """

    name: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        given = [f"{blob}={'x'.join(map(str, shape))}" for blob, shape in self.inputs]
        head = [_METHOD, self.name, str(len(self.inputs)), str(len(self.outputs))]
        return " ".join([*head, *given, *self.outputs])


@dataclass(frozen=True)
class Param:
    """A whole text."""

    layers: tuple[Layer, ...]
    cuts: tuple[Cut, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The whole, and its parts."""
        return (_WHOLE, *(cut.name for cut in self.cuts))

    def inputs_of(self, method: str) -> tuple[TensorDescription, ...]:
        """The inputs of a method that it has."""
        cut = self._cut(method)
        if cut is None:
            return self.inputs
        return tuple(TensorDescription(blob, BASE.dtype, shape) for blob, shape in cut.inputs)

    def outputs_of(self, method: str) -> tuple[str, ...]:
        """The blobs that a method gives."""
        cut = self._cut(method)
        return self.outputs if cut is None else cut.outputs

    def _cut(self, method: str) -> Cut | None:
        return next((cut for cut in self.cuts if cut.name == method), None)

    @property
    def inputs(self) -> tuple[TensorDescription, ...]:
        """Inputs with a batch of 1; one whose sizes are not stated is an image of any size."""
        layers = (layer for layer in self.layers if layer.type == "Input")
        return tuple(self._input(layer) for layer in layers)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Blobs that no layer takes, in order."""
        taken = {blob for layer in self.layers for blob in layer.inputs}
        return tuple(b for layer in self.layers for b in layer.outputs if b not in taken)

    @property
    def precision(self) -> str:
        """What ncnn computes in by its own defaults, where the core can."""
        if any(_is_coded(layer) for layer in self.layers):
            return INTEGERS
        masked = all(layer.number(MASK) & _NO_HALF == _NO_HALF for layer in self.layers)
        return BASE.name if masked else HALF.name

    def _input(self, layer: Layer) -> TensorDescription:
        sizes = [layer.number(key) for key in _SIZES]
        shape: tuple[int | str, ...] = (1, *(size for size in sizes if size > 0))
        if len(shape) == 1:
            shape = (1, self._channels(layer.outputs[0]), "height", "width")
        return TensorDescription(layer.outputs[0], BASE.dtype, shape)

    def _channels(self, blob: str) -> int | str:
        """Channels that the first convolution takes; unknown where none takes the input."""
        same = {blob}
        for layer in self.layers:
            if same.isdisjoint(layer.inputs):
                continue
            if layer.type == "Split":
                same.update(layer.outputs)
            elif layer.type in _CONVOLUTIONS:
                outputs, width, height, weights = (
                    layer.number(key) for key in _CONVOLUTIONS[layer.type]
                )
                of_one = outputs * width * (height or width)
                return weights // of_one if weights > 0 and of_one > 0 else "?"
        return "?"


def missing_layer(network: Param, layer_to_index: Callable[[str], int]) -> Layer | None:
    """The first layer that a build of ncnn lacks, by its own function."""
    return next((layer for layer in network.layers if layer_to_index(layer.type) < 0), None)


def read_param(path: Path) -> Param:
    """Raises ``CorruptArtifact`` for a file that is not such a text, or was cut short."""
    text = files.read_bytes(path).decode("utf-8", "replace")
    lines = text.splitlines()
    counts = lines[1].split() if len(lines) > 1 else []
    known = (
        lines
        and lines[0].strip() == MAGIC
        and len(counts) == 2
        and _WHOLE_NUMBER.fullmatch(counts[0])
    )
    if not known:
        raise CorruptArtifact(f"{path} is not an ncnn network: its first line must be {MAGIC}.")
    words = [line.split() for line in lines[2:] if line.strip()]
    layers = tuple(_layer(line, path) for line in words if line[0] != _METHOD)
    cuts = tuple(_read_cut(line, path) for line in words if line[0] == _METHOD)
    if len(layers) != int(counts[0]):
        raise CorruptArtifact(
            f"{path} is not whole: expected {counted(int(counts[0]), 'layer')}, "
            f"found {len(layers)}.",
            hint="Download or export it again.",
        )
    return Param(layers, cuts)


def _read_cut(words: Sequence[str], path: Path) -> Cut:
    try:
        takes, gives = int(words[2]), int(words[3])
        given, outputs = words[4 : 4 + takes], words[4 + takes :]
        if min(takes, gives) < 1 or len(outputs) != gives:
            raise ValueError
        pairs = (word.partition("=") for word in given)
        inputs = tuple((blob, tuple(map(int, sizes.split("x")))) for blob, _, sizes in pairs)
    except (ValueError, IndexError) as error:
        raise CorruptArtifact(f"{path}: {' '.join(words)[:60]!r} is not a method.") from error
    return Cut(words[1], inputs, tuple(outputs))


def _layer(words: Sequence[str], path: Path) -> Layer:
    try:
        takes, gives = int(words[2]), int(words[3])
        blobs, values = words[4 : 4 + takes + gives], words[4 + takes + gives :]
        if min(takes, gives) < 0 or len(blobs) != takes + gives:
            raise ValueError
        if words[0] == "Input" and gives != 1:
            raise ValueError
        pairs = (word.partition("=") for word in values)
        keys = {int(key): value for key, _, value in pairs}
    except (ValueError, IndexError) as error:
        raise CorruptArtifact(
            f"{path} is not an ncnn network: {' '.join(words)[:60]!r} is not a layer."
        ) from error
    return Layer(words[0], words[1], tuple(blobs[:takes]), tuple(blobs[takes:]), keys)


def finished(param: Param, shapes: Sequence[Sequence[int]], precision: str) -> Param:
    """The network with the sizes of its inputs, each with a batch of 1, and its precision.

    ncnn computes in half precision wherever a core has it, unless a layer's mask forbids it.
    """
    sizes = iter(shapes)
    mask = {MASK: str(_NO_HALF)} if precision == BASE.name else {}
    layers = (
        replace(layer, values={**_unmasked(layer), **_stated(layer, sizes), **mask})
        for layer in param.layers
    )
    return replace(param, layers=tuple(layers))


def _unmasked(layer: Layer) -> dict[int, str]:
    return {key: value for key, value in layer.values.items() if key != MASK}


def _stated(layer: Layer, shapes: object) -> dict[int, str]:
    if layer.type != "Input":
        return {}
    shape = next(shapes)  # type: ignore[call-overload]
    inner = list(shape[1:])
    keys = {1: (0,), 2: (1, 0), 3: (2, 1, 0), 4: _SIZES}[len(inner)]
    return {key: str(size) for key, size in sorted(zip(keys, inner, strict=True))}


def param_text(param: Param) -> str:
    """As ncnn reads it."""
    blobs = sum(len(layer.outputs) for layer in param.layers)
    lines = [MAGIC, f"{len(param.layers)} {blobs}", *map(str, (*param.layers, *param.cuts))]
    return "\n".join(lines) + "\n"


def weights_path(path: Path) -> Path:
    """The file with the weights. Raises ``CorruptArtifact`` where it is missing."""
    weights = path.with_suffix(_ROW.weights_suffix)
    if not weights.is_file():
        raise CorruptArtifact(
            f"{path} has its weights in {weights.name}, which is missing beside it.",
            hint="Keep the two files together.",
        )
    return weights


def describe(path: Path) -> ModelFile:
    """What the two files report of themselves; nothing is run."""
    param, weights = read_param(path), weights_path(path)
    return ModelFile(
        file=path.name,
        format=_ROW.format,
        engine=NAME,
        precision=param.precision,
        sha256=joint_sha256(path, (weights.name,)),
        size_bytes=path.stat().st_size + weights.stat().st_size,
        inputs=param.inputs,
        outputs=tuple(TensorDescription(name, BASE.dtype, ("...",)) for name in param.outputs),
        methods=param.methods,
        operators=dict(Counter(layer.type for layer in param.layers).most_common()),
        weights=_weights(param, weights),
        external=(weights.name,),
    )


def _weights(param: Param, path: Path) -> dict[str, int]:
    """How many numbers are stored in which type; what has no mark (biases, norms) is float32."""
    with path.open("rb") as file:
        mark = int.from_bytes(file.read(_MARK_BYTES), "little")
    size = path.stat().st_size
    layers = [layer for layer in param.layers if layer.type in _NUMBERS]
    coded = [each.number(_NUMBERS[each.type]) for each in layers if _is_coded(each)]
    others = [each.number(_NUMBERS[each.type]) for each in layers if not _is_coded(each)]
    held = _held(coded, 1)
    # The first array's mark; behind one of codes the others are what the file has room for.
    wide = held + _held(others, 4) <= size
    half = mark == HALF_MARK or (mark == INT8_MARK and not wide)
    dtype, width = (HALF.dtype, 2) if half else (BASE.dtype, 4)
    plain = max(0, size - held - _held(others, width)) // 4
    stored = Counter({"int8": sum(coded), dtype: sum(others)}) + Counter({BASE.dtype: plain})
    return dict(stored)


def _is_coded(layer: Layer) -> bool:
    return layer.type in _INT8 and layer.number(_INT8[layer.type]) != 0


def _held(counts: Sequence[int], width: int) -> int:
    """Bytes of arrays with their marks; each is padded to whole words."""
    return sum(_MARK_BYTES + -(-count * width // 4) * 4 for count in counts)
