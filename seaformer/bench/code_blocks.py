"""A run that keeps every executed block of code: what an estimate of time is made from.

One process of its own on an emulated core; its counts are those of any other run of the artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from seaformer.bench import inputs
from seaformer.bench.header import header_of
from seaformer.bench.runner_io import RunnerRequest
from seaformer.bench.target import BlockTarget, Target, choose_cores
from seaformer.core.artifact import Artifact
from seaformer.core.code_blocks import SCHEMA, BlockHead, BlockProfile, write_blocks
from seaformer.core.engine import runner_engine
from seaformer.core.errors import ArtifactError, DeviceError, UsageError
from seaformer.core.files import safe_name
from seaformer.core.plan import RunPlan, Stop, Warmup
from seaformer.core.scratch import temporary_folder
from seaformer.store.checkout import commit_of


def block_target(target: Target) -> BlockTarget:
    """The target again. Raises ``UsageError`` for one that cannot report what it executes."""
    if not isinstance(target, BlockTarget):
        raise UsageError(
            f"--profile blocks needs an emulated core, not {target.device().target}.",
            hint="seaformer bench --device emulator --profile blocks ...",
        )
    return target


def block_profile(
    target: Target, plan: RunPlan, artifact: Artifact, command: str = ""
) -> BlockProfile:
    """Every block that one warm inference of ``artifact`` executes.

    Raises ``RunnerFailed`` when it does not run, ``UsageError`` for a target that cannot
    report blocks.
    """
    with temporary_folder("blocks") as folder:
        request = warm_request(target, plan, artifact, folder, plan.method)
        report, blocks = block_target(target).run_blocks(request)
    head = BlockHead(
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
        method=plan.method,
        counts=report.counts[-1],
    )
    return BlockProfile(head, blocks)


def warm_request(
    target: Target, plan: RunPlan, artifact: Artifact, folder: Path, name: str
) -> RunnerRequest:
    """One warm inference of a method; its inputs are written to ``folder``."""
    model, method = artifact.callable_of(name)
    return RunnerRequest(
        engine=runner_engine(artifact.format, artifact.file).name,
        model=str(model),
        method=method,
        cpus=choose_cores(target.device(), plan.core, 1).cpus,
        inputs=tuple(map(str, inputs.prepare(artifact, folder, name).inputs)),
        warmup=Warmup(runs=1),
        stop=Stop(runs=1),
        shapes=inputs.chosen_shapes(artifact),
        external=inputs.external_files(artifact),
    )


def write_blocks_of(
    target: Target,
    plan: RunPlan,
    artifacts: Sequence[Artifact],
    root: Path,
    *,
    command: str = "",
    progress: Callable[[str], None] | None = None,
) -> tuple[str, ...]:
    """A ``profiles/*.blocks.jsonl`` under ``root`` of each artifact; a line of text for each.

    The line names the file, or why there is none.
    """
    sentences = []
    for artifact in artifacts:
        if progress is not None:
            progress(f"blocks of {artifact.file}")
        try:
            profile = block_profile(target, plan, artifact, command)
        except (ArtifactError, DeviceError) as error:
            sentences.append(f"No blocks of {artifact.file}: {error.message}")
            continue
        name = f"{profile.head.id}__{safe_name(artifact.file)}__{profile.head.source}.blocks.jsonl"
        write_blocks(root / "profiles" / name, profile)
        sentences.append(f"Blocks: {root / 'profiles' / name} ({len(profile.blocks)} blocks)")
    return tuple(sentences)
