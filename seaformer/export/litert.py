"""LiteRT models (``.tflite``), converted by litert-torch from a graph of ``torch.export``.

The input stays (1, 3, H, W). Half precision is made of the converted file (``_litert/half.py``);
both precisions take and give float32.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import litert_torch
import torch
from torch import nn

from seaformer.core.artifact import FORWARD, Method, Parity
from seaformer.core.errors import ExportError
from seaformer.core.precision import BASE, Precision
from seaformer.core.quiet import quiet, without_native_log
from seaformer.export import _verify
from seaformer.export._format import FileFacts, WriteRequest, output_names, unsupported
from seaformer.export._litert.half import in_half_precision
from seaformer.runtime._litert import file


def write(request: WriteRequest) -> FileFacts:
    """Capture and convert, and for half precision store the weights in it."""
    request.step("convert to LiteRT")
    request.path.write_bytes(request.once("litert", lambda: _converted(request)))
    if request.precision is not BASE:
        request.step("store the weights in half precision")
        request.path.write_bytes(in_half_precision(request.path))
    described = file.describe(request.path)
    _require_operators(request.path)
    return FileFacts(
        exporter="litert_torch.convert",
        methods=_methods(request),
        operators=dict(sorted(described.operators.items())),
        notes=(_note(request.precision),),
        graphs={FORWARD: described.graph},
    )


def supports(precision: Precision) -> bool:
    """Single precision, and half."""
    return precision in (BASE, file.HALF)


def verify(
    path: Path, cases: Sequence[_verify.Case], precision: Precision, network: nn.Module
) -> Parity:
    """Run the model in LiteRT's interpreter on this machine."""
    from seaformer.runtime.litert import open_session

    session = open_session(path)
    return _verify.verify(session.run, cases, precision=precision, runtime="litert")


def _converted(request: WriteRequest) -> bytes:
    """A model in single precision; a file of each precision is made of it."""
    try:
        # It prints its steps.
        with quiet(), without_native_log(), redirect_stdout(io.StringIO()), torch.no_grad():
            model = litert_torch.convert(request.model, (request.image,))
            model.export(str(request.path))
    except Exception as error:  # the converter raises whatever its passes do
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        reason = lines[0][:300] if lines else type(error).__name__
        raise ExportError(f"litert-torch could not convert the model: {reason}") from error
    return request.path.read_bytes()


def _require_operators(path: Path) -> None:
    """Raise ``UnsupportedOperator`` for an operator that LiteRT itself lacks."""
    content = file.read_model(path).content
    for operator in (each for graph in content.subgraphs for each in graph.operators or []):
        name = file.operator_name(content, operator)
        if not name.isupper():
            raise unsupported("litert", name)


def _methods(request: WriteRequest) -> tuple[Method, ...]:
    from seaformer.runtime.litert import open_session

    session = open_session(request.path)
    assert len(session.outputs()) == len(output_names(request.model))
    return (Method(FORWARD, session.inputs(), session.outputs()),)


def _note(precision: Precision) -> str:
    if precision is BASE:
        return f"{precision.name}: LiteRT computes in the precision of the weights"
    return (
        f"{precision.name}: weights float16, input and output float32; the file allows "
        f"arithmetic in float16 ({file.REDUCED}), where the core has it"
    )
