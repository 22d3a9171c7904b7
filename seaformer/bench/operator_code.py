"""The code of each operator of one emulated inference: counts and blocks, and whose it is.

The engine's profiler is on, and a clock counts its own readings (``runner/ticks.h``): the times of
an event then name the parts that it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from seaformer.bench.code_blocks import warm_request
from seaformer.bench.header import header_of
from seaformer.bench.operators import OPERATORS
from seaformer.bench.operators._events import Event, Modules, placed
from seaformer.bench.profile import read_profile
from seaformer.bench.target import PartTarget, Target
from seaformer.core import codec, files
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.code_blocks import CodePart
from seaformer.core.engine import runner_engine
from seaformer.core.errors import ArtifactError, DeviceError, RunnerFailed, UsageError
from seaformer.core.files import safe_name
from seaformer.core.operator_code import SCHEMA, OperatorCode, OperatorCodes
from seaformer.core.operators import GraphOperator, load_operator_map
from seaformer.core.plan import RunPlan
from seaformer.core.scratch import temporary_folder
from seaformer.store.checkout import commit_of


def operator_codes(
    target: Target, plan: RunPlan, artifact: Artifact, command: str = ""
) -> OperatorCodes:
    """What each operator of one warm inference of ``artifact`` executes.

    Raises ``RunnerFailed`` when it does not run or its engine reports no operators,
    ``UsageError`` for a target that is not emulated.
    """
    row = runner_engine(artifact.format, artifact.file)
    if not row.profiles:
        raise RunnerFailed(f"{row.title} does not report its operators.")
    if not isinstance(target, PartTarget):
        raise UsageError(
            f"Operators are counted on an emulated core, not {target.device().target}."
        )
    with temporary_folder("operators") as folder:
        file = folder / "operators.json"
        request = warm_request(target, plan, artifact, folder, FORWARD)
        report, parts = target.run_parts(replace(request, profile_ops=str(file)))
        text = read_profile(file)
    engine = OPERATORS.load(row.name)
    (run,) = engine.parse(text, 1)
    modules = engine.join(run.events, _graph(artifact))
    head = header_of(
        artifact,
        target,
        schema=SCHEMA,
        version=report.engine.version,
        command=command,
        commit=commit_of(),
    )
    return OperatorCodes(
        **vars(head),
        method=FORWARD,
        counts=engine.whole(run.events, parts).counts,
        operators=_operators(run.events, modules, engine.cut(run.events, parts)),
    )


def write_codes_of(
    target: Target,
    plan: RunPlan,
    artifacts: Sequence[Artifact],
    root: Path,
    *,
    command: str,
    progress: Callable[[str], None],
) -> tuple[tuple[OperatorCodes, ...], tuple[str, ...]]:
    """The operators of each artifact, also in ``profiles/*.operators.json`` under ``root``; and a
    sentence for each that has none here.
    """
    listed, refused = [], []
    for artifact in artifacts:
        progress(f"operators of {artifact.file}")
        try:
            codes = operator_codes(target, plan, artifact, command)
        except (ArtifactError, DeviceError) as error:
            refused.append(f"No operators of {artifact.file}: {error.message}")
            continue
        listed.append(codes)
        name = f"{codes.id}__{codes.source}__{safe_name(artifact.file)}.operators.json"
        files.write_json(root / "profiles" / name, codec.to_json(without_blocks(codes)))
    return tuple(listed), tuple(refused)


def without_blocks(codes: OperatorCodes) -> OperatorCodes:
    """The same, counts alone."""
    kept = (
        OperatorCode(each.name, each.kind, each.module, each.exact, each.counts)
        for each in codes.operators
    )
    return OperatorCodes(**(vars(codes) | {"operators": tuple(kept)}))


def _graph(artifact: Artifact) -> tuple[GraphOperator, ...]:
    """The operators of the file's graph; none of a file without a map."""
    if artifact.operator_map is None:
        return ()
    return load_operator_map(artifact).methods[FORWARD]


def _operators(
    events: Sequence[Event], modules: Modules, parts: Sequence[CodePart]
) -> tuple[OperatorCode, ...]:
    return tuple(
        OperatorCode(event.name, event.kind, module, exact, part.counts, part.blocks)
        for event, (module, exact), part in zip(events, placed(modules), parts, strict=True)
    )
