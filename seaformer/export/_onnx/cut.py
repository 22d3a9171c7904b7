"""Components of an ONNX file: the graph cut where one component ends and the next begins.

Two ways were open. Attributing each node of a profiled run to its component by its name counts
the parts inside the very graph that is timed, but only under profiling (+20 %), without the nodes
that the runtime renames, and in time alone: nothing can be counted on an emulated core, and a
spread over processes is missing. Graphs of their own are measured like the whole (fresh processes,
interleaved, instructions too) and like the methods of an ExecuTorch program, so the two formats'
shares mean the same; what each pays for starting and ending on its own is in the remainder, which
is shown. So: graphs of their own. ``--profile ops`` still gives the first view.

They are cut out of the finished file, not traced again: the same nodes with the same names, each
in exactly one part (constants in every part that reads them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx

from seaformer.core.artifact import PARTS
from seaformer.core.errors import ExportError

Names = tuple[str, ...]


def part_file(file: str, name: str) -> str:
    """``model.onnx`` and ``stem`` to ``model.onnx.parts/stem.onnx``.

    In a folder of their own, so that ``*.onnx`` names whole models only.
    """
    return f"{file}{PARTS}/{name}.onnx"


def cut(path: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Write one file per component into a folder beside ``path``, in the order of ``names``.

    Raises ``ExportError`` when a node belongs to none of them.
    """
    model = onnx.load(str(path))
    owners = _owners(model.graph, names)
    written = []
    for name in names:
        target = path.parent / part_file(path.name, name)
        target.parent.mkdir(exist_ok=True)
        onnx.save(_part(model, name, owners), str(target))
        onnx.checker.check_model(str(target), full_check=True)
        written.append(target)
    return tuple(written)


def component_of(node_name: str) -> str:
    """``stem`` of ``/stem/conv/Conv``; nothing for a node that is in no module."""
    head = node_name.split("/", 2)
    return head[1] if len(head) == 3 and not head[0] else ""


def _owners(graph: onnx.GraphProto, names: Sequence[str]) -> list[str]:
    """The component of each node; casts put in by a converter go with what they feed."""
    owners = [component_of(node.name) for node in graph.node]
    for node, owner in zip(graph.node, owners, strict=True):
        if owner and owner not in names:
            raise _homeless(node)
    consumers = {name: i for i, node in enumerate(graph.node) for name in node.input}
    producers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    for i in reversed(range(len(owners))):
        fed = [consumers[name] for name in graph.node[i].output if name in consumers]
        owners[i] = owners[i] or next((owners[k] for k in fed), "")
    for i, node in enumerate(graph.node):
        made = [producers[name] for name in node.input if name in producers]
        owners[i] = owners[i] or next((owners[k] for k in made if owners[k]), "")
        if not owners[i]:
            raise _homeless(node)
    return owners


def _homeless(node: onnx.NodeProto) -> ExportError:
    return ExportError(f"Node {node.name!r} ({node.op_type}) is in no component.")


def _part(model: onnx.ModelProto, name: str, owners: list[str]) -> onnx.ModelProto:
    graph = model.graph
    mine = [node for node, owner in zip(graph.node, owners, strict=True) if owner == name]
    rest = [node for node, owner in zip(graph.node, owners, strict=True) if owner != name]
    read = {tensor for node in mine for tensor in node.input if tensor}
    constants = [node for node in rest if not node.input and set(node.output) & read]
    made = {tensor for node in (*constants, *mine) for tensor in node.output}
    weights = [tensor for tensor in graph.initializer if tensor.name in read]
    outside = read - made - {tensor.name for tensor in weights}
    needed = {tensor for node in rest for tensor in node.input}
    needed |= {output.name for output in graph.output}
    mine_out = {tensor for node in mine if node.input for tensor in node.output} & needed
    part = onnx.helper.make_graph(
        [*constants, *mine],
        name,
        [_value(graph, tensor) for tensor in _in_order(graph, outside)],
        [_value(graph, tensor) for tensor in _in_order(graph, mine_out)],
        weights,
    )
    opsets = list(model.opset_import)
    return onnx.helper.make_model(part, ir_version=model.ir_version, opset_imports=opsets)


def _in_order(graph: onnx.GraphProto, names: Iterable[str]) -> list[str]:
    """In the order in which the graph makes them, which is that of the modules' arguments."""
    selected = set(names)
    order = [value.name for value in graph.input]
    order += [tensor for node in graph.node for tensor in node.output]
    return [name for name in order if name in selected]


def _value(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.name == name:
            return value
    raise ExportError(f"The shape of {name!r}, where two components meet, is not in the file.")
