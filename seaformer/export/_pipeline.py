"""One export from a model's name, or any module, to a proved file with its manifest.

build -> rewrite -> scope -> write -> verify -> manifest -> final name

Everything happens in a staging folder inside the output folder. The file takes its final name
last; whatever fails before leaves nothing behind.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from itertools import islice
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
    SideFile,
    load_artifact,
    manifest_path,
)
from seaformer.core.checksums import joint_sha256
from seaformer.core.operators import SCHEMA as MAP_SCHEMA
from seaformer.core.operators import OperatorMap
from seaformer.core.preprocessing import Preprocessing, metadata_of
from seaformer.core.quantization import ENOUGH_IMAGES, ChannelSpread, Keep
from seaformer.core.quiet import quiet
from seaformer.core.request import OTHER_TASK, ExportRequest
from seaformer.data.preprocessing import IMAGENET
from seaformer.export import _components, _verify
from seaformer.export._format import FileFacts, WriteRequest
from seaformer.export._free import NOTHING, Proved, Sized, fixing_rules, prove
from seaformer.export._job import Job, open_job
from seaformer.export._range import network_ranges, network_weights, require_range
from seaformer.export._raw_input import with_input
from seaformer.export._reference import write_reference
from seaformer.export._scope import with_scope
from seaformer.export._shared import Once, Shared, every_time
from seaformer.export._steps import Progress, Steps
from seaformer.export.quantize._calibration import Calibration, open_calibration
from seaformer.export.quantize._cases import calibrated_cases
from seaformer.export.quantize._equalise import channel_notes, equalise
from seaformer.export.quantize._observers import DEFAULT_OBSERVER
from seaformer.export.rewrites import select_graph_rules, select_rules
from seaformer.export.rewrites._apply import Rewrite, rewrite
from seaformer.export.rewrites._graph import GraphRule
from seaformer.export.rewrites._rule import Rule


def export_request(
    request: ExportRequest,
    out: Path | str,
    progress: Progress | None = None,
    shared: Shared | None = None,
) -> Artifact:
    """As ``export_model``, for arguments that were gathered elsewhere.

    Of a request with a ``module`` the code that it names is run. Exports with one ``shared`` make
    once what they have in common.
    """
    return export(request, out, progress, None, shared)


def export(
    request: ExportRequest,
    out: Path | str,
    progress: Progress | None,
    module: nn.Module | None,
    shared: Shared | None = None,
) -> Artifact:
    """As ``export_request``; of a request with a ``module`` the one given, where there is one."""
    steps, folder = Steps(progress), files.expanded(out)
    job = open_job(request, folder, steps, module, shared or Shared())
    with files.staging(job.out) as scratch, files.os_errors(f"The export to {job.out}"):
        return _make(job, scratch, steps)


def _make(job: Job, scratch: Path, step: Steps) -> Artifact:
    spec, components, model = job.spec, job.request.components, job.subject.expected
    preprocessing = job.subject.preprocessing or IMAGENET
    calibration = _calibration(job, preprocessing)
    step("answers of the PyTorch model")
    eager = _ended(job, model)
    cases = _cases(job, eager, preprocessing, calibration)
    photograph = cases[0].name
    cases += _component_cases(job, model, cases) if components else ()
    _verify.require_finite(with_input(model, preprocessing), cases)
    image = torch.from_numpy(_verify.network_input(cases[0].image, preprocessing))
    result, graph_rules = _rewritten(job, image, step)
    parts = _components.require_parts(spec.name, result.network, image) if components else ()
    network = with_input(_ended(job, result.network), preprocessing)
    notes = _verify.blind_notes(cases) + _range_notes(job, network, cases, preprocessing)
    spreads = _equalised(job, network, calibration)
    notes += channel_notes(spreads)
    notes += tuple(filter(None, [_components.left_out(model, image)] if components else []))
    path = scratch / job.file
    with quiet():
        example = torch.from_numpy(cases[0].image)
        request = WriteRequest(network, example, path, job.precision, step, parts, graph_rules)
        request = replace(request, once=_once(job, result.network))
        facts = job.writer.write(_completed(request, job, calibration))
        step("verify against the PyTorch model")
        verify = partial(job.writer.verify, path, precision=job.precision, network=network)
        parity = verify(cases)
        _verify.require(parity, job.file, job.precision)
        proved = _proved_sizes(job, eager, verify, step)
        parity = verify((*cases, *proved.cases)) if proved.cases else parity
    parity = replace(parity, checks=(*parity.checks, *facts.checks))
    step("write the manifest")
    shown = [case for case in cases if case.name.rpartition(":")[2] == photograph]
    reference = write_reference(scratch / f"{job.file}{REFERENCE}", photograph, shown)
    artifact = replace(
        _manifest(job, path, facts, parity),
        reference=reference,
        operator_map=_write_operator_map(scratch / f"{job.file}{OPERATORS}", facts),
        rewrites={**result.applied, **{n: len(p) for n, p in facts.rewritten.items()}},
        notes=(*facts.notes, *notes, *proved.notes),
        free_axes=proved.axes,
        steps=step.costs(),
        kinds=result.kinds,
        quantization=facts.quantization and replace(facts.quantization, channels=spreads),
    )
    files.write_json(manifest_path(path), codec.to_json(artifact))
    _publish(artifact, scratch, job.out)
    return load_artifact(job.out / job.file)


def _cases(
    job: Job, eager: nn.Module, preprocessing: Preprocessing, calibration: Calibration | None
) -> tuple[_verify.Case, ...]:
    """The inputs of the proof with the eager model's answers; calibration images are among them."""
    spec, channels = job.spec, job.spec.input_shape[1]
    size = (spec.height, spec.width)
    cases = job.shared.once(
        job.key("cases"),
        lambda: _verify.cases(eager, *size, channels=channels, preprocessing=preprocessing),
    )
    if spec.task == OTHER_TASK:
        cases = tuple(replace(case, scores=False) for case in cases)
    return cases if calibration is None else calibrated_cases(cases, eager, calibration)


