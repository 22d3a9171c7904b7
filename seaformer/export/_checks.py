"""What of a request is refused before anything is built."""

from __future__ import annotations

from seaformer.core.request import (
    ExportRequest,
    check_components,
    check_dynamic,
    check_input,
    check_quantization,
    check_scope,
)
from seaformer.export._format import Format, check_opset
from seaformer.export._subject import check_module_request
from seaformer.export.quantize import check_quantizer_cpu
from seaformer.export.rewrites import check_rules
from seaformer.models import model_spec


def check_request(request: ExportRequest, writer: Format) -> None:
    """Raise ``UsageError`` or ``UnknownName`` where options do not go together."""
    if request.module:
        check_module_request(request)
    else:
        check_scope(model_spec(request.model, classes=request.classes), request.scope)
    check_input(request.input, request.format)
    if request.components:
        check_components(request.scope, request.format, request.input)
    check_dynamic(request.dynamic, request.format, request.scope, components=request.components)
    check_rules(request.no_rewrite)
    check_quantization(request)
    check_quantizer_cpu(request)
    check_opset(writer, request)
