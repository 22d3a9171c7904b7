"""ONNX files, for ONNX Runtime; components are files of their own (``_onnx/cut.py``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx.version_converter
import torch
from torch import nn

from seaformer.core import files
from seaformer.core.artifact import FORWARD, Method, Parity
from seaformer.core.errors import ExportError
from seaformer.core.operators import GraphOperator
from seaformer.core.precision import BASE, Precision
from seaformer.export import _verify
from seaformer.export._format import FileFacts, WriteRequest, output_names, unsupported
from seaformer.export._named import first_line
from seaformer.export._onnx.cut import cut, part_file
from seaformer.export._onnx.free import name_output_sizes, traced_axes
from seaformer.export._onnx.names import module_of
from seaformer.export._onnx.raw_input import prepend
from seaformer.export._onnx.simplify import simplify
from seaformer.export._raw_input import without_input
from seaformer.export.conversions import find_conversion
from seaformer.export.quantize import find_quantizer
from seaformer.models._blocks import Network

# 17 is the first opset whose half-precision form ONNX Runtime's ARM kernels run without trouble.
OPSET = 17
# The oldest whose Resize places samples as PyTorch does, the newest that torch 2.13 traces to.
OPSETS = (11, 20)
INPUT = "image"
# How a script without seaformer runs a file.
REPRODUCE = """
import onnxruntime


def run(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})
"""


def write(request: WriteRequest) -> FileFacts:
    """Trace to ONNX, simplify, convert to the precision, cut into components.

    The normalisation of pixels is not traced: it is put before the finished graph.

    torch 2.13: the TorchScript exporter is used because its node names are module paths, which
    the components and the per-operator profile rely on; ``dynamo=True`` names nodes by operator
    and needs onnxscript. Drop when that exporter keeps module paths.
    """
    network, image, preprocessing = without_input(request.model, request.image)
    graph_file, note = request.once("trace", lambda: _simplified(request, network, image))
    request.path.write_bytes(graph_file)
    notes = [note]
    if conversion := find_conversion("onnx", request.precision):
        request.step(f"convert to {request.precision.name}")
        notes.append(conversion.convert(request.path))
    quantised = None
    if quantizer := find_quantizer("onnx", request.precision):
        request.step("calibrate and quantise")
        quantised = quantizer.quantise(request)
        notes += quantised.notes
    if preprocessing is not None:
        prepend(request.path, preprocessing)
    paths = {FORWARD: request.path}
    if request.parts:
        whole = isinstance(network, Network)
        paths |= _cut(request) if whole else _traced_parts(request)
        names = ", ".join(part.name for part in request.parts)
        how = "cut out of this graph" if whole else "traced on their own"
        notes.append(f"{names}: {how}, a file each")
    graph = _with_metadata(request.path, request.metadata)
    _check(graph)
    return FileFacts(
        exporter=_exporter(request),
        methods=tuple(_method(name, path, request.image) for name, path in paths.items()),
        operators=dict(sorted(Counter(node.op_type for node in graph.graph.node).items())),
        opset=max(entry.version for entry in graph.opset_import if not entry.domain),
        notes=tuple(notes),
        graphs={name: _operators(path) for name, path in paths.items()},
        quantization=quantised.quantization if quantised else None,
        checks=(quantised.check,) if quantised else (),
    )


def _cut(request: WriteRequest) -> dict[str, Path]:
    """The components of a network that is made of nothing else."""
    request.step("cut into components")
    _with_shapes(request.path)
    names = [part.name for part in request.parts]
    return dict(zip(names, cut(request.path, names), strict=True))


def _traced_parts(request: WriteRequest) -> dict[str, Path]:
    """The children of a module, which computes something between them, too."""
    request.step("trace the components")
    conversion = find_conversion("onnx", request.precision)
    paths = {}
    for part in request.parts:
        path = request.path.parent / part_file(request.path.name, part.name)
        path.parent.mkdir(exist_ok=True)
        names = [f"input{i}" for i in range(len(part.inputs))]
        outputs = [f"output{i}" for i in range(len(part.outputs))]
        opset = request.opset or OPSET
        _trace(part.module, part.inputs, path, names=names, outputs=outputs, opset=opset)
        simplify(path, *(value.numpy() for value in part.inputs))
        if conversion:
            conversion.convert(path)
        paths[part.name] = path
    return paths


def _check(model: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The graph is not valid ONNX: {first_line(error)}") from error


def supports(precision: Precision) -> bool:
    """A network is traced as it is written; anything else takes a conversion."""
    ways = (find_conversion, find_quantizer)
    return precision is BASE or any(way("onnx", precision) for way in ways)


def verify(
    path: Path, cases: Sequence[_verify.Case], precision: Precision, network: nn.Module
) -> Parity:
    """Run the file, and those of its components, in ONNX Runtime on this machine."""
    from seaformer.runtime.onnxruntime import open_session

    sessions = {
        method: open_session(_path_of(path, method)) for method in {case.method for case in cases}
    }
    return _verify.verify(
        lambda arrays, method: sessions[method].run(arrays),
        cases,
        precision=precision,
        runtime="onnxruntime",
    )


def _begin(request: WriteRequest, network: nn.Module, image: torch.Tensor) -> None:
    """The graph of the network, or of the file that is the source, to be worked on."""
    if request.graph is None:
        request.step("trace to ONNX")
        _trace(
            network,
            (image,),
            request.path,
            names=[INPUT],
            outputs=list(output_names(network)),
            opset=request.opset or OPSET,
            free=traced_axes(INPUT, request.dynamic),
        )
    else:
        request.step("copy the graph")
        onnx.save(_of_opset(request.graph.model, request.opset), str(request.path))


def _simplified(
    request: WriteRequest, network: nn.Module, image: torch.Tensor
) -> tuple[bytes, str]:
    """The simplified graph in single precision, from which every precision is made, and a note."""
    _begin(request, network, image)
    request.step("simplify")
    note = simplify(request.path, image.numpy())
    return request.path.read_bytes(), note


def _of_opset(model: onnx.ModelProto, opset: int | None) -> onnx.ModelProto:
    """The graph in another opset, where one is asked for, by onnx's own converter."""
    if opset is None:
        return model
    try:
        return onnx.version_converter.convert_version(model, opset)
    except RuntimeError as error:
        reason = first_line(error).rpartition(": ")[2]
        raise ExportError(
            f"onnx cannot convert the graph to opset {opset}: {reason}",
            hint="Leave --opset away, or take a newer one.",
        ) from error


