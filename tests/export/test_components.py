"""Components: the network's own parts, one after the other the whole, in every format."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from seaformer.agreement import images
from seaformer.bench import inputs
from seaformer.core.artifact import load_artifact
from seaformer.core.engine import FormatName
from seaformer.core.errors import ChecksumMismatch, CorruptArtifact, UsageError
from seaformer.core.operators import load_operator_map
from seaformer.core.precision import PrecisionName
from seaformer.core.request import ExportRequest
from seaformer.export import export_model, export_request
from seaformer.export._components import parts
from seaformer.models import create_model
from seaformer.runtime import load_session
from tests.export.rewritten import rewritten
from tests.exports import SIZE, half, small

SEGMENTER = ("stem", "context", "spatial", "head")
CLASSIFIER = ("stem", "context", "head")


@pytest.mark.parametrize(
    "size", ["t", "s", *(pytest.param(size, marks=pytest.mark.slow) for size in "bl")]
)
@pytest.mark.parametrize(("tag", "names"), [("ade20k", SEGMENTER), ("imagenet", CLASSIFIER)])
def test_parts_of_every_variant_one_after_the_other_are_the_whole(
    size: str, tag: str, names: tuple[str, ...]
) -> None:
    model = create_model(f"seaformer_{size}.{tag}")
    watched = torch.from_numpy(images.noise(64, 96))
    network = rewritten(model, watched)
    found = {part.name: part for part in parts(network, watched)}
    assert tuple(found) == names
    x = torch.from_numpy(images.noise(64, 96, seed=3))
    with torch.no_grad():
        stem = found["stem"].module(x)
        context = as_tuple(found["context"].module(stem))
        local = (found["spatial"].module(stem, *context),) if "spatial" in found else context
        logits = found["head"].module(*local)
        assert torch.equal(logits, network(x))


def as_tuple(value: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def test_context_branch_of_a_classifier_gives_its_last_stage_alone() -> None:
    model = create_model("seaformer_t.imagenet")
    found = {part.name: part for part in parts(model, torch.zeros(1, 3, 64, 64))}
    assert [tuple(t.shape) for t in found["context"].outputs] == [(1, 160, 1, 1)]
    assert [tuple(t.shape) for t in found["head"].outputs] == [(1, 1000)]


def test_watching_leaves_the_network_without_hooks() -> None:
    model = create_model("seaformer_t")
    parts(model, torch.zeros(1, 3, 64, 64))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("format", "precision"),
    [
        ("onnx", "fp32"),
        ("onnx", "fp16"),
        pytest.param("executorch", "fp16", marks=pytest.mark.slow),
    ],
)
def test_methods_of_a_file_one_after_the_other_give_what_forward_gives(
    format: str, precision: str
) -> None:
    artifact = small(format, precision, components=True)
    assert artifact.components == SEGMENTER
    assert artifact.file.startswith(f"seaformer_t.ade20k__64x96__{precision}__components.")
    assert all(case.passed for case in artifact.parity.cases)
    assert len(artifact.parity.cases) == 3 + 2 * len(SEGMENTER)
    session = load_session(artifact)
    x = images.noise(*SIZE, seed=5)
    (stem,) = session.run([x], "stem")
    context = session.run([stem], "context")
    (local,) = session.run([stem, *context], "spatial")
    (logits,) = session.run([local], "head")
    (whole,) = session.run([x], "forward")
    assert [a.shape for a in (stem, *context, local)] == [
        (1, 32, 8, 12),
        (1, 128, 2, 3),
        (1, 160, 1, 2),
        (1, 96, 8, 12),
    ]
    off = np.abs(logits.astype(np.float32) - whole.astype(np.float32)).max() / whole.std()
    assert off < (1e-4 if precision == "fp32" else 5e-2)


@pytest.mark.parametrize("format", ["onnx", pytest.param("executorch", marks=pytest.mark.slow)])
def test_a_method_that_is_not_there_is_named_with_those_that_are(format: str) -> None:
    artifact = half(format)
    with pytest.raises(CorruptArtifact, match=r"no method 'neck'.*forward.*stem"):
        load_session(artifact).run([], "neck")


@pytest.mark.slow
def test_methods_of_a_program_share_their_weights() -> None:
    artifact = half("executorch")
    weights = 4 * sum(p.numel() for p in create_model("seaformer_t").parameters())
    assert artifact.size_bytes < 1.1 * weights
    assert any("weights are shared" in note for note in artifact.notes)


def test_every_node_of_an_onnx_file_that_computes_is_in_exactly_one_part() -> None:
    artifact = small("onnx", components=True)
    whole = nodes(artifact.path)
    cut = [nodes(artifact.callable_of(name)[0]) for name in SEGMENTER]
    assert sorted(whole) == sorted(name for part in cut for name in part)
    for name, part in zip(SEGMENTER, cut, strict=True):
        assert part
        assert sum(node.startswith(f"/{name}/") for node in part) > 0.9 * len(part)


def nodes(path: Path) -> list[str]:
    return [n.name for n in onnx.load(str(path)).graph.node if n.op_type != "Constant"]


def test_parts_of_an_onnx_file_lie_in_a_folder_of_their_own_and_are_checked(
    tmp_path: Path,
) -> None:
    made = small("onnx", components=True)
    shutil.copytree(made.path.parent, tmp_path, dirs_exist_ok=True)
    artifact = load_artifact(tmp_path / made.file)
    assert sorted(tmp_path.glob("*.onnx")) == [artifact.path]
    folder = artifact.path.with_name(artifact.file + ".parts")
    assert {path.stem for path in folder.iterdir()} == set(SEGMENTER)
    with pytest.raises(CorruptArtifact, match="is a component of") as caught:
        load_artifact(folder / "stem.onnx")
    assert caught.value.hint == f"Name the whole: {artifact.path} --components"
    stem = folder / "stem.onnx"
    before = stem.read_bytes()
    stem.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.raises(ChecksumMismatch, match="not the file its manifest describes"):
        load_artifact(artifact.path)


def test_each_method_has_its_own_answers_in_the_reference(tmp_path: Path) -> None:
    artifact = small("onnx", components=True)
    session = load_session(artifact)
    for name, takes in {"forward": 1, "stem": 1, "context": 1, "spatial": 3, "head": 1}.items():
        prepared = inputs.prepare(artifact, tmp_path / name, name)
        tensors = artifact.method(name).inputs
        fed = [
            np.fromfile(path, np.float32).reshape(tensor.shape)
            for path, tensor in zip(prepared.inputs, tensors, strict=True)
        ]
        assert len(fed) == takes
        for seen, expected in zip(session.run(fed, name), prepared.expected, strict=True):
            np.testing.assert_allclose(seen, expected, atol=2e-4)


@pytest.mark.slow
def test_every_method_has_its_operators_mapped_to_modules() -> None:
    for format, kind in (("onnx", "Conv"), ("executorch", "aten.convolution")):
        precision = "fp16" if format == "executorch" else "fp32"
        graphs = load_operator_map(small(format, precision, components=True)).methods
        assert tuple(graphs) == ("forward", *SEGMENTER)
        modules = [o.module for o in graphs["forward"] if o.kind == kind]
        assert len(modules) == 69
        assert modules[0] == "stem.conv"
        assert modules[-1] == "head.classify"
        assert {name.partition(".")[0] for name in modules} == set(SEGMENTER)
        parts_of = [o.module for name in SEGMENTER for o in graphs[name] if o.kind == kind]
        assert sorted(parts_of) == sorted(modules)


def test_components_are_refused_where_there_are_none(tmp_path: Path) -> None:
    for format, scope, reason in (
        ("onnx", "upsample", "--scope upsample do not go together"),
        ("coreml", "logits", "not supported for coreml"),
    ):
        with pytest.raises(UsageError, match=reason):
            export_request(
                ExportRequest("seaformer_t", format, scope=scope, components=True), tmp_path
            )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "tag", "format", "precision"),
    [
        pytest.param("s", "ade20k", "onnx", "fp16", marks=pytest.mark.slow),
        pytest.param("b", "ade20k", "onnx", "fp32", marks=pytest.mark.slow),
        pytest.param("s", "ade20k", "executorch", "fp32", marks=pytest.mark.zoo),
        pytest.param("l", "ade20k", "executorch", "fp16", marks=pytest.mark.zoo),
        pytest.param("t", "imagenet", "onnx", "fp32", marks=pytest.mark.slow),
        pytest.param("t", "imagenet", "executorch", "fp16", marks=pytest.mark.zoo),
    ],
)
def test_the_other_variants_have_components_in_both_formats_and_precisions(
    size: str, tag: str, format: FormatName, precision: PrecisionName, tmp_path: Path
) -> None:
    artifact = export_model(
        f"seaformer_{size}.{tag}",
        format=format,
        precision=precision,
        # A classifier at its own size: on a smaller one there is too little to average over, and
        # the rounding of half precision alone, eager too, comes to 49 dB.
        size=(64, 64) if tag == "ade20k" else None,
        components=True,
        out=tmp_path,
    )
    assert artifact.components == (SEGMENTER if tag == "ade20k" else CLASSIFIER)
    assert all(case.passed for case in artifact.parity.cases)
    assert len(artifact.parity.cases) == 3 + 2 * len(artifact.components)
    if format == "executorch":
        assert artifact.delegation is not None
        assert (artifact.delegation.subgraphs, artifact.delegation.outside_compute) == (1, 0)
        assert tag != "ade20k" or artifact.delegation.outside == ()
