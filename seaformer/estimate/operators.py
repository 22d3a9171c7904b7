"""An estimate's operators: the code of each, priced and scaled as the whole is.

Their sum is less than the whole; the rest is what the engine executes between them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from seaformer.bench.operator_code import operator_codes
from seaformer.bench.target import Target
from seaformer.core import codec, files
from seaformer.core.artifact import Artifact
from seaformer.core.errors import CorruptArtifact
from seaformer.core.estimate import Estimate, OperatorEstimate
from seaformer.core.operator_code import SCHEMA, OperatorCodes
from seaformer.core.plan import RunPlan
from seaformer.estimate.cost import Llvm, price_each

BETWEEN = "between operators"


def with_operators(whole: Estimate, codes: OperatorCodes, llvm: Llvm | None) -> Estimate:
    """The estimate and its operators in the order in which they ran, ``BETWEEN`` last."""
    cycles: list[float | None] = [None] * len(codes.operators)
    if llvm is not None:
        costs = price_each([each.blocks for each in codes.operators], llvm)
        cycles = [cost.total for cost in costs]
    each_ms = whole.estimate_ms / (whole.cycles or whole.instructions)
    operators = [
        OperatorEstimate(
            name=each.name,
            kind=each.kind,
            module=each.module,
            exact=each.exact,
            instructions=each.counts.instructions,
            cycles=count,
            estimate_ms=each_ms * (each.counts.instructions if count is None else count),
        )
        for each, count in zip(codes.operators, cycles, strict=True)
    ]
    return replace(whole, operators=(*operators, _between(whole, operators)))


def codes_of(target: Target, artifact: Artifact, path: Path) -> OperatorCodes:
    """What operators execute, from ``path`` where they ran before; without a manifest each time."""
    if artifact.foreign is None:
        with suppress(CorruptArtifact):
            return codec.decode(
                OperatorCodes, files.read_bytes(path), where=path.name, newest=SCHEMA
            )
    codes = operator_codes(target, RunPlan(), artifact, "seaformer estimate")
    if artifact.foreign is None:
        files.write_json(path, codec.to_json(codes))
    return codes


def _between(whole: Estimate, operators: list[OperatorEstimate]) -> OperatorEstimate:
    cycles = None
    if whole.cycles is not None:
        cycles = whole.cycles - sum(each.cycles or 0.0 for each in operators)
    return OperatorEstimate(
        name=BETWEEN,
        kind=BETWEEN,
        module="",
        exact=False,
        instructions=whole.instructions - sum(each.instructions for each in operators),
        cycles=cycles,
        estimate_ms=whole.estimate_ms - sum(each.estimate_ms for each in operators),
    )
