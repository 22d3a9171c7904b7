"""A model file in lines of text: what it reports of itself, and what its manifest adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from seaformer.core.artifact import Artifact
from seaformer.core.cost import StepCost
from seaformer.core.free import listed
from seaformer.core.model_file import ModelFile, TensorDescription
from seaformer.core.preprocessing import Labels, metadata_of
from seaformer.report.artifact import parity_lines
from seaformer.report.terminal import Block, Line
from seaformer.report.words import clean

_LONGEST = 200  # of a value of the metadata


def model_file_page(
    model: ModelFile, manifest: Artifact | None, preprocessing: str = ""
) -> list[Block]:
    """The file's name, and a line for each thing that is known of it."""
    lines = [*_own(model, manifest), *(_of_manifest(manifest) if manifest else ())]
    if preprocessing:
        lines.append(f"pre-processing: {preprocessing}")
    return [Line(clean(model.file)), *(Line(clean(each), "", 2, 6) for each in lines)]


def _own(model: ModelFile, manifest: Artifact | None) -> Iterable[str]:
    versions = ", ".join(f"{domain} {version}" for domain, version in model.opsets.items())
    yield f"format: {model.format}, runs on {model.engine}"
    yield f"precision: {model.precision}"
    yield f"size: {model.size_bytes / 1e6:.2f} MB ({model.size_bytes} bytes)"
    yield f"sha256: {model.sha256}"
    if model.external:
        yield f"external weights: {', '.join(model.external)}"
    if model.producer:
        yield f"producer: {model.producer}"
    if model.ir is not None:
        yield f"IR version: {model.ir}"
    if versions:
        yield f"opset: {versions}"
    if model.methods != ("forward",):
        yield f"methods: {', '.join(model.methods)}"
    yield from _tensors("input", model.inputs)
    yield from _tensors("output", model.outputs)
    yield f"weights: {_counts(model.weights) or 'none outside of delegates'}"
    yield f"operators: {sum(model.operators.values())}: {_counts(model.operators)}"
    # What a manifest states, too, is printed from there.
    known = metadata_of(manifest.preprocessing, manifest.labels) if manifest else {}
    shown = ((key, value) for key, value in model.metadata.items() if value)
    for key, value in ((key, value) for key, value in shown if known.get(key) != value):
        yield f"metadata {key}: {value if len(value) <= _LONGEST else value[:_LONGEST] + '...'}"


def _tensors(noun: str, tensors: Sequence[TensorDescription]) -> Iterable[str]:
    yield from (f"{noun}: {tensor}" for tensor in tensors)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} x{count}" for kind, count in counts.items())


def _of_manifest(artifact: Artifact) -> Iterable[str]:
    spec = artifact.spec
    yield f"model: {spec.name}, {spec.task}, scope {artifact.scope}, weights {spec.weights}"
    yield f"exporter: {artifact.exporter}, {artifact.created_at}"
    if artifact.free_axes:
        yield f"free: {listed(map(str, artifact.free_axes))}; exported at {_text(spec.input_shape)}"
    if artifact.preprocessing and artifact.preprocessing.evaluation:
        yield f"images of the published accuracy: {artifact.preprocessing.evaluation}"
    if artifact.labels:
        yield from _labels(artifact.labels)
    yield from parity_lines(artifact.parity)
    yield from _steps(artifact.steps)


def _steps(steps: Sequence[StepCost]) -> Iterable[str]:
    """What each step of the export took."""
    if steps:
        yield f"made in {sum(each.seconds for each in steps):.1f} s"
    for each in steps:
        peak = f", at most {each.peak_bytes / 1e6:.0f} MB" if each.peak_bytes else ""
        yield f"     {each.step}: {each.seconds:.1f} s{peak}"


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _labels(labels: Labels) -> Iterable[str]:
    """Every class with its index, and its colour where it has one."""
    colours = labels.palette or ("",) * len(labels.names)
    pairs = enumerate(zip(labels.names, colours, strict=True))
    named = (f"{i} {name}{f' #{colour}' if colour else ''}" for i, (name, colour) in pairs)
    yield f"classes: {len(labels.names)}: {', '.join(named)}"
