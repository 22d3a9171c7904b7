"""A profiled run: which operators an inference spends its time on, and whose they are.

One process of its own, never the one a latency is taken from. The engine reports operators; the map
written at export (``core/operators.py``) has their modules. ``operators/`` joins the two, with a
file for each engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from seaformer.bench import inputs
from seaformer.bench.header import header_of
from seaformer.bench.operators import OPERATORS
from seaformer.bench.operators._events import (
    Event,
    Modules,
    between_ns,
    medians_ns,
    placed,
    typical,
)
from seaformer.bench.runner_io import RunnerReport, RunnerRequest
from seaformer.bench.target import Target, choose_cores
from seaformer.core.artifact import FORWARD, Artifact
from seaformer.core.engine import runner_engine
from seaformer.core.errors import ArtifactError, DeviceError, RunnerFailed
from seaformer.core.operators import load_operator_map
from seaformer.core.plan import RunPlan, Stop
from seaformer.core.profile import SCHEMA, OperatorTime, Profile
from seaformer.core.scratch import temporary_folder
from seaformer.store.checkout import commit_of

RUNS = 20


def profile(target: Target, plan: RunPlan, artifact: Artifact, command: str = "") -> Profile:
    """Run ``artifact`` under its engine's profiler on ``target``.

    Raises ``RunnerFailed`` when the runner cannot profile or its profile makes no sense,
    ``ArtifactError`` when the artifact has no operator map.
    """
    row = runner_engine(artifact.format, artifact.file)
    if not row.profiles:
        raise RunnerFailed(f"{row.title} does not report the time of its operators.")
    graph = load_operator_map(artifact).methods[FORWARD]
    with temporary_folder("profile") as folder:
        report, text = _run(target, plan, artifact, folder)
    operators = OPERATORS.load(row.name)
    runs = operators.parse(text, len(report.samples_ns))
    shown, medians = typical(runs), medians_ns(runs)
    modules = operators.join(shown.events, graph)
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
    profiles, refused = [], []
    for artifact in artifacts:
        if progress is not None:
            progress(f"profile {artifact.file}")
        try:
            profiles.append(profile(target, plan, artifact, command))
        except (ArtifactError, DeviceError) as error:
            refused.append(f"No profile of {artifact.file}: {error.message}")
    return tuple(profiles), tuple(refused)


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
            shapes=inputs.chosen_shapes(artifact),
            external=inputs.external_files(artifact),
        )
    )
    return report, read_profile(file)


def read_profile(file: Path) -> str:
    """What the engine's profiler wrote. Raises ``RunnerFailed`` where it wrote nothing."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise RunnerFailed(f"The runner left no profile: {error.strerror}.") from error


def _operators(
    events: Sequence[Event], medians: Sequence[int], modules: Modules
) -> tuple[OperatorTime, ...]:
    return tuple(
        OperatorTime(
            name=event.name,
            kind=event.kind,
            module=module,
            exact=exact,
            median_ns=median_ns,
            start_ns=event.start_ns,
            duration_ns=event.duration_ns,
            dtype=event.dtype,
            convolves=event.convolves,
        )
        for event, median_ns, (module, exact) in zip(events, medians, placed(modules), strict=True)
    )
