"""One export from a model's name, or any module, to a proved file with its manifest.

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
    ScopeName,
    SideFile,
    load_artifact,
    manifest_path,
)
from seaformer.core.checksums import joint_sha256
from seaformer.core.engine import DEFAULT_FORMAT, Engine, FormatName, engine_of
from seaformer.core.errors import UsageError
from seaformer.core.operators import SCHEMA as MAP_SCHEMA
from seaformer.core.operators import OperatorMap
from seaformer.core.precision import (
    DEFAULT_PRECISION,
    Precision,
    PrecisionName,
    find_precision,
    precisions,
)
from seaformer.core.preprocessing import FLOAT, Three, metadata_of
from seaformer.core.quiet import quiet
from seaformer.core.request import (
    OTHER_TASK,
    ExportRequest,
    check_components,
    check_input,
    check_scope,
)
from seaformer.core.spec import ModelSpec
from seaformer.core.stem import stem
from seaformer.data.preprocessing import IMAGENET
from seaformer.export import FORMATS, _components, _verify
from seaformer.export._format import FileFacts, Format, WriteRequest
from seaformer.export._named import load_named
from seaformer.export._range import require_range
from seaformer.export._raw_input import with_input
from seaformer.export._reference import write_reference
from seaformer.export._scope import with_scope
from seaformer.export._subject import (
    Subject,
    check_module_request,
    module_subject,
    zoo_subject,
)
from seaformer.export.rewrites import check_rules, select_graph_rules, select_rules
from seaformer.export.rewrites._apply import rewrite
from seaformer.models import model_spec

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Job:
    """One file to be made."""

    request: ExportRequest
    subject: Subject
    engine: Engine
    precision: Precision
    writer: Format
    out: Path

    @property
    def spec(self) -> ModelSpec:
        return self.subject.spec

    @property
    def file(self) -> str:
        request = self.request
        more = (request.scope, request.components, request.no_rewrite)
        default = self.subject.default
        name = stem(self.spec, self.precision.name, *more, default=default, input=request.input)
        return name + self.engine.suffix


def export_model(
    model: str | nn.Module,
    *,
    format: FormatName = DEFAULT_FORMAT,
    precision: PrecisionName = DEFAULT_PRECISION,
    size: tuple[int, int] | None = None,
    shape: tuple[int, ...] | None = None,
    name: str = "",
    scope: ScopeName = "logits",
    components: bool = False,
    checkpoint: Path | str | None = None,
    classes: int | None = None,
    seed: int = 0,
    no_rewrite: Sequence[str] = (),
    ema: bool = False,
    backbone: Path | str | None = None,
    input: str = FLOAT,
    mean: Three | None = None,
    std: Three | None = None,
    out: Path | str = "artifacts",
    progress: Progress | None = None,
) -> Artifact:
    """Export a model by name, or any module, prove it, and give it its final name.

    Args:
        model: a name such as ``seaformer_t`` or ``seaformer_b.cityscapes``, or an ``nn.Module``
            that takes one image and returns tensors; it is copied, not changed.
        format: a row of ``core/engine.py``: ``onnx``, ``executorch`` or ``coreml``.
        precision: a row of ``core/precision.py``: ``fp32`` or ``fp16``.
        size: (height, width) of the image; the model's own when absent.
        shape: (1, C, H, W) of a module's input.
        name: of a module's files; its class in lower case when absent.
        scope: ``logits`` (as the paper times it), or another that the model's task has:
            ``upsample`` and ``argmax`` of a segmentation, ``argmax`` of a classification,
            ``boxes`` of a detection. A module with one output of four axes is taken for a
            segmentation, with one of two for a classification.
        components: add the network's parts as methods beside ``forward``, weights shared.
        checkpoint: a file, a Hugging Face folder or an index of shards; seeded when absent.
        classes: number of classes when it is not the data set's.
        seed: of the weights without a checkpoint.
        no_rewrite: names of rewrites to leave out (``seaformer export --list-rewrites``).
        ema: take the averaged weights of the checkpoint.
        backbone: a checkpoint of the backbone alone; the rest is seeded.
        input: ``float``; ``uint8`` or ``uint8-nhwc`` for a file that takes 8-bit RGB, (1, 3, H, W)
            or (1, H, W, 3), and normalises it.
        mean, std: of a module's input, of pixels from 0 to 255; ImageNet's when absent.
        out: the folder the file, its manifest and its reference output go to.
        progress: called with the name of each step as it begins.

    Raises ``ParityError`` when the file does not compute what the eager model computes,
    ``UnsupportedOperator`` when the format lacks an operator; then, as after any other error,
    nothing of it is left in ``out``.

        >>> artifact = export_model("seaformer_t", format="onnx", size=(64, 64))
        >>> artifact.file
        'seaformer_t.ade20k__64x64__fp32.onnx'
        >>> artifact.parity.argmax_agreement
        1.0
    """
    module = model if isinstance(model, nn.Module) else None
    if module is None and (shape is not None or name):
        raise UsageError("shape and name are for a module; a model by name takes size=(H, W).")
    request = ExportRequest(
        model=str(model) if module is None else name or type(model).__name__.lower(),
        format=format,
        precision=precision,
        size=size,
        scope=scope,
        components=components,
        checkpoint=None if checkpoint is None else str(checkpoint),
        classes=classes,
        seed=seed,
        no_rewrite=tuple(no_rewrite),
        module=f"{type(model).__module__}:{type(model).__qualname__}" if module is not None else "",
        shape=None if shape is None else tuple(shape),
        ema=ema,
        backbone=None if backbone is None else str(backbone),
        input=input,
        mean=mean,
        std=std,
    )
    return _export(request, out, progress, module)


def export_request(
    request: ExportRequest, out: Path | str, progress: Progress | None = None
) -> Artifact:
    """As ``export_model``, for arguments that were gathered elsewhere.

    Of a request with a ``module`` the code that it names is run.
    """
    return _export(request, out, progress, None)


def _export(
    request: ExportRequest, out: Path | str, progress: Progress | None, module: nn.Module | None
) -> Artifact:
    engine, precision = engine_of(request.format), find_precision(request.precision)
    writer = _writer(engine, precision)
    if request.module:
        check_module_request(request)
    else:
        check_scope(model_spec(request.model, classes=request.classes), request.scope)
    check_input(request.input, request.format)
    if request.components:
        check_components(request.scope, request.format, request.input)
    check_rules(request.no_rewrite)
    step = progress or (lambda _: None)
    step("build the model")
    subject = _subject(request, module)
    check_scope(subject.spec, request.scope)
    job = _Job(request, subject, engine, precision, writer, files.expanded(out))
    with files.staging(job.out) as scratch, files.os_errors(f"The export to {job.out}"):
        return _make(job, scratch, step)


def _subject(request: ExportRequest, module: nn.Module | None) -> Subject:
    if not request.module:
        return zoo_subject(request)
    if module is None:
        module = load_named(request.module, request.seed)
    return module_subject(module, request, request.module)


def _writer(engine: Engine, precision: Precision) -> Format:
    with quiet():
        writer: Format = replace(FORMATS, extra=engine.extra).load(engine.format)
    if not writer.supports(precision):
        supported = [row.name for row in precisions() if writer.supports(row)]
        raise UsageError(
            f"{engine.format} supports {' and '.join(supported)} (got {precision.name})."
        )
    return writer


def _make(job: _Job, scratch: Path, step: Progress) -> Artifact:
    spec, scope, components = job.spec, job.request.scope, job.request.components
    step("answers of the PyTorch model")
    model = job.subject.network
    eager = with_scope(model, spec, scope)
    preprocessing = job.subject.preprocessing or IMAGENET
    channels = spec.input_shape[1]
    cases = _verify.cases(
        eager, spec.height, spec.width, channels=channels, preprocessing=preprocessing
    )
    if spec.task == OTHER_TASK:
        cases = tuple(replace(case, scores=False) for case in cases)
    photograph = cases[0].name
    cases += _verify.component_cases(model, cases) if components else ()
    step("rewrite for the runtimes")
    image = torch.from_numpy(_verify.network_input(cases[0].image, preprocessing))
    which = (job.engine, job.precision, job.request.no_rewrite)
    rules = select_rules(*which)
    # The zoo's networks are whole by the rules of their modules.
    graph_rules = select_graph_rules(*which) if job.request.module else ()
    with quiet():
        result = rewrite(model, image, rules)
    parts = _components.parts(result.network, image) if components else ()
    network = with_input(with_scope(result.network, spec, scope), preprocessing)
    _verify.require_finite(with_input(model, preprocessing), cases)
    notes = require_range(network, cases, job.precision)
    path = scratch / job.file
    with quiet():
        facts = job.writer.write(
            WriteRequest(
                network,
                torch.from_numpy(cases[0].image),
                path,
                job.precision,
                step,
                parts,
                graph_rules,
                metadata_of(job.subject.preprocessing, job.subject.labels),
            )
        )
        step("verify against the PyTorch model")
        parity = job.writer.verify(path, cases, job.precision, network)
    _verify.require(parity, job.file)
    step("write the manifest")
    shown = [case for case in cases if case.name.rpartition(":")[2] == photograph]
    reference = write_reference(scratch / f"{job.file}{REFERENCE}", photograph, shown)
    operator_map = _write_operator_map(scratch / f"{job.file}{OPERATORS}", facts)
    artifact = replace(
        _manifest(job, path, facts, parity),
        reference=reference,
        operator_map=operator_map,
        rewrites={**result.applied, **{n: len(p) for n, p in facts.rewritten.items()}},
        rewritten={n: tuple(dict.fromkeys(p)) for n, p in facts.rewritten.items()},
        notes=(*facts.notes, *notes),
    )
    files.write_json(manifest_path(path), codec.to_json(artifact))
    _publish(artifact, scratch, job.out)
    return load_artifact(job.out / job.file)


def _publish(artifact: Artifact, scratch: Path, out: Path) -> None:
    """The model file goes last: a manifest without it is refused, a file without is not used."""
    names = list(dict.fromkeys(Path(m.file).parts[0] for m in artifact.methods if m.file))
    names += [side.file for side in (artifact.reference, artifact.operator_map) if side]
    names += [side.file for side in artifact.external]
    for name in (*names, manifest_path(Path(artifact.file)).name, artifact.file):
        files.publish(scratch / name, out / name)


def _write_operator_map(path: Path, facts: FileFacts) -> SideFile | None:
    if not facts.graphs:
        return None
    files.write_json(path, codec.to_json(OperatorMap(MAP_SCHEMA, facts.graphs)))
    return SideFile(path.name, files.sha256_file(path))


def _manifest(job: _Job, path: Path, facts: FileFacts, parity: Parity) -> Artifact:
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
        no_rewrite=job.request.no_rewrite,
        origin=job.subject.origin,
        checkpoint=job.subject.checkpoint,
        preprocessing=job.subject.preprocessing,
        labels=job.subject.labels,
    )


def tool_versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made a file, and of this one."""
    return {"seaformer": __version__} | {name: metadata.version(name) for name in names}
