"""What a ``.tflite`` file reports of itself: a flatbuffer, read by the classes of its own package.

Nothing is run. A method is a signature; the first one is ``forward``. Source: TensorFlow Lite's
schema, and ``reduced_precision_support`` among a model's metadata: arithmetic in half precision is
allowed where it names fp16 for the values and for the sums.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from seaformer.core import files
from seaformer.core.artifact import FORWARD
from seaformer.core.engine import engine
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import INTEGERS, ModelFile, TensorDescription
from seaformer.core.operators import GraphOperator
from seaformer.core.precision import BASE, precisions

NAME = "litert"
MAGIC = b"TFL3"
HALF = next(row for row in precisions() if row.dtype == "float16")
REDUCED = "reduced_precision_support"
HALF_ALLOWED = f"{HALF.name}acc{HALF.name}"
_ROW = engine(NAME)
_EIGHT_BITS = ("int8", "uint8")


@dataclass(frozen=True)
class Method:
    """A signature: names and numbers of the tensors that it takes and gives, in their order."""

    name: str
    key: str
    subgraph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Model:
    """A file that was read. ``content`` is the package's own object of it."""

    path: Path
    content: Any

    @property
    def methods(self) -> tuple[Method, ...]:
        """Its signatures; where it has none, the first graph with the names of its tensors."""
        signatures = self.content.signatureDefs or []
        if not signatures:
            graph = self.content.subgraphs[0]
            ends = (self._named(0, graph.inputs), self._named(0, graph.outputs))
            return (Method(FORWARD, "", 0, *ends),)
        return tuple(
            Method(
                FORWARD if number == 0 else text(one.signatureKey),
                text(one.signatureKey),
                int(one.subgraphIndex),
                _mapped(one.inputs),
                _mapped(one.outputs),
            )
            for number, one in enumerate(signatures)
        )

    def method(self, name: str) -> Method:
        """A method by its name. Raises ``CorruptArtifact``."""
        for method in self.methods:
            if method.name == name:
                return method
        known = ", ".join(method.name for method in self.methods)
        raise CorruptArtifact(f"{self.path.name} has no method {name!r}; it has {known}.")

    def tensors(self, method: Method, ends: Sequence[tuple[str, int]]) -> list[TensorDescription]:
        """Inputs or outputs of a method."""
        tensors = self.content.subgraphs[method.subgraph].tensors
        return [
            TensorDescription(name, dtype_name(tensors[number].type), _shape(tensors[number]))
            for name, number in ends
        ]

    def metadata(self) -> dict[str, str]:
        """Texts of the model by name, without entries that are not a text."""
        texts = {}
        for entry in self.content.metadata or []:
            data = self.content.buffers[entry.buffer].data
            if data is not None and len(data) < 1000 and all(32 <= byte < 127 for byte in data):
                texts[text(entry.name)] = bytes(data).decode("ascii")
        return texts

    def _named(self, graph: int, numbers: Sequence[int]) -> tuple[tuple[str, int], ...]:
        tensors = self.content.subgraphs[graph].tensors
        return tuple((text(tensors[number].name), int(number)) for number in numbers)


def read_model(path: Path) -> Model:
    """Read the file. Raises ``CorruptArtifact`` for one that is not a model, or is damaged."""
    data = files.read_bytes(path)
    if data[4:8] != MAGIC:
        raise CorruptArtifact(f"{path} is not a LiteRT model.", hint="Download or export it again.")
    try:
        content = schema.ModelT.InitFromPackedBuf(bytearray(data))
        model = Model(path, content)
        _check_numbers(content, model.methods)
    except Exception as error:  # a damaged flatbuffer fails anywhere in its reader
        raise CorruptArtifact(
            f"{path} is a LiteRT model that was cut short or damaged.",
            hint="Download or export it again.",
        ) from error
    return model


