"""ExecuTorch programs (``.pte``), lowered to XNNPACK; components are methods of one program."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch import nn
from torch._export.verifier import SpecViolationError
from torch.export import ExportedProgram

from seaformer.core.artifact import FORWARD, Delegation, Method, Parity
from seaformer.core.errors import ExportError
from seaformer.core.operators import DEPTHWISE, GraphOperator
from seaformer.core.precision import BASE, Precision
from seaformer.export import _verify
from seaformer.export._executorch.delegation import operator_name, xnnpack_report
from seaformer.export._executorch.provenance import shared_provenance
from seaformer.export._format import FileFacts, WriteRequest, is_cast, unsupported
from seaformer.export._raw_input import own_path
from seaformer.export.quantize import QUANTIZERS, find_quantizer
from seaformer.export.quantize._executorch_half import keeps_type
from seaformer.export.quantize._proof import Quantised
from seaformer.export.rewrites._graph import rewrite_graph

if TYPE_CHECKING:
    from seaformer.export.quantize.executorch import FakeQuantised

# How a script without seaformer runs a file.
REPRODUCE = """
from executorch.runtime import Runtime


def run(path, image):
    method = Runtime.get().load_program(path).load_method("forward")
    half = method.metadata.input_tensor_meta(0).dtype() == 5  # ScalarType::Half
    tensor = torch.from_numpy(image)
    return [each.numpy() for each in method.execute([tensor.half() if half else tensor])]
"""


def write(request: WriteRequest) -> FileFacts:
    """Capture with ``torch.export``, lower to XNNPACK, serialise."""
    request.step("capture the graph")
    try:
        captured = _capture(request, request.precision)
        captured, rewritten = _rewritten(request, captured)
        fake = _fake_quantised(request, captured[FORWARD])
        if fake is not None:
            captured = {FORWARD: torch.export.export(fake.lowered, (request.image,))}
        request.step("lower to XNNPACK")
        edge = _lower(captured)
        reports = {name: xnnpack_report(_graph(edge, name)) for name in captured}
        notes = _notes(request, reports)
        graphs = {name: _operators(edge, name) for name in captured}
        request.step("serialise")
        buffer = edge.to_executorch().buffer
    except SpecViolationError as error:
        operator = re.search(r"Operator torch\._ops\.([\w.]+) is not", str(error))
        raise unsupported("executorch", operator[1] if operator else str(error)) from error
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise ExportError(f"ExecuTorch could not lower the model: {error}") from error
    request.path.write_bytes(buffer)
    quantised = _quantised(request, fake)
    kinds = Counter(operator.kind for operator in graphs[FORWARD])
    return FileFacts(
        exporter="torch.export + to_edge_transform_and_lower(XnnpackPartitioner)",
        methods=_methods(request.path, list(captured)),
        operators=dict(sorted(kinds.items())),
        delegation=reports[FORWARD],
        notes=(*notes, *quantised.notes) if quantised else notes,
        graphs=graphs,
        rewritten=rewritten,
        quantization=quantised.quantization if quantised else None,
        checks=(quantised.check,) if quantised else (),
    )


def _fake_quantised(request: WriteRequest, program: ExportedProgram) -> FakeQuantised | None:
    """The graph between quantize and dequantize operators, for a precision that is calibrated."""
    quantizer = find_quantizer("executorch", request.precision)
    if quantizer is None:
        return None
    request.step("calibrate and quantise")
    fake: FakeQuantised = quantizer.quantise(
        program, request.calibration, request.observer, request.keep, request.step, cpu=request.cpu
    )
    return fake


def _quantised(request: WriteRequest, fake: FakeQuantised | None) -> Quantised | None:
    """What is to be reported of a quantised program, compared with its fake-quantised model."""
    if fake is None:
        return None
    quantizer = QUANTIZERS.load("executorch")
    report: Quantised = quantizer.prove(request.path, fake, request.calibration, request.observer)
    return report


def supports(precision: Precision) -> bool:
    """A network is cast to any floating-point type that torch has, or quantised."""
    if find_quantizer("executorch", precision):
        return True
    dtype = getattr(torch, precision.dtype, None)
    return isinstance(dtype, torch.dtype) and dtype.is_floating_point and is_cast(precision)


def verify(
    path: Path, cases: Sequence[_verify.Case], precision: Precision, network: nn.Module
) -> Parity:
    """Run the program in ExecuTorch's own runtime on this machine."""
    from seaformer.runtime.executorch import open_session

    session = open_session(path)
    return _verify.verify(session.run, cases, precision=precision, runtime="executorch")


