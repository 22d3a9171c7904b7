"""What every format file offers, and what it hands back.

A format file has ``supports(precision)``, ``write(request) -> FileFacts`` and ``verify(path,
cases, ...)``; its suffix and the packages it needs are in its row (``core/engine.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from seaformer.core.artifact import Delegation, Method, Parity
from seaformer.core.errors import UnsupportedOperator, UsageError
from seaformer.core.operators import GraphOperator
from seaformer.core.precision import BASE, Precision
from seaformer.core.quantization import CPUS, Keep, Quantization
from seaformer.core.request import ExportRequest
from seaformer.export._components import Part
from seaformer.export._shared import Once, every_time
from seaformer.export._verify import Case
from seaformer.export.rewrites._graph import GraphRule

if TYPE_CHECKING:
    from seaformer.export._onnx.source import OnnxSource
    from seaformer.export.quantize._calibration import Calibration

Step = Callable[[str], None]


def output_names(model: nn.Module) -> tuple[str, ...]:
    """What a network's outputs are called, in order."""
    names: tuple[str, ...] = getattr(model, "OUTPUTS", ("output",))
    return names


def is_cast(precision: Precision) -> bool:
    """Whether the type that is computed in is all that sets the precision apart from ``BASE``."""
    return precision is BASE or precision.dtype != BASE.dtype


def unsupported(format: str, operator: str) -> UnsupportedOperator:
    """The error for an operator of the network that a format lacks."""
    return UnsupportedOperator(
        f"{format} does not support {operator}.",
        hint="Choose another --format, or write the layer with other operators.",
    )


@dataclass(frozen=True)
class WriteRequest:
    """A rewritten network to be written to ``path``; ``image`` is what it takes.

    That is (1, 3, H, W) float32, or pixels. ``parts`` are its components, to be written as methods
    beside ``forward``; ``graph_rules`` are for formats that capture a graph; ``metadata`` for those
    whose files have some. ``graph`` is a file of the format that is written again as it is, in
    place of ``model``, which computes what it does. ``calibration``, ``observer``, ``cpu`` and
    ``keep`` (the modules that stay in float) are for a precision that needs them. ``dynamic`` names
    the axes of the input that the file leaves free. ``once`` keeps what depends on ``model``, and
    not on the precision, for further files of the same command.
    """

    model: nn.Module
    image: torch.Tensor
    path: Path
    precision: Precision
    step: Step
    parts: tuple[Part, ...] = ()
    graph_rules: tuple[GraphRule, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    graph: OnnxSource | None = None
    opset: int | None = None
    calibration: Calibration | None = None
    observer: str = ""
    cpu: str = CPUS[0]
    keep: Keep = field(default_factory=Keep)
    dynamic: tuple[str, ...] = ()
    once: Once = every_time


@dataclass(frozen=True)
class FileFacts:
    """What a format reports about the file that it wrote.

    ``operators`` counts the file's operators by kind; ``notes`` are sentences for a reader;
    ``graphs`` lists every method's operators in the order they run; ``rewritten`` has the
    modules in which each rule of operators replaced some, one entry an operator; ``external``
    names the files beside it that hold its weights. ``quantization`` is how its integers were made,
    and ``checks`` are further proofs that it passed.
    """

    exporter: str
    methods: tuple[Method, ...]
    operators: Mapping[str, int]
    opset: int | None = None
    delegation: Delegation | None = None
    notes: tuple[str, ...] = ()
    graphs: Mapping[str, tuple[GraphOperator, ...]] = field(default_factory=dict)
    rewritten: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    external: tuple[str, ...] = ()
    quantization: Quantization | None = None
    checks: tuple[str, ...] = ()


def check_opset(writer: object, request: ExportRequest) -> None:
    """Raise ``UsageError`` for an opset that files of the format cannot have.

    A format with opsets has ``OPSETS``: the oldest and the newest that its engine takes here.
    """
    if request.opset is None:
        return
    opsets: tuple[int, int] | None = getattr(writer, "OPSETS", None)
    if opsets is None:
        raise UsageError(f"--opset is not supported for {request.format}: it has no opsets.")
    oldest, newest = opsets
    if not oldest <= request.opset <= newest:
        raise UsageError(
            f"--opset must be {oldest} to {newest} for {request.format} (got {request.opset})."
        )


class Format(Protocol):
    """The face of a format module."""

    def supports(self, precision: Precision) -> bool:
        """Whether a file of the format can be written in that precision."""
        ...

    def write(self, request: WriteRequest) -> FileFacts:
        """Write the file; nothing else."""
        ...

    def verify(
        self, path: Path, cases: Sequence[Case], precision: Precision, network: nn.Module
    ) -> Parity:
        """Run the file, or check what can be checked of it here against ``network``."""
        ...
