"""The manifest of a file that was proved, and the move of file and manifest to their names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from seaformer import __version__
from seaformer.core import codec, files
from seaformer.core.artifact import SCHEMA, Artifact, Parity, SideFile, manifest_path
from seaformer.core.checksums import joint_sha256
from seaformer.core.operators import SCHEMA as MAP_SCHEMA
from seaformer.core.operators import OperatorMap
from seaformer.export._format import FileFacts

if TYPE_CHECKING:
    from seaformer.export._job import Job


def publish(artifact: Artifact, scratch: Path, out: Path) -> None:
    """The model file goes last: a manifest without it is refused, a file without is not used."""
    names = list(dict.fromkeys(Path(m.file).parts[0] for m in artifact.methods if m.file))
    names += [side.file for side in (artifact.reference, artifact.operator_map) if side]
    names += [side.file for side in artifact.external]
    for name in (*names, manifest_path(Path(artifact.file)).name, artifact.file):
        files.publish(scratch / name, out / name)


def write_operator_map(path: Path, facts: FileFacts) -> SideFile | None:
    if not facts.graphs:
        return None
    files.write_json(path, codec.to_json(OperatorMap(MAP_SCHEMA, facts.graphs)))
    return SideFile(path.name, files.sha256_file(path))


def manifest(job: Job, path: Path, facts: FileFacts, parity: Parity) -> Artifact:
    external = [path.parent / name for name in facts.external]
    return Artifact(
        schema=SCHEMA,
        file=job.file,
        spec=job.spec,
        format=job.engine.format,
        precision=job.precision.name,
        scope=job.request.scope,
        sha256=joint_sha256(path, facts.external),
        size_bytes=sum(files.size_bytes(each) for each in (path, *external)),
        external=tuple(SideFile(each.name, files.sha256_file(each)) for each in external),
        methods=facts.methods,
        exporter=facts.exporter,
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        parity=parity,
        tools=tool_versions(job.engine.tools),
        operators=facts.operators,
        opset=facts.opset,
        delegation=facts.delegation,
        rewritten={n: tuple(dict.fromkeys(p)) for n, p in facts.rewritten.items()},
        no_rewrite=job.request.no_rewrite,
        origin=job.subject.origin,
        checkpoint=job.subject.checkpoint,
        preprocessing=job.subject.preprocessing,
        labels=job.subject.labels,
    )


def tool_versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made a file, and of this one."""
    return {"seaformer": __version__} | {name: metadata.version(name) for name in names}
