"""``ModelFile``: what a model file of any origin reports of itself, without a manifest.

The engine of its format reads it (``describe`` in ``runtime/<engine>.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seaformer.core.operators import GraphOperator
from seaformer.core.precision import BASE, precisions

INTEGERS = "int8"  # the precision of a file that multiplies integers


@dataclass(frozen=True)
class TensorDescription:
    """An input or output; a size that the file leaves free is a name, ``?`` where it has none.

    ``bounded``: smaller sizes are accepted than those given here. ``limit``: an integer input has
    values below it, where the file shows that (the rows of a table it picks from).
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    bounded: bool = False
    limit: int | None = None

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the sizes that are not fixed."""
        return tuple(size for size in self.shape if isinstance(size, str))

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.shape)) or "scalar"
        return f"{self.name} {self.dtype} {'up to ' if self.bounded else ''}{sizes}"


@dataclass(frozen=True)
class ModelFile:
    """One file.

    ``operators`` counts them by kind, ``weights`` the stored numbers by type, ``external`` names
    the files beside it that hold some of them. ``methods`` beside ``forward`` are named only.
    ``sha256`` and ``size_bytes`` include the external files.
    """

    file: str
    format: str
    engine: str
    precision: str
    sha256: str
    size_bytes: int
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]
    methods: tuple[str, ...]
    operators: Mapping[str, int]
    weights: Mapping[str, int]
    opset: int | None = None
    opsets: Mapping[str, int] = field(default_factory=dict)
    ir: int | None = None
    producer: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    external: tuple[str, ...] = ()
    graph: tuple[GraphOperator, ...] = field(default=(), metadata={"transient": True})


def precision_of(operators: Mapping[str, int], weights: Mapping[str, int], dtypes: set[str]) -> str:
    """The precision that a file is listed under; ``dtypes`` are those of its inputs.

    ``int8`` where it has operators that quantise, else that of most of its floating weights.
    """
    marks = ("quantize", "qlinear", "convinteger", "matmulinteger")
    if any(mark in kind.lower() for kind in operators for mark in marks):
        return INTEGERS
    stored = {row.name: weights.get(row.dtype, 0) for row in precisions()}
    if any(stored.values()):
        return max(stored, key=stored.__getitem__)
    return next((row.name for row in precisions() if row.dtype in dtypes), BASE.name)
