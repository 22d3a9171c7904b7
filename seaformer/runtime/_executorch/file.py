"""What a ``.pte`` file reports of itself: the program as its own package reads it.

Nothing is run. Weights within a delegate are the delegate's own business: they are not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seaformer.core import files
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import ModelFile, TensorDescription, precision_of
from seaformer.core.operators import GraphOperator
from seaformer.core.quiet import quiet
from seaformer.runtime._executorch.scalars import SCALARS

_FORWARD = "forward"
_EMBEDDING = "aten::embedding"


def describe(path: Path, format: str, engine: str) -> ModelFile:
    """Read the program. Raises ``CorruptArtifact`` for a file that is not one."""
    plans = {plan.name: plan for plan in _program(path).execution_plan}
    plan = plans.get(_FORWARD) or next(iter(plans.values()))
    graph = tuple(_operators(plan))
    operators = Counter(operator.kind for operator in graph)
    weights = _weights(plan)
    limits = _limits(plan)
    inputs = tuple(
        _tensor(plan, index, f"input_{i}", limits.get(index)) for i, index in enumerate(plan.inputs)
    )
    return ModelFile(
        file=path.name,
        format=format,
        engine=engine,
        precision=precision_of(operators, weights, {each.dtype for each in inputs}),
        sha256=files.sha256_file(path),
        size_bytes=path.stat().st_size,
        inputs=inputs,
        outputs=tuple(_tensor(plan, index, f"output_{i}") for i, index in enumerate(plan.outputs)),
        methods=tuple(sorted(plans)),
        operators=dict(operators.most_common()),
        weights=weights,
        producer="executorch",
        graph=graph,
    )


def _program(path: Path) -> Any:
    with files.os_errors(str(path)):
        content = path.read_bytes()
    if content[4:6] != b"ET":
        raise CorruptArtifact(
            f"{path} is not an ExecuTorch program.", hint="Download or export it again."
        )
    with quiet():
        from executorch.exir._serialize._program import deserialize_pte_binary
    try:
        return deserialize_pte_binary(content).program
    except Exception as error:  # a damaged flatbuffer fails anywhere in its reader
        raise CorruptArtifact(
            f"{path} is an ExecuTorch program that was cut short or damaged.",
            hint="Download or export it again.",
        ) from error


def _operators(plan: Any) -> Iterator[GraphOperator]:
    """Calls of kernels and delegates in the order in which they run."""
    for chain in plan.chains:
        for instruction in chain.instructions:
            call = instruction.instr_args
            if hasattr(call, "delegate_index"):
                yield GraphOperator(plan.delegates[call.delegate_index].id, "")
            elif hasattr(call, "op_index"):
                yield GraphOperator(plan.operators[call.op_index].name.replace("::", "."), "")


def _weights(plan: Any) -> dict[str, int]:
    """Numbers of constant tensors outside of delegates, by type."""
    counts: Counter[str] = Counter()
    for value in (value.val for value in plan.values):
        if getattr(value, "data_buffer_idx", 0) and getattr(value, "sizes", None) is not None:
            counts[SCALARS.get(int(value.scalar_type), "unknown")] += math.prod(value.sizes)
    return dict(counts.most_common())


def _limits(plan: Any) -> dict[int, int]:
    """Rows of the smallest table that each value picks from, where the program shows one."""
    limits: dict[int, int] = {}
    for chain in plan.chains:
        for call in (each.instr_args for each in chain.instructions):
            if not hasattr(call, "op_index") or plan.operators[call.op_index].name != _EMBEDDING:
                continue
            table, picked = call.args[:2]
            rows = int(plan.values[table].val.sizes[0])
            limits[picked] = min(limits.get(picked, rows), rows)
    return limits


def _tensor(plan: Any, index: int, name: str, limit: int | None = None) -> TensorDescription:
    value = plan.values[index].val
    if not hasattr(value, "sizes"):
        raise CorruptArtifact(f"{name} is not a tensor: only tensors are supported.")
    dtype = SCALARS.get(int(value.scalar_type), "unknown")
    bounded = int(value.shape_dynamism) != 0
    return TensorDescription(name, dtype, tuple(int(n) for n in value.sizes), bounded, limit)