def _exporter(request: WriteRequest) -> str:
    if request.graph is None:
        return "torch.onnx.export (TorchScript)"
    return f"{request.graph.file.producer or 'unknown'} (the graph of the file)"


def _trace(
    model: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    names: list[str],
    outputs: list[str],
    opset: int,
    free: dict[str, dict[int, str]] | None = None,
) -> None:
    # torch 2.13: a failed trace prints its graph, to stdout by default.
    torch._C._jit_set_onnx_log_output_stream("stderr")
    try:
        torch.onnx.export(
            model,
            inputs,
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=names,
            output_names=outputs,
            dynamic_axes=free or None,
        )
    except torch.onnx.errors.UnsupportedOperatorError as error:
        operator = re.search(r"operator '([^']+)'", str(error))
        name = operator[1] if operator else str(error)
        raise unsupported("onnx", f"{name} (opset {opset})") from error
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ExportError(f"The model could not be traced to ONNX: {error}") from error


def _with_metadata(path: Path, pairs: Mapping[str, str]) -> onnx.ModelProto:
    """Put into the file what is to be known of its input and classes."""
    model = onnx.load(str(path))
    if pairs:
        onnx.helper.set_model_props(model, dict(pairs))
    name_output_sizes(model)
    onnx.save(model, str(path))
    return model


def _with_shapes(path: Path) -> None:
    """Write the shapes of all tensors into the file: a cut needs those where it cuts."""
    onnx.save(onnx.shape_inference.infer_shapes(onnx.load(str(path)), strict_mode=True), str(path))


def _path_of(path: Path, method: str) -> Path:
    return path if method == FORWARD else path.parent / part_file(path.name, method)


def _method(name: str, path: Path, image: torch.Tensor) -> Method:
    """With the sizes of the export, where the file leaves some free."""
    from seaformer.runtime.onnxruntime import open_session

    session = open_session(path)
    if name == FORWARD:
        return Method(name, *session.sized([image.numpy()]))
    file = f"{path.parent.name}/{path.name}"
    return Method(name, session.inputs(), session.outputs(), file, files.sha256_file(path))


def _operators(path: Path) -> tuple[GraphOperator, ...]:
    """Every node that computes, with the module that its name contains."""
    graph = onnx.load(str(path), load_external_data=False).graph
    return tuple(
        GraphOperator(node.op_type, module_of(node.name), (node.name, *node.output))
        for node in graph.node
        if node.op_type != "Constant"
    )