def _capture(request: WriteRequest, precision: Precision) -> dict[str, ExportedProgram]:
    """The network and its parts as graphs, in the precision asked for."""
    dtype = torch.float32 if precision.calibrated else getattr(torch, precision.dtype)
    modules: dict[str, tuple[nn.Module, tuple[torch.Tensor, ...]]]
    modules = {FORWARD: (request.model, (request.image,))}
    modules |= {part.name: (part.module, part.inputs) for part in request.parts}
    return {
        name: torch.export.export(
            copy.deepcopy(module).to(dtype), tuple(_cast(value, dtype) for value in inputs)
        )
        for name, (module, inputs) in modules.items()
    }


def _cast(value: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Pixels stay what they are."""
    return value.to(dtype) if value.is_floating_point() else value


def _rewritten(
    request: WriteRequest, captured: dict[str, ExportedProgram]
) -> tuple[dict[str, ExportedProgram], dict[str, tuple[str, ...]]]:
    """Every method after the rules of operators, and where those changed the whole."""
    if not request.graph_rules:
        return captured, {}
    request.step("rewrite the graph")
    programs, places = {}, {}
    for name, program in captured.items():
        inputs = program.example_inputs[0]
        programs[name], places[name] = rewrite_graph(program, inputs, request.graph_rules)
    return programs, places[FORWARD]


def _lower(captured: dict[str, ExportedProgram]) -> EdgeProgramManager:
    partitioner = {name: [XnnpackPartitioner()] for name in captured}
    with shared_provenance(), keeps_type():
        return to_edge_transform_and_lower(captured, partitioner=partitioner)


def _notes(request: WriteRequest, reports: dict[str, Delegation]) -> tuple[str, ...]:
    """What the precision changed, and how the parts were taken."""
    notes = []
    precision = request.precision
    if precision is not BASE and not precision.calibrated:
        dtype = precision.dtype
        ends = "input and output" if request.image.is_floating_point() else "output"
        notes.append(f"{precision.name}: weights, arithmetic, {ends} {dtype}")
        notes += _more_than_base(request, reports[FORWARD])
    for part in request.parts:
        report = reports[part.name]
        if report.subgraphs != 1 or report.outside_compute:
            notes.append(
                f"{part.name}: {report.subgraphs} subgraphs, {report.outside_compute} outside"
            )
    if request.parts and len(notes) == (precision is not BASE):
        names = ", ".join(part.name for part in request.parts)
        notes.append(f"{names}: one subgraph each, nothing computes outside; weights are shared")
    return tuple(notes)


def _more_than_base(request: WriteRequest, report: Delegation) -> list[str]:
    """A note where the precision is cut into more pieces; ``BASE`` is lowered to compare."""
    if report.subgraphs == 1 and not report.outside_compute:
        return []
    captured = _capture(request, BASE)
    single = xnnpack_report(_graph(_lower({FORWARD: captured[FORWARD]}), FORWARD))
    seen, usual = (
        (r.subgraphs, [op.op for op in r.outside if op.computes]) for r in (report, single)
    )
    if seen == usual:
        return []
    return [
        f"{request.precision.name} is cut into {seen[0]} subgraphs, {BASE.name} into {usual[0]}; "
        f"outside: {', '.join(seen[1]) or 'nothing'}, "
        f"with {BASE.name}: {', '.join(usual[1]) or 'nothing'}"
    ]


def _methods(path: Path, names: Sequence[str]) -> tuple[Method, ...]:
    from seaformer.runtime.executorch import open_session

    session = open_session(path)
    return tuple(Method(name, session.inputs(name), session.outputs(name)) for name in names)


def _graph(edge: EdgeProgramManager, method: str) -> Any:
    return edge.exported_program(method).graph_module


def _operators(edge: EdgeProgramManager, method: str) -> tuple[GraphOperator, ...]:
    """Every operator in order with its module, those inside a delegate in place of its call."""
    graph = _graph(edge, method)
    operators = []
    for node in _calls(graph):
        name = operator_name(node.target)
        if name == "executorch_call_delegate":
            inner = getattr(graph, node.args[0].target).original_module.graph_module
            operators += [_operator(inside) for inside in _calls(inner)]
        elif name != "getitem":
            operators.append(_operator(node))
    return tuple(operators)


def _calls(graph: Any) -> Iterator[Any]:
    return (node for node in graph.graph.nodes if node.op == "call_function")


def _operator(node: Any) -> GraphOperator:
    """The innermost module of ``nn_module_stack``; the tail of a scope is in no module."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = str(stack[-1][0]) if stack else ""
    names = (node.name, DEPTHWISE) if _is_depthwise(node) else (node.name,)
    return GraphOperator(operator_name(node.target), own_path(path), names)


def _is_depthwise(node: Any) -> bool:
    """A convolution with a kernel for each channel: groups, and one channel in each."""
    if operator_name(node.target) != "aten.convolution" or node.args[8] == 1:
        return False
    return bool(node.args[1].meta["val"].shape[1] == 1)
