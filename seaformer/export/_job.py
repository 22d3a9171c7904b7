"""One file to be made: its request with the network, the engine and the precision it names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from seaformer.core import files
from seaformer.core.engine import Engine, engine_of
from seaformer.core.errors import UsageError
from seaformer.core.precision import Precision, find_precision, precisions
from seaformer.core.quiet import quiet
from seaformer.core.request import ExportRequest, check_scope, check_search
from seaformer.core.spec import ModelSpec
from seaformer.core.stem import stem
from seaformer.export import FORMATS
from seaformer.export._checks import check_request
from seaformer.export._format import Format
from seaformer.export._named import load_named
from seaformer.export._shared import Shared
from seaformer.export._steps import Steps
from seaformer.export._subject import Subject, is_graph_file, module_subject, zoo_subject
from seaformer.export.quantize._calibration import calibration_digest

_LONGEST_DATA = 20  # of the name of a data set's folder


@dataclass(frozen=True)
class Job:
    """One file to be made in ``out``; ``shared`` is what files of one command have in common."""

    request: ExportRequest
    subject: Subject
    engine: Engine
    precision: Precision
    writer: Format
    out: Path
    step: Steps
    shared: Shared = field(default_factory=Shared)

    @property
    def spec(self) -> ModelSpec:
        return self.subject.spec

    @cached_property
    def file(self) -> str:
        request = self.request
        more = (request.scope, request.components, request.no_rewrite)
        name = stem(
            self.spec,
            self.precision.name,
            *more,
            default=self.subject.default,
            input=request.input,
            opset=request.opset,
            calibration=calibration_digest(request.calibration) if request.calibration else "",
            observer=request.observer or "",
            keep=request.keep,
            max_drop=request.max_drop,
            data=_data_name(request.data) if request.data else "",
            cpu=request.cpu or "",
            dynamic=request.dynamic,
        )
        return name + self.engine.suffix

    def key(self, what: str, *more: Any) -> tuple[Any, ...]:
        """Of a result that depends on the network, its tail and ``more``, and not on the format."""
        return (what, self.request.scope, bool(self.request.dynamic), *more)


def _data_name(folder: str) -> str:
    """The folder's name and a digest of its images: two folders may bear one name."""
    name = files.safe_name(files.expanded(folder).resolve().name)[:_LONGEST_DATA]
    return f"{name}-{calibration_digest(folder)[:8]}"


def open_job(
    request: ExportRequest, out: Path, step: Steps, module: nn.Module | None, shared: Shared
) -> Job:
    """The job of a request; what does not go together is refused before the network is built."""
    engine, precision = engine_of(request.format), find_precision(request.precision)
    writer = _writer(engine, precision)
    check_request(request, writer)
    step("build the model")
    subject = _subject(request, module, engine, shared)
    check_scope(subject.spec, request.scope)
    check_search(request, subject.spec)
    return Job(request, subject, engine, precision, writer, out, step, shared)


def _subject(
    request: ExportRequest, module: nn.Module | None, engine: Engine, shared: Shared
) -> Subject:
    """What is exported; a graph of a file differs by the engine that it is taken for."""
    shared.begin(request)
    if not request.module:
        return shared.once(("subject",), lambda: zoo_subject(request))
    if module is None and is_graph_file(request.module):
        from seaformer.export._onnx.subject import onnx_subject

        return onnx_subject(request, engine)
    return shared.once(("subject",), lambda: _of_module(request, module))


def _of_module(request: ExportRequest, module: nn.Module | None) -> Subject:
    network = load_named(request.module, request.seed) if module is None else module
    return module_subject(network, request, request.module)


def _writer(engine: Engine, precision: Precision) -> Format:
    with quiet():
        writer: Format = replace(FORMATS, extra=engine.extra).load(engine.format)
    if not writer.supports(precision):
        supported = [row.name for row in precisions() if writer.supports(row)]
        raise UsageError(
            f"{engine.format} supports {' and '.join(supported)} (got {precision.name})."
        )
    return writer