def _component_cases(
    job: Job, model: nn.Module, cases: tuple[_verify.Case, ...]
) -> tuple[_verify.Case, ...]:
    """What each component takes and gives; components end with the logits of a float network."""
    return job.shared.once(
        job.key("component cases"), lambda: _verify.component_cases(model, cases)
    )


def _ended(job: Job, network: nn.Module) -> nn.Module:
    """A network with the tail that the scope adds."""
    free = bool(job.request.dynamic)
    return with_scope(network, job.spec, job.request.scope, free=free)


def _proved_sizes(
    job: Job, eager: nn.Module, verify: Callable[[Sequence[_verify.Case]], Parity], step: Steps
) -> Proved:
    """The axes that the file leaves free, proved at two further sizes."""
    if not job.request.dynamic:
        return NOTHING
    step("prove other sizes")
    sized = Sized(
        job.spec.name,
        eager,
        job.spec.input_shape,
        job.subject.preprocessing or IMAGENET,
        verify,
        scores=job.spec.task != OTHER_TASK,
        noise=not job.precision.calibrated,
    )
    rules = select_rules(job.engine, job.precision, job.request.no_rewrite)
    return prove(sized, job.request.dynamic, fixing_rules(job.subject.network, rules))


def _calibration(job: Job, preprocessing: Preprocessing) -> Calibration | None:
    """The images that a calibrated precision needs, read and checked."""
    if not job.precision.calibrated:
        return None
    return open_calibration(job.request.calibration, job.spec.input_shape, preprocessing)


def _equalised(
    job: Job, network: nn.Module, calibration: Calibration | None
) -> tuple[ChannelSpread, ...]:
    """The network, in place, with channels on one scale; not that of a graph from a file."""
    if calibration is None or job.subject.graph is not None:
        return ()
    with quiet():
        return equalise(network, tuple(islice(calibration.arrays(raw=True), ENOUGH_IMAGES)))


def _completed(request: WriteRequest, job: Job, calibration: Calibration | None) -> WriteRequest:
    """With what the job states about the file."""
    return replace(
        request,
        metadata=metadata_of(job.subject.preprocessing, job.subject.labels),
        graph=job.subject.graph,
        opset=job.request.opset,
        calibration=calibration,
        observer=job.request.observer or DEFAULT_OBSERVER,
        keep=Keep.of(job.request.keep, job.request.max_drop),
        dynamic=job.request.dynamic,
    )


def _once(job: Job, rewritten: nn.Module) -> Once:
    """Shared by files of one format whose networks are the same; nothing is of a changed copy."""
    if job.precision.calibrated or job.subject.graph is not None:
        return every_time
    key = job.key("written", job.engine.format, job.request.opset, rewritten)
    return lambda step, make: job.shared.once((*key, step), make)


def _rewritten(job: Job, image: torch.Tensor, step: Steps) -> tuple[Rewrite, tuple[GraphRule, ...]]:
    """The network as the engine takes it best, and rules for its graph."""
    if job.subject.graph is not None:
        return Rewrite(job.subject.network, {}), ()
    step("rewrite for the runtimes")
    which = (job.engine, job.precision, job.request.no_rewrite)
    # The zoo's networks are whole by the rules of their modules.
    graph_rules = select_graph_rules(*which) if job.request.module else ()
    with quiet():
        rules = select_rules(*which, free=bool(job.request.dynamic))
        result = _shared_rewrite(job, image, rules)
    # Channels of a calibrated network are equalised in place.
    return copy.deepcopy(result) if job.precision.calibrated else result, graph_rules


def _shared_rewrite(job: Job, image: torch.Tensor, rules: Sequence[Rule]) -> Rewrite:
    """Of an earlier file of this command where its rules were the same, as far as any applies."""
    made: list[tuple[Sequence[Rule], Rewrite]] = job.shared.once(job.key("rewritten"), list)
    for before, result in made:
        if result.met(before) == result.met(rules):
            return result
    made.append((rules, rewrite(job.subject.network, image, rules)))
    return made[-1][1]


def _range_notes(
    job: Job, network: nn.Module, cases: Sequence[_verify.Case], preprocessing: Preprocessing
) -> tuple[str, ...]:
    """What the precision does to the values inside. Raises ``ExportError`` where it is too much."""
    graph = job.subject.graph
    if graph is None:
        weights, computed = network_weights(network), network_ranges(network, cases)
    else:
        images = {c.name: _verify.network_input(c.image, preprocessing) for c in cases}
        weights, computed = graph.weights(), graph.ranges(images)
    return require_range(weights, computed, job.precision)


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


def _manifest(job: Job, path: Path, facts: FileFacts, parity: Parity) -> Artifact:
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
