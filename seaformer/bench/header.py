"""The header of a record: which artifact ran on which target, when, by which command."""

from __future__ import annotations

import datetime as dt

from seaformer.bench.target import Target
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import RunHeader, new_id


def header_of(
    artifact: Artifact,
    target: Target,
    *,
    schema: int,
    version: str,
    command: str = "",
    commit: str = "",
) -> RunHeader:
    """The header of a record made now; ``version`` is the engine's, as the runner reported it."""
    return RunHeader(
        schema=schema,
        id=new_id(),
        created_at=now(),
        source=target.source,
        model=artifact.model,
        format=artifact.format,
        runtime=artifact.runtime,
        runtime_version=version,
        precision=artifact.precision,
        scope=artifact.graph,
        input_shape=artifact.spec.input_shape,
        artifact_file=artifact.file,
        artifact_sha256=artifact.sha256,
        device=target.device(),
        command=command,
        commit=commit,
    )


def now() -> str:
    """UTC to the second, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
