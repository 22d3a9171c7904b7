"""A profiled run: which operators an inference spends its time on, and whose they are.

One process of its own, never the one a latency is taken from. The engine tells operators; the map
written at export (``core/operators.py``) tells their modules:

- ONNX Runtime names an operator after its node, or after the output of the last node fused into it.
- XNNPACK numbers its operators and names none: the k-th of a kind is the k-th of the graph. That
  holds for a kind when both count the same (always so for convolutions: checked for every variant
  by the kinds' sequence); the others, its own transposes and clamps, go with what ran before them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seaformer.bench import inputs
from seaformer.bench.header import header_of
from seaformer.bench.operator_events import (
    Event,
    between_ns,
    medians_ns,
    parse_executorch,
    parse_onnxruntime,
    typical,
)
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.bench.target import Target, choose_cores
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.engine import runner_engine
from seaformer.core.errors import ArtifactError, DeviceError, RunnerFailed
from seaformer.core.operators import GraphOperator, load_operator_map
from seaformer.core.plan import RunPlan, Stop
from seaformer.core.profile import SCHEMA, OperatorTime, Profile
from seaformer.store.checkout import commit_of

RUNS = 20
_PARSERS = {"onnxruntime": parse_onnxruntime, "executorch": parse_executorch}
# What XNNPACK calls an operator: what the graph calls it.
_XNNPACK = {
    "Fully Connected": ("aten.convolution", "aten.linear", "aten.addmm"),
    "Convolution": ("aten.convolution", "aten.linear", "aten.addmm"),
    "Batch Matrix Multiply": ("aten.bmm",),
    "Softmax": ("aten._softmax",),
    "Average Pooling": ("aten.avg_pool2d",),
    "Resize Bilinear": ("aten.upsample_bilinear2d",),
    "Slice": ("aten.slice_copy",),
    "Static Reshape": ("aten.view_copy",),
    "Add": ("aten.add",),
    "Multiply": ("aten.mul",),
}
_CAST = "InsertedPrecisionFreeCast_"
Modules = list[str | None]


def profile(target: Target, plan: RunPlan, artifact: Artifact, command: str = "") -> Profile:
    """Run ``artifact`` under its engine's profiler on ``target``.

    Raises ``RunnerFailed`` when the runner cannot profile or its profile makes no sense,
    ``ArtifactError`` when the artifact has no operator map.
    """
    graph = load_operator_map(artifact).methods[FORWARD]
    with tempfile.TemporaryDirectory(prefix="seaformer-profile-") as scratch:
        report, text = _run(target, plan, artifact, Path(scratch))
    runs = _PARSERS[report.engine.name](text, len(report.samples_ns))
    shown, medians = typical(runs), medians_ns(runs)
    modules = _JOINS[report.engine.name](shown.events, graph)
    return Profile(
        **vars(
            header_of(
                artifact,
                target,
                schema=SCHEMA,
                version=report.engine.version,
                command=command,
                commit=commit_of(),
            )
        ),
        target=target.device().target,
        threads=report.threads.effective,
        runs=len(runs),
        inference_ns=sum(medians) + between_ns(runs),
        operators=_operators(shown.events, medians, modules),
    )


def profile_each(
    target: Target,
    plan: RunPlan,
    artifacts: Sequence[Artifact],
    command: str = "",
    progress: Callable[[str], None] | None = None,
) -> tuple[tuple[Profile, ...], tuple[str, ...]]:
    """A profile of each artifact that has one here, and a sentence for each that has none."""
    found, refused = [], []
    for artifact in artifacts:
        if progress is not None:
            progress(f"profile {artifact.file}")
        try:
            found.append(profile(target, plan, artifact, command))
        except (ArtifactError, DeviceError) as error:
            refused.append(f"No profile of {artifact.file}: {error.message}")
    return tuple(found), tuple(refused)


def _run(
    target: Target, plan: RunPlan, artifact: Artifact, scratch: Path
) -> tuple[RunnerReport, str]:
    file = scratch / "operators.json"
    report = target.run(
        RunnerRequest(
            engine=runner_engine(artifact.format, artifact.file).name,
            model=str(artifact.path),
            threads=plan.threads,
            cpus=choose_cores(target.device(), plan.core, plan.threads).cpus,
            inputs=tuple(map(str, inputs.prepare(artifact, scratch).inputs)),
            seed=plan.seed,
            warmup=plan.warmup,
            stop=Stop(runs=min(plan.stop.runs or RUNS, RUNS)),
            profile_ops=str(file),
        )
    )
    try:
        return report, file.read_text(encoding="utf-8")
    except OSError as error:
        raise RunnerFailed(f"The runner left no profile: {error.strerror}.") from error


def _operators(
    events: Sequence[Event], medians: Sequence[int], modules: Modules
) -> tuple[OperatorTime, ...]:
    """Events with their modules; one without goes with the one before."""
    found, before = [], ""
    for event, median_ns, module in zip(events, medians, modules, strict=True):
        before = before if module is None else module
        found.append(
            OperatorTime(
                name=event.name,
                kind=event.kind,
                module=before,
                exact=module is not None,
                median_ns=median_ns,
                start_ns=event.start_ns,
                duration_ns=event.duration_ns,
                dtype=event.dtype,
            )
        )
    return tuple(found)


def join_onnxruntime(events: Sequence[Event], graph: Sequence[GraphOperator]) -> Modules:
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
    found: Modules = []
    for event in events:
        name = re.sub(r"(_nchwc|_token_\d+)+$", "", event.name).removeprefix(_CAST)
        first = convolutions if event.kind.endswith("Conv") else any_kind
        tries = [
            known.get(part)
            for part in (name, name.rpartition("/")[0])
            for known in (first, any_kind)
        ]
        found.append(next((module for module in tries if module is not None), None))
    return found


def join_executorch(events: Sequence[Event], graph: Sequence[GraphOperator]) -> Modules:
    """By order within each kind of which there are as many in the graph."""
    queues: dict[tuple[str, ...], list[str]] = {}
    keys = [_graph_kinds(event.kind) for event in events]
    for key in {key for key in keys if key}:
        modules = [operator.module for operator in graph if operator.kind in key]
        queues[key] = modules if len(modules) == keys.count(key) else []
    return [queues[key].pop(0) if queues.get(key) else None for key in keys]


def _graph_kinds(kind: str) -> tuple[str, ...]:
    """What the graph calls an event: ``Slice (ND, X32)``, ``native_call_argmax.out``."""
    if kind.startswith("native_call_"):
        return ("aten." + kind.removeprefix("native_call_").partition(".")[0],)
    return _XNNPACK.get(kind.partition(" (")[0], ())


_JOINS: Mapping[str, Callable[[Sequence[Event], Sequence[GraphOperator]], Modules]] = {
    "onnxruntime": join_onnxruntime,
    "executorch": join_executorch,
}
