"""One export from a model's name, or any module, to a proved file with its manifest.

build -> rewrite -> scope -> write -> verify -> manifest -> final name

Everything happens in a staging folder inside the output folder. The file takes its final name
last; whatever fails before leaves nothing behind.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from seaformer.core import codec, files
from seaformer.core.artifact import (
    OPERATORS,
    REFERENCE,
    Artifact,
    Parity,
    Reference,
    load_artifact,
    manifest_path,
)
from seaformer.core.preprocessing import Preprocessing, metadata_of
from seaformer.core.quantization import CPUS, ENOUGH_IMAGES, ChannelSpread, Keep, ModuleNoise
from seaformer.core.quiet import quiet
from seaformer.core.request import OTHER_TASK, ExportRequest
from seaformer.data.preprocessing import IMAGENET
from seaformer.export import _components, _verify
from seaformer.export._format import WriteRequest
from seaformer.export._free import NOTHING, Proved, Sized, fixing_rules, prove
from seaformer.export._job import Job, open_job
from seaformer.export._manifest import manifest, publish, write_operator_map
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
from seaformer.export.quantize._task import open_task
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
    with (
        files.without_empty(job.out),
        files.staging(job.out) as scratch,
        files.os_errors(f"The export to {job.out}"),
    ):
        return _make(job, scratch, steps)


@dataclass(frozen=True)
class Prepared:
    """A network as it is to be written, and what it is compared with.

    Attributes:
        preprocessing: of its images.
        calibration: of a precision that needs images.
        eager: the network as it was before any rewrite, with the tail of the scope.
        cases: inputs with its answers, those of components among them.
        image: what the network itself takes, (1, C, H, W).
        result: the rewritten network, without tail and pre-processing.
        graph_rules: for formats that capture a graph.
        network: the rewritten network with both.
    """

    preprocessing: Preprocessing
    calibration: Calibration | None
    eager: nn.Module
    cases: tuple[_verify.Case, ...]
    image: torch.Tensor
    result: Rewrite
    graph_rules: tuple[GraphRule, ...]
    network: nn.Module


def prepare(job: Job, step: Steps) -> Prepared:
    """Everything that comes before a file is written. The network's channels are as they were."""
    model, preprocessing = job.subject.expected, job.subject.preprocessing or IMAGENET
    calibration = _calibration(job, preprocessing)
    step("answers of the PyTorch model")
    eager = _ended(job, model)
    cases = _cases(job, eager, preprocessing, calibration)
    cases += _component_cases(job, model, cases) if job.request.components else ()
    _verify.require_finite(with_input(model, preprocessing), cases)
    image = torch.from_numpy(_verify.network_input(cases[0].image, preprocessing))
    result, rules = _rewritten(job, image, step)
    network = with_input(_ended(job, result.network), preprocessing)
    return Prepared(preprocessing, calibration, eager, cases, image, result, rules, network)


def _make(job: Job, scratch: Path, step: Steps) -> Artifact:
    made, path = prepare(job, step), scratch / job.file
    parts = _parts(job, made)
    notes = _verify.blind_notes(made.cases)
    notes += _range_notes(job, made.network, made.cases, made.preprocessing)
    spreads = equalised(job, made.network, made.calibration)
    notes += (*channel_notes(spreads), *_part_notes(job, made))
    with quiet():
        example = torch.from_numpy(made.cases[0].image)
        request = WriteRequest(
            made.network, example, path, job.precision, step, parts, made.graph_rules
        )
        request = replace(request, once=_once(job, made.result.network))
        facts = job.writer.write(completed(request, job, made.calibration))
        step("verify against the PyTorch model")
        noise = facts.quantization.noise if facts.quantization else ()
        parity, proved = _proof(job, path, made, step, noise)
    parity = replace(parity, checks=(*parity.checks, *facts.checks))
    step("write the manifest")
    artifact = replace(
        manifest(job, path, facts, parity),
        reference=_reference(job, scratch, made.cases),
        operator_map=write_operator_map(scratch / f"{job.file}{OPERATORS}", facts),
        rewrites={**made.result.applied, **{n: len(p) for n, p in facts.rewritten.items()}},
        notes=(*facts.notes, *notes, *proved.notes),
        free_axes=proved.axes,
        steps=step.costs(),
        kinds=made.result.kinds,
        quantization=facts.quantization and replace(facts.quantization, channels=spreads),
    )
    files.write_json(manifest_path(path), codec.to_json(artifact))
    publish(artifact, scratch, job.out)
    return load_artifact(job.out / job.file)


def _parts(job: Job, made: Prepared) -> tuple[_components.Part, ...]:
    """The network's components, where they are asked for."""
    if not job.request.components:
        return ()
    return _components.require_parts(job.spec.name, made.result.network, made.image)


def _part_notes(job: Job, made: Prepared) -> tuple[str, ...]:
    """Why components are left out, where some are."""
    if not job.request.components:
        return ()
    return tuple(filter(None, [_components.left_out(job.subject.expected, made.image)]))


def _proof(
    job: Job, path: Path, made: Prepared, step: Steps, noise: Sequence[ModuleNoise]
) -> tuple[Parity, Proved]:
    """How far the file agrees, at its own size and at others that it leaves free."""
    verify = partial(job.writer.verify, path, precision=job.precision, network=made.network)
    parity = verify(made.cases)
    _verify.require(parity, job.file, job.precision, noise)
    proved = _proved_sizes(job, made.eager, verify, step)
    return verify((*made.cases, *proved.cases)) if proved.cases else parity, proved


def _reference(job: Job, scratch: Path, cases: Sequence[_verify.Case]) -> Reference:
    """The expected answer to the first photograph, as a file."""
    photograph = cases[0].name
    shown = [case for case in cases if case.name.rpartition(":")[2] == photograph]
    return write_reference(scratch / f"{job.file}{REFERENCE}", photograph, shown)


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
    calibration = open_calibration(job.request.calibration, job.spec.input_shape, preprocessing)
    if not job.request.data:
        return calibration
    return replace(calibration, task=open_task(job.request.data, job.spec, preprocessing))


def equalised(
    job: Job, network: nn.Module, calibration: Calibration | None
) -> tuple[ChannelSpread, ...]:
    """The network, in place, with channels on one scale; not that of a graph from a file."""
    if calibration is None or job.subject.graph is not None:
        return ()
    with quiet():
        return equalise(network, tuple(islice(calibration.arrays(raw=True), ENOUGH_IMAGES)))


def completed(request: WriteRequest, job: Job, calibration: Calibration | None) -> WriteRequest:
    """With what the job states about the file."""
    return replace(
        request,
        metadata=metadata_of(job.subject.preprocessing, job.subject.labels),
        graph=job.subject.graph,
        opset=job.request.opset,
        calibration=calibration,
        observer=job.request.observer or DEFAULT_OBSERVER,
        cpu=job.request.cpu or CPUS[0],
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
