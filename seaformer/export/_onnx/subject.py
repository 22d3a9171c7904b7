"""The subject of an export whose source is an ``.onnx`` file."""

from __future__ import annotations

import shlex

from seaformer.core.engine import Engine
from seaformer.core.errors import UsageError
from seaformer.core.precision import BASE
from seaformer.core.request import ExportRequest
from seaformer.export._onnx.source import OnnxSource, open_source
from seaformer.export._subject import (
    Subject,
    answers_of,
    check_module_request,
    spec_of,
    stated_preprocessing,
    tensors_of,
)


def onnx_subject(request: ExportRequest, engine: Engine) -> Subject:
    """The graph of a file, or its network of PyTorch where the engine runs another format.

    Raises as ``open_source`` and ``OnnxSource.network`` do.
    """
    check_module_request(request)
    source = open_source(request.module, request.shape)
    itself = engine.format == source.format
    _check_precision(request, source, itself)
    answers = source.answers()
    outputs = answers_of(answers, source.shape, request.module)
    tensors = tensors_of(outputs, request.module)
    spec = spec_of(request.model, source.shape, tensors, source.file.sha256)
    network = answers if itself else source.network()
    return Subject(
        network.eval(),
        spec,
        request.module,
        preprocessing=stated_preprocessing(request),
        answers=answers,
        graph=source if itself else None,
    )


def _check_precision(request: ExportRequest, source: OnnxSource, itself: bool) -> None:
    """Raise ``UsageError`` for what a graph that is a file already cannot become."""
    if itself and request.scope != "logits":
        raise UsageError(
            f"--scope {request.scope} is not supported from {source.path} to {source.format}.",
            hint="The graph of the file ends where it ends.",
        )
    precision = source.file.precision
    if itself and precision != BASE.name:
        raise UsageError(
            f"{source.path} must be a file in {BASE.name} to be exported to {source.format} "
            f"(got {precision}).",
            hint=f"Bench it as it is: seaformer bench {shlex.quote(str(source.path))}",
        )
    if precision not in (BASE.name, request.precision):
        raise UsageError(
            f"{source.path} computes in {precision}: --precision {request.precision} cannot be "
            "proved against it.",
            hint=f"Use --precision {precision}.",
        )
