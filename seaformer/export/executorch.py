"""ExecuTorch programs (``.pte``), lowered to XNNPACK."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeProgramManager, to_edge_transform_and_lower
from torch import nn

from seaformer.core.artifact import Method, Parity
from seaformer.core.errors import ExportError
from seaformer.export import _verify
from seaformer.export._delegation import operator_name, xnnpack_report
from seaformer.export._format import WriteRequest, Written

SUFFIX = ".pte"


def write(request: WriteRequest) -> Written:
    """Capture with ``torch.export``, lower to XNNPACK, serialise."""
    request.step("capture the graph")
    try:
        captured = torch.export.export(request.model, (request.image,))
        request.step("lower to XNNPACK")
        edge = to_edge_transform_and_lower(captured, partitioner=[XnnpackPartitioner()])
        report = xnnpack_report(edge.exported_program().graph_module)
        operators = _operators(edge)
        request.step("serialise")
        buffer = edge.to_executorch().buffer
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise ExportError(f"ExecuTorch could not lower the model: {error}") from error
    request.path.write_bytes(buffer)
    return Written(
        exporter="torch.export + to_edge_transform_and_lower(XnnpackPartitioner)",
        methods=(_method(request.path),),
        operators=operators,
        delegation=report,
        tools=("torch", "executorch"),
    )


def verify(path: Path, cases: Sequence[_verify.Case], precision: str, network: nn.Module) -> Parity:
    """Run the program in ExecuTorch's own runtime on this machine."""
    from seaformer.runtime.executorch import open_session

    session = open_session(path)
    return _verify.verify(session.run, cases, precision=precision, runtime="executorch")


def _method(path: Path) -> Method:
    from seaformer.runtime.executorch import open_session

    session = open_session(path)
    return Method("forward", session.inputs(), session.outputs())


def _operators(edge: EdgeProgramManager) -> dict[str, int]:
    """Operators by kind, those inside delegates included."""
    counts: Counter[str] = Counter()
    graph = edge.exported_program().graph_module
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        if operator_name(node.target) == "executorch_call_delegate":
            inner: Any = getattr(graph, node.args[0].target).original_module.graph_module
            targets = [n.target for n in inner.graph.nodes if n.op == "call_function"]
            counts.update(operator_name(target) for target in targets)
        elif operator_name(node.target) != "getitem":
            counts[operator_name(node.target)] += 1
    return dict(sorted(counts.items()))
