"""One export from a model's name to a proved file with its manifest.

build -> rewrite -> scope -> write -> verify -> manifest -> final name

Everything happens in a staging folder inside the output folder. The file takes its final name
last; whatever fails before leaves nothing behind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import torch
from torch import nn

from seaformer import __version__
from seaformer.core import codec, files
from seaformer.core.artifact import (
    OPERATORS,
    REFERENCE,
    SCHEMA,
    Artifact,
    Parity,
    Reference,
    SideFile,
    load_artifact,
    manifest_path,
    stem,
)
from seaformer.core.engine import DEFAULT_FORMAT, Engine, engine_of
from seaformer.core.errors import UsageError
from seaformer.core.operators import SCHEMA as MAP_SCHEMA
from seaformer.core.operators import OperatorMap
from seaformer.core.precision import BASE, Precision, find_precision, precisions
from seaformer.core.quiet import quiet
from seaformer.core.spec import ModelSpec
from seaformer.export import FORMATS, _components, _verify
from seaformer.export._format import Format, WriteRequest, Written
from seaformer.export._reference import write_reference
from seaformer.export._request import check_components, check_scope
from seaformer.export._scope import with_scope
from seaformer.export.rewrites._rewrite import rewrite
from seaformer.models import create_model, model_spec

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Job:
    """One file to be made."""

    model: nn.Module
    spec: ModelSpec
    engine: Engine
    writer: Format
    precision: Precision
    scope: str
    components: bool
    out: Path

    @property
    def file(self) -> str:
        name = stem(self.spec, self.precision.name, self.scope, self.components)
        return name + self.engine.suffix


def export_model(
    model: str,
    *,
    format: str = DEFAULT_FORMAT,
    precision: str = BASE.name,
    size: tuple[int, int] | None = None,
    scope: str = "logits",
    components: bool = False,
    checkpoint: Path | str | None = None,
    classes: int | None = None,
    seed: int = 0,
    out: Path | str = "artifacts",
    progress: Progress | None = None,
) -> Artifact:
    """Export a model by name, prove it, and give it its final name.

    Args:
        model: a name such as ``seaformer_t`` or ``seaformer_b.cityscapes``.
        format: a row of ``core/engine.py``: ``onnx``, ``executorch`` or ``coreml``.
        precision: ``fp32`` or ``fp16``.
        size: (height, width) of the image; the model's own when absent.
        scope: ``logits`` (as the paper times it), or another that the model's task has:
            ``upsample`` and ``argmax`` of a segmentation, ``argmax`` of a classification,
            ``boxes`` of a detection.
        components: add the network's parts as methods beside ``forward``, weights shared.
        checkpoint: official weights; seeded ones when absent.
        classes: number of classes when it is not the data set's.
        out: the folder the file, its manifest and its reference output go to.
        progress: called with the name of each step as it begins.

    Raises ``ParityError`` when the file does not compute what the eager model computes; then,
    as after any other error, nothing of it is left in ``out``.
    """
    engine = engine_of(format)
    row = find_precision(precision)
    writer = _writer(engine, row)
    check_scope(model_spec(model), scope)
    if components:
        check_components(scope, format)
    step = progress or (lambda _: None)
    step("build the model")
    built = create_model(
        model, checkpoint=checkpoint, seed=seed, **_overrides(size=size, classes=classes)
    )
    folder = Path(out).expanduser()
    job = _Job(built, built.spec, engine, writer, row, scope, components, folder)
    with files.staging(job.out) as scratch, files.os_errors(f"The export to {job.out}"):
        return _make(job, scratch, step)


def _writer(engine: Engine, precision: Precision) -> Format:
    with quiet():
        writer: Format = replace(FORMATS, extra=engine.extra).load(engine.format)
    if not writer.supports(precision):
        supported = [row.name for row in precisions() if writer.supports(row)]
        raise UsageError(
            f"{engine.format} supports {' and '.join(supported)} (got {precision.name})."
        )
    return writer


def _overrides(**given: object) -> dict[str, object]:
    return {name: value for name, value in given.items() if value is not None}


def _make(job: _Job, scratch: Path, step: Progress) -> Artifact:
    spec = job.spec
    step("answers of the PyTorch model")
    eager = with_scope(job.model, spec, job.scope)
    cases = _verify.cases(eager, spec.height, spec.width)
    photograph = cases[0].name
    cases += _verify.component_cases(job.model, cases) if job.components else ()
    step("rewrite for the runtimes")
    image = torch.from_numpy(cases[0].image)
    rewritten = rewrite(job.model, image, job.engine.format, job.precision.name)
    parts = _components.parts(rewritten, image) if job.components else ()
    network = with_scope(rewritten, spec, job.scope)
    path = scratch / job.file
    with quiet():
        written = job.writer.write(WriteRequest(network, image, path, job.precision, step, parts))
        step("verify against the PyTorch model")
        parity = job.writer.verify(path, cases, job.precision, network)
    _verify.require(parity, job.file)
    step("write the manifest")
    shown = [case for case in cases if case.name.rpartition(":")[2] == photograph]
    reference = write_reference(scratch / f"{job.file}{REFERENCE}", photograph, shown)
    operator_map = _write_operator_map(scratch / f"{job.file}{OPERATORS}", written)
    artifact = _manifest(job, path, written, parity, (reference, operator_map))
    files.write_json(manifest_path(path), codec.to_json(artifact))
    _publish(artifact, scratch, job.out)
    return load_artifact(job.out / job.file)


def _publish(artifact: Artifact, scratch: Path, out: Path) -> None:
    """The model file goes last: a manifest without it is refused, a file without is not used."""
    names = list(dict.fromkeys(Path(m.file).parts[0] for m in artifact.methods if m.file))
    names += [side.file for side in (artifact.reference, artifact.operator_map) if side]
    for name in (*names, manifest_path(Path(artifact.file)).name, artifact.file):
        files.publish(scratch / name, out / name)


def _write_operator_map(path: Path, written: Written) -> SideFile | None:
    if not written.graphs:
        return None
    files.write_json(path, codec.to_json(OperatorMap(MAP_SCHEMA, written.graphs)))
    return SideFile(path.name, files.sha256_file(path))


def _manifest(
    job: _Job,
    path: Path,
    written: Written,
    parity: Parity,
    beside: tuple[Reference, SideFile | None],
) -> Artifact:
    return Artifact(
        schema=SCHEMA,
        file=job.file,
        spec=job.spec,
        format=job.engine.format,
        precision=job.precision.name,
        scope=job.scope,
        sha256=files.sha256_file(path),
        size_bytes=files.size_bytes(path),
        methods=written.methods,
        exporter=written.exporter,
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        parity=parity,
        tools=tool_versions(job.engine.tools),
        operators=written.operators,
        opset=written.opset,
        delegation=written.delegation,
        reference=beside[0],
        notes=written.notes,
        operator_map=beside[1],
    )


def tool_versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made a file, and of this one."""
    return {"seaformer": __version__} | {name: metadata.version(name) for name in names}
