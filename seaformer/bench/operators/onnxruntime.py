"""ONNX Runtime writes a Chrome trace of the whole process: microseconds, warm-up too.

An operator is an event of ``cat`` ``Node`` within a ``model_run``. It is named after its node, or
after the output of the last node fused into it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seaformer.bench.operators._events import Event, Modules, Run, array, checked, whole
from seaformer.bench.operators._events import cut as cut_by_readings
from seaformer.core.code_blocks import CodePart
from seaformer.core.operators import GraphOperator

__all__ = ["cut", "join", "parse", "whole"]
_NODE_END = "_kernel_time"
_CONVOLUTION = "Conv"  # the end of Conv, FusedConv, NhwcFusedConv
_CAST = "InsertedPrecisionFreeCast_"
_DTYPES = {"float": "float32"}  # other types have numpy's names


def parse(text: str, runs: int) -> tuple[Run, ...]:
    """The last ``runs`` inferences of a trace; those before were warm-up."""
    timed = [event for event in array(text) if event.get("ph") == "X"]
    whole = [event for event in timed if event.get("name") == "model_run"][-runs:]
    nodes = [event for event in timed if event.get("cat") == "Node"]
    return checked([_run(event, nodes) for event in whole], runs)


def _run(whole: dict[str, Any], nodes: Sequence[dict[str, Any]]) -> Run:
    begin, end = whole["ts"], whole["ts"] + whole["dur"]
    inside = (node for node in nodes if begin <= node["ts"] <= end)
    return Run(
        1000 * whole["dur"],
        tuple(_event(node, begin) for node in sorted(inside, key=lambda node: node["ts"])),
    )


def _event(node: dict[str, Any], begin_us: int) -> Event:
    kind = str(node.get("args", {}).get("op_name", ""))
    return Event(
        name=str(node["name"]).removesuffix(_NODE_END),
        kind=kind,
        start_ns=1000 * (node["ts"] - begin_us),
        duration_ns=1000 * node["dur"],
        dtype=_dtype(node.get("args", {}).get("output_type_shape")),
        convolves=kind.endswith(_CONVOLUTION),
    )


def _dtype(outputs: object) -> str:
    """The type of the first output: ``[{"float": [1, 16, 32, 48]}]``."""
    if not (isinstance(outputs, list) and outputs and isinstance(outputs[0], dict)):
        return ""
    name = next(iter(outputs[0]), "")
    return _DTYPES.get(name, name)


def cut(events: Sequence[Event], parts: Sequence[CodePart]) -> list[CodePart]:
    """The code of each node; a session reads the clock once before its ``model_run`` begins."""
    return cut_by_readings(events, parts, before=1)


def join(events: Sequence[Event], graph: Sequence[GraphOperator]) -> Modules:
    """By name: a fused convolution may bear the name of the activation behind it.

    The runtime's optimisations leave the original name within the new one: a layout's suffix, a
    fusion as one more part of the path, the name of the value that an inserted cast feeds.
    """
    any_kind = {name: operator.module for operator in graph for name in operator.names}
    convolutions = {
        name: operator.module
        for operator in graph
        if operator.kind == "Conv"
        for name in operator.names
    }
    modules: Modules = []
    for event in events:
        name = re.sub(r"(_nchwc|_token_\d+)+$", "", event.name).removeprefix(_CAST)
        first = convolutions if event.kind.endswith(_CONVOLUTION) else any_kind
        tries = [
            known.get(part)
            for part in (name, name.rpartition("/")[0])
            for known in (first, any_kind)
        ]
        modules.append(next((module for module in tries if module is not None), None))
    return modules
