"""A manifest and the file it describes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seaformer.core import artifact as artifacts
from seaformer.core import codec, files
from seaformer.core.artifact import Artifact, Delegation, Method, OutsideOperator, TensorInfo
from seaformer.core.errors import ArtifactError, ChecksumMismatch, CorruptArtifact, SchemaTooNew
from seaformer.core.spec import ModelSpec, PaperRow
from seaformer.core.stem import stem

SPEC = ModelSpec(
    name="seaformer_t.ade20k",
    family="seaformer",
    task="segmentation",
    dataset="ade20k",
    classes=150,
    input_shape=(1, 3, 512, 512),
    output_shape=(1, 150, 64, 64),
    paper=PaperRow("table02_ade20k", "SeaFormer-T", 1.7, 0.6, 40.0),
)
PARITY = artifacts.Parity(
    verified_by="prediction",
    runtime="onnxruntime",
    max_abs=1.2e-6,
    relative_error=1e-6,
    psnr_db=None,
    argmax_agreement=1.0,
    tolerance="1e-4 of the range",
    cases=(artifacts.ParityCase("photograph", 1.2e-6, 1e-6, None, 1.0, True),),
)


def write(folder: Path, content: bytes = b"weights", **changes: Any) -> Path:
    path = folder / f"{stem(SPEC, 'fp32', 'logits')}.onnx"
    path.write_bytes(content)
    image = TensorInfo("image", "float32", (1, 3, 512, 512))
    output = TensorInfo("output", "float32", (1, 150, 64, 64))
    made = Artifact(
        schema=artifacts.SCHEMA,
        file=path.name,
        spec=SPEC,
        format="onnx",
        precision="fp32",
        scope="logits",
        sha256=files.sha256_file(path),
        size_bytes=len(content),
        methods=(Method("forward", (image,), (output,)),),
        exporter="torch.onnx",
        created_at="2026-07-29T10:11:12+00:00",
        parity=PARITY,
        tools={"torch": "2.13.0"},
        operators={"Conv": 40},
        opset=18,
        delegation=Delegation("xnnpack", 1, 80, (OutsideOperator("copy", 1, False, "input"),)),
    )
    files.write_json(artifacts.manifest_path(path), codec.to_json(made) | changes)
    return path


def test_an_artifact_is_read_from_its_file_or_its_manifest(tmp_path: Path) -> None:
    path = write(tmp_path)
    loaded = artifacts.load_artifact(path)
    assert loaded == artifacts.load_artifact(str(artifacts.manifest_path(path)))
    assert loaded.path == path.resolve()
    assert loaded.model == "seaformer_t.ade20k"
    assert loaded.spec.paper is not None
    assert codec.from_json(Artifact, codec.to_json(loaded)) == loaded


def test_the_place_of_a_file_is_not_in_its_manifest(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert str(tmp_path) not in artifacts.manifest_path(path).read_text()


def test_a_file_that_was_changed_is_refused_with_both_digests(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"weight")
    with pytest.raises(ChecksumMismatch, match=r"sha256 expected [0-9a-f]{16}.*found") as told:
        artifacts.load_artifact(path)
    assert told.value.exit_code == 3
    assert artifacts.load_artifact(path, check=False).size_bytes == 7


def test_a_manifest_of_a_newer_schema_says_what_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, schema=artifacts.SCHEMA + 1)
    with pytest.raises(SchemaTooNew, match="has schema 2; this seaformer reads up to 1") as told:
        artifacts.load_artifact(path)
    assert "pip install" in told.value.hint


def test_fields_of_a_later_version_do_not_disturb(tmp_path: Path) -> None:
    assert artifacts.load_artifact(write(tmp_path, later={"a": 1})).opset == 18


def cut(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes()[:200])


def without_sha256(manifest: Path) -> None:
    data = json.loads(manifest.read_text())
    del data["sha256"]
    manifest.write_text(json.dumps(data))


def of_another_shape(manifest: Path) -> None:
    manifest.write_text(json.dumps([1, 2]))


def with_text_for_a_shape(manifest: Path) -> None:
    data = json.loads(manifest.read_text())
    data["spec"]["input_shape"] = "1x3x512x512"
    manifest.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "damage",
    [cut, without_sha256, of_another_shape, with_text_for_a_shape, Path.unlink],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_manifest_is_a_corrupt_artifact(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = write(tmp_path)
    damage(artifacts.manifest_path(path))
    with pytest.raises(CorruptArtifact, match=path.name) as told:
        artifacts.load_artifact(path)
    assert told.value.exit_code == 3


def test_a_file_that_is_absent_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.onnx does not exist") as told:
        artifacts.load_artifact(tmp_path / "absent.onnx")
    assert "seaformer export" in told.value.hint


def test_a_method_is_found_by_name_or_the_known_ones_are_told(tmp_path: Path) -> None:
    loaded = artifacts.load_artifact(write(tmp_path))
    assert loaded.method("forward").name == "forward"
    with pytest.raises(CorruptArtifact, match="has no method 'stem'; it has forward"):
        loaded.method("stem")


def test_a_scope_beyond_the_logits_is_in_the_name() -> None:
    assert stem(SPEC, "fp16", "logits") == "seaformer_t.ade20k__512x512__fp16"
    assert stem(SPEC, "fp32", "argmax").endswith("__fp32__argmax")


def test_operators_that_only_copy_are_not_counted_as_left_outside() -> None:
    outside = (OutsideOperator("copy", 2, False, ""), OutsideOperator("mean", 3, True, "axis"))
    assert Delegation("xnnpack", 1, 80, outside).outside_compute == 3


@pytest.mark.parametrize(
    ("weights", "classes", "tail"),
    [
        ("seeded:0", 150, ""),
        ("seeded:3", 150, "__seed3"),
        ("seeded:0", 7, "__7classes"),
        ("sha256:1a2b3c4d5e6f", 150, "__w1a2b3c4d"),
        ("sha256:1a2b3c4d5e6f+ema", 150, "__w1a2b3c4d-ema"),
        ("seeded:3+backbone-sha256:1a2b3c4d5e6f", 150, "__seed3__backbone-1a2b3c4d"),
        ("seeded:0+backbone-sha256:1a2b3c4d5e6f", 19, "__19classes__backbone-1a2b3c4d"),
    ],
)
def test_a_files_name_has_the_weights_and_classes_that_are_not_the_default(
    weights: str, classes: int, tail: str
) -> None:
    spec = dataclasses.replace(SPEC, weights=weights, classes=classes)
    name = stem(spec, "fp32", "argmax", default=SPEC)
    assert name == f"seaformer_t.ade20k__512x512__fp32{tail}__argmax"