def _check_numbers(content: Any, methods: Sequence[Method]) -> None:
    """Raise ``IndexError`` for a number that names nothing, as a damaged file has them."""
    for graph in content.subgraphs:
        _require_within((each.buffer for each in graph.tensors or ()), content.buffers)
        _require_within((each.opcodeIndex for each in graph.operators or ()), content.operatorCodes)
    _require_within((each.buffer for each in content.metadata or ()), content.buffers)
    for method in methods:
        _require_within((method.subgraph,), content.subgraphs)
        ends = (number for _, number in (*method.inputs, *method.outputs))
        _require_within(ends, content.subgraphs[method.subgraph].tensors)


def _require_within(numbers: Iterable[int], things: Sequence[Any] | None) -> None:
    for number in numbers:
        if not 0 <= number < len(things or ()):
            raise IndexError(number)


def describe(path: Path) -> ModelFile:
    """What the file reports of itself."""
    model = read_model(path)
    first = model.methods[0]
    operators = tuple(_operators(model.content, first.subgraph))
    weights = dict(Counter(_weights(model.content)).most_common())
    return ModelFile(
        file=path.name,
        format=_ROW.format,
        engine=NAME,
        precision=_precision(weights, model.metadata()),
        sha256=files.sha256_file(path),
        size_bytes=path.stat().st_size,
        inputs=tuple(model.tensors(first, first.inputs)),
        outputs=tuple(model.tensors(first, first.outputs)),
        methods=tuple(method.name for method in model.methods),
        operators=dict(Counter(operator.kind for operator in operators).most_common()),
        weights=weights,
        producer=text(model.content.description),
        metadata=model.metadata(),
        graph=operators,
    )


def dtype_name(number: int) -> str:
    """numpy's name of an element type."""
    names = (name for name, value in vars(schema.TensorType).items() if value == number)
    return next(names, "unknown").lower()


def operator_name(content: Any, operator: Any) -> str:
    """``CONV_2D``; an operator that LiteRT lacks by the name it has in the file."""
    code = content.operatorCodes[operator.opcodeIndex]
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    if number == schema.BuiltinOperator.CUSTOM:
        return text(code.customCode)
    names = (name for name, value in vars(schema.BuiltinOperator).items() if value == number)
    return next(names, f"operator {number}")


def _operators(content: Any, graph: int) -> Iterator[GraphOperator]:
    for operator in content.subgraphs[graph].operators or []:
        yield GraphOperator(operator_name(content, operator), "")


def _weights(content: Any) -> dict[str, int]:
    """Numbers in constant tensors by type; one buffer may serve several tensors."""
    counts: Counter[str] = Counter()
    seen = set()
    for tensor in (each for graph in content.subgraphs for each in graph.tensors or ()):
        data = content.buffers[tensor.buffer].data
        if data is None or not len(data) or tensor.buffer in seen:
            continue
        seen.add(tensor.buffer)
        counts[dtype_name(tensor.type)] += math.prod(int(n) for n in _sizes(tensor.shape))
    return counts


def _precision(weights: dict[str, int], metadata: dict[str, str]) -> str:
    """What it computes in where the core can: weights of 16 bits alone are expanded to 32."""
    if sum(weights.get(name, 0) for name in _EIGHT_BITS) > sum(weights.values()) / 2:
        return INTEGERS
    allowed = metadata.get(REDUCED, "").partition("acc")
    half = HALF.name in allowed[0] and HALF.name in allowed[2]
    return HALF.name if half else BASE.name


def _shape(tensor: Any) -> tuple[int | str, ...]:
    stated = _sizes(tensor.shapeSignature) or _sizes(tensor.shape)
    return tuple("?" if size < 0 else size for size in stated)


def _sizes(values: Any) -> list[int]:
    return [int(value) for value in values] if values is not None else []


def _mapped(entries: Any) -> tuple[tuple[str, int], ...]:
    return tuple((text(entry.name), int(entry.tensorIndex)) for entry in entries or ())


def text(value: Any) -> str:
    """A text of the file, which its package reads as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
