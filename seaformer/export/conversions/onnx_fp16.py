"""Half precision for ONNX: ONNX Runtime's own converter, with the traps around it closed.

Inputs and outputs stay float32 (``keep_io_types``), so that a file of either precision is fed and
read the same way; the casts that this costs are counted in the note.

Traps of onnxruntime 1.31's ``transformers.float16``, each closed here:

- An empty ``roi`` or ``scales`` shared by two ``Resize`` gets two casts of one name, and the file
  does not load; on ARM the empty ``roi`` fails at run time. Both are removed where ``sizes`` is
  enough (onnxsim does so too, when it succeeds).
- A ``scales`` without ``sizes`` that two ``Resize`` share (what repeats places) gets the same cast
  twice, and the graph is not in SSA form. The second is dropped.
- Names of casts are made from a tensor's name and can repeat; they are made unique.
- Casts of inputs come after the nodes that read them; nodes are sorted, as the format demands.

Drop a line when the pin passes a release without the trap.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx


def convert(path: Path) -> str:
    """Convert an ONNX file in place and return a note for the manifest."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(str(path))
    _only_sizes(model.graph)
    half = convert_float_to_float16(model, keep_io_types=True)
    _drop_repeated_casts(half.graph)
    _unique_names(half.graph)
    _sort(half.graph)
    onnx.save(half, str(path))
    casts = sum(node.op_type == "Cast" for node in half.graph.node)
    return f"fp16: weights and arithmetic float16, input and output float32; {casts} Cast nodes"


def _only_sizes(graph: onnx.GraphProto) -> None:
    """Leave ``roi`` and ``scales`` of a ``Resize`` away where ``sizes`` is given."""
    for node in graph.node:
        if node.op_type == "Resize" and len(node.input) == 4 and node.input[3]:
            node.input[1] = node.input[2] = ""


def _drop_repeated_casts(graph: onnx.GraphProto) -> None:
    """Keep the first of the casts that make the same tensor of the same input."""
    seen: set[tuple[str, str]] = set()
    repeated = []
    for index, node in enumerate(graph.node):
        if node.op_type == "Cast":
            ends = (node.input[0], node.output[0])
            if ends in seen:
                repeated.append(index)
            seen.add(ends)
    for index in reversed(repeated):
        del graph.node[index]


def _unique_names(graph: onnx.GraphProto) -> None:
    seen: Counter[str] = Counter()
    for node in graph.node:
        seen[node.name] += 1
        if seen[node.name] > 1:
            node.name = f"{node.name}_{seen[node.name]}"


def _sort(graph: onnx.GraphProto) -> None:
    """Every node behind those whose outputs it reads, else in the order of the graph."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output}
    order: dict[int, None] = {}

    def place(index: int) -> None:
        if index in order:
            return
        for name in graph.node[index].input:
            if name in makers:
                place(makers[name])
        order[index] = None

    for index in range(len(graph.node)):
        place(index)
    nodes = [graph.node[index] for index in order]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
