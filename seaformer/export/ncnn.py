"""ncnn networks: ``.param``, a text, and ``.bin`` with the weights, converted by pnnx.

pnnx takes a traced module. What it cannot convert stays in the text as a layer that ncnn lacks;
such a file is refused with the operator's name. Both precisions take and give float32.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import ncnn
import pnnx
import torch
from torch import nn

from seaformer.core import child, files
from seaformer.core.artifact import FORWARD, Method, Parity
from seaformer.core.errors import ExportError
from seaformer.core.precision import BASE, Precision
from seaformer.export import _verify
from seaformer.export._format import FileFacts, WriteRequest, unsupported
from seaformer.export._ncnn import blobs
from seaformer.export.quantize import find_quantizer
from seaformer.runtime._ncnn import param

_CONVERT_SECONDS = 900
_TAIL_LINES = 3
# Names that pnnx gives to what it leaves unconverted: aten::roll, torch.argmax, F.fold, nn.Fold.
_FOREIGN_MARKS = ("::", ".")


def write(request: WriteRequest) -> FileFacts:
    """Trace, convert with pnnx, and state sizes and precision in the text."""
    request.step("trace")
    weights = request.path.with_suffix(".bin")
    traced = request.path.with_suffix(".pt")
    traced.write_bytes(request.once("trace", lambda: _traced(request)))
    try:
        request.step("convert to ncnn")
        network = _convert(traced, request, BASE)
        request.step("find the modules of its layers")
        of_file = blobs.blobs(request.path, request.image)
        operators = blobs.operators(network, of_file, blobs.modules(request.model, request.image))
        cuts = blobs.cuts(request.parts, of_file)
        if request.precision is param.HALF:
            request.step("convert to half precision")
            network = _same(network, _convert(traced, request, param.HALF))
    finally:
        files.remove(traced)
    network = replace(network, cuts=cuts)
    files.write_text(request.path, param.param_text(network))
    quantised = None
    if quantizer := find_quantizer(param.NAME, request.precision):
        request.step("calibrate and quantise")
        network, quantised = quantizer.quantise(request, network, operators)
    return FileFacts(
        exporter="torch.jit.trace + pnnx",
        methods=_methods(request.path, network.methods),
        operators=dict(sorted(Counter(layer.type for layer in network.layers).items())),
        notes=(*_notes(request.precision, network), *(quantised.notes if quantised else ())),
        graphs={FORWARD: operators},
        external=(weights.name,),
        quantization=quantised.quantization if quantised else None,
        checks=(quantised.check,) if quantised else (),
    )


def supports(precision: Precision) -> bool:
    """Single precision, half, and integers."""
    return precision in (BASE, param.HALF) or bool(find_quantizer(param.NAME, precision))


def verify(
    path: Path, cases: Sequence[_verify.Case], precision: Precision, network: nn.Module
) -> Parity:
    """Run the network in ncnn's Python package on this machine."""
    from seaformer.runtime.ncnn import open_session

    session = open_session(path)
    return _verify.verify(session.run, cases, precision=precision, runtime="ncnn")


def _traced(request: WriteRequest) -> bytes:
    """The network as a TorchScript archive; files of both precisions are made of it."""
    archive = io.BytesIO()
    with torch.no_grad():
        module = torch.jit.trace(request.model, request.image)  # type: ignore[no-untyped-call]
        torch.jit.save(module, archive)
    return archive.getvalue()


def _convert(traced: Path, request: WriteRequest, precision: Precision) -> param.Param:
    """The network that pnnx writes, with its sizes and ``precision`` stated in the text.

    pnnx's other files go to the folder of the traced module and are removed.
    """
    shape = ",".join(map(str, request.image.shape))
    own = {
        "pnnxparam": "pnnx.param",
        "pnnxbin": "pnnx.bin",
        "pnnxpy": "pnnx.py",
        "pnnxonnx": "pnnx.onnx",
        "ncnnpy": "ncnn.py",
    }
    argv = [str(pnnx.EXEC_PATH), traced.name, f"inputshape=[{shape}]"]
    argv += [f"{param.HALF.name}={int(precision is param.HALF)}"]
    argv += [f"{option}={name}" for option, name in own.items()]
    argv += [f"ncnnparam={request.path.name}"]
    argv += [f"ncnnbin={request.path.with_suffix('.bin').name}"]
    folder = request.path.parent
    try:
        done = child.run(argv, _CONVERT_SECONDS, cwd=folder)
    except child.ChildTimeoutError as error:
        raise ExportError(f"pnnx timed out after {_CONVERT_SECONDS // 60} min.") from error
    for name in own.values():
        files.remove(folder / name)
    if done.returncode != 0 or not request.path.exists():
        last = " ".join((done.stdout + done.stderr).strip().splitlines()[-_TAIL_LINES:])
        raise ExportError(f"pnnx could not convert the model: {last or 'it ended early'}.")
    network = param.read_param(request.path)
    _require_layers(network)
    network = param.finished(network, [tuple(request.image.shape)], precision.name)
    files.write_text(request.path, param.param_text(network))
    return network


def _same(network: param.Param, halved: param.Param) -> param.Param:
    """``halved``, whose layers are those of the network in single precision.

    Blobs are found in that one: in half precision the rounding of the weights adds up over the
    layers, and the last of them have other values than their modules.
    """
    if [each.name for each in network.layers] != [each.name for each in halved.layers]:
        raise ExportError("pnnx wrote other layers in half precision than in single precision.")
    return halved


def _require_layers(network: param.Param) -> None:
    """Raise ``UnsupportedOperator`` for the first operator that pnnx left as it was."""
    if layer := param.missing_layer(network, ncnn.layer_to_index):
        foreign = any(mark in layer.type for mark in _FOREIGN_MARKS)
        raise unsupported("ncnn", layer.type if foreign else f"{layer.type} ({layer.name})")


def _methods(path: Path, names: Sequence[str]) -> tuple[Method, ...]:
    from seaformer.runtime.ncnn import open_session

    session = open_session(path)
    return tuple(Method(name, session.inputs(name), session.outputs(name)) for name in names)


def _notes(precision: Precision, network: param.Param) -> Iterator[str]:
    yield _note(precision)
    if network.cuts:
        names = ", ".join(cut.name for cut in network.cuts)
        yield f"{names}: cut out of this graph by its blobs; weights are shared"


def _note(precision: Precision) -> str:
    if precision is BASE:
        return f"{precision.name}: every layer's mask (31=3) keeps ncnn from half precision"
    half = param.HALF.name
    return (
        f"{half}: weights float16, input and output float32; ncnn computes in float16 by its "
        f"options {half}_packed, {half}_storage and {half}_arithmetic, where the core has it"
    )
