"""ONNX files, for ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from torch import nn

from seaformer.core.artifact import Method, Parity
from seaformer.core.errors import ExportError
from seaformer.export import _verify
from seaformer.export._format import WriteRequest, Written, output_names
from seaformer.export._simplify import simplify

SUFFIX = ".onnx"
# 17 is the first opset whose half-precision form ONNX Runtime's ARM kernels run without trouble.
OPSET = 17
INPUT = "image"


def write(request: WriteRequest) -> Written:
    """Trace to ONNX and simplify.

    torch 2.13: the TorchScript exporter is used because its node names are module paths, which
    the per-component profile relies on; ``dynamo=True`` names nodes by operator and needs
    onnxscript. Drop when that exporter keeps module paths.
    """
    request.step("trace to ONNX")
    try:
        torch.onnx.export(
            request.model,
            (request.image,),
            str(request.path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(output_names(request.model)),
        )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ExportError(f"The model could not be traced to ONNX: {error}") from error
    request.step("simplify")
    note = simplify(request.path, request.image.numpy())
    graph = onnx.load(str(request.path))
    onnx.checker.check_model(graph, full_check=True)
    return Written(
        exporter="torch.onnx.export (TorchScript)",
        methods=(_method(request.path),),
        operators=dict(sorted(Counter(node.op_type for node in graph.graph.node).items())),
        opset=max(entry.version for entry in graph.opset_import if not entry.domain),
        notes=(note,),
        tools=("torch", "onnx", "onnxruntime", "onnxsim"),
    )


def verify(path: Path, cases: Sequence[_verify.Case], precision: str, network: nn.Module) -> Parity:
    """Run the file in ONNX Runtime on this machine."""
    from seaformer.runtime.onnxruntime import open_session

    session = open_session(path)
    return _verify.verify(session.run, cases, precision=precision, runtime="onnxruntime")


def _method(path: Path) -> Method:
    from seaformer.runtime.onnxruntime import open_session

    session = open_session(path)
    return Method("forward", session.inputs(), session.outputs())
