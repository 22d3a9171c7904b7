"""Manifests from anybody: names that leave the folder, numbers out of range, contradicting shapes.

A manifest as it is written passes; one that is changed in one place is refused by that field's name
and nothing it names is opened.
"""

from __future__ import annotations

import copy
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from seaformer.core import codec
from seaformer.core.artifact import Artifact, Reference, SideFile, load_artifact, manifest_path
from seaformer.core.errors import ArtifactError, ChecksumMismatch, CorruptArtifact
from seaformer.core.manifest import is_bare
from tests.core.test_artifact import write
from tests.fuzzing import budget, mutate

ELSEWHERE = ["/etc/passwd", "../../x", "a/../../x", "..", ".", "", "a\0b", "a\\b", "a/b", "x" * 300]
CHANGES: list[tuple[tuple[Any, ...], Any, str]] = [
    *((("file",), name, "file must be a bare file name") for name in ELSEWHERE),
    *((("reference", "file"), name, r"reference\.file must be a bare") for name in ELSEWHERE),
    *((("operator_map", "file"), name, r"operator_map\.file must be a") for name in ELSEWHERE),
    *(
        (("methods", 0, "file"), name, r"methods\[0\]\.file must be a file in a folder \*\.parts")
        for name in [*ELSEWHERE, "etc/passwd", "../x.parts/y", ".parts/../x"]
        if name and is_bare(name) is False
    ),
    (("reference", "inputs"), {"forward": ["../x"]}, r"reference\.inputs must be a bare"),
    (("reference", "outputs"), {"forward": ["/x"]}, r"reference\.outputs must be a bare"),
    (("reference", "stride"), 0, r"reference\.stride must be at least 1 \(got 0\)"),
    (("precision",), "fp99", r"precision must be one of fp32, fp16, int8 \(got 'fp99'\)"),
    (("format",), "tnn", "format must be one of onnx, executorch, ncnn, litert, coreml"),
    (("scope",), "boxes", "scope must be one of logits, upsample, argmax"),
    (("spec", "task"), "dreams", r"spec\.task must be one of segmentation"),
    (("spec", "classes"), 0, r"spec\.classes must be at least 1"),
    (("size_bytes",), -1, "size_bytes must be at least 0"),
    (("size_bytes",), 10**400, "size_bytes: expected a number of at most 63 bits"),
    (("operators", "Conv"), -3, r"operators\.Conv must be at least 0"),
    (("delegation", "subgraphs"), -1, r"delegation\.subgraphs must be at least 0"),
    (("spec", "input_shape"), [1, 3, 64, 64], r"input_shape must be \[1, 3, 512, 512\], that of f"),
    (("spec", "input_shape"), [1, 3, 0, 64], r"input_shape must be sizes from 1 on"),
    (("spec", "input_shape"), [1, 3, 2**40, 2**20], r"at most 2147483648 values"),
    (("spec", "output_shape"), [1, 150, 7, 7], r"output_shape must be \[1, 150, 64, 64\], that of"),
    (("methods", 0, "inputs", 0, "dtype"), "O8", r"inputs\[0\]\.dtype must be one of float16"),
    (("methods",), [], r"methods must be the network \(forward\)"),
]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with everything beside it that a manifest can name."""
    folder = tmp_path_factory.mktemp("plain")
    path = write(
        folder,
        reference=codec.to_json(Reference("r.npz", "0" * 64, "china.jpg", 1)),
        operator_map=codec.to_json(SideFile("o.json", "0" * 64)),
    )
    assert load_artifact(path).reference is not None
    return path


def changed(document: Any, where: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value in one place."""
    document = copy.deepcopy(document)
    at = document
    for step in where[:-1]:
        at = at[step]
    at[where[-1]] = value
    return document


@pytest.mark.parametrize(("where", "value", "reason"), CHANGES)
def test_a_manifest_that_names_or_counts_what_it_cannot_is_refused(
    plain: Path, tmp_path: Path, where: tuple[Any, ...], value: Any, reason: str
) -> None:
    path = tmp_path / plain.name
    os.link(plain, path)
    document = json.loads(manifest_path(plain).read_text())
    manifest_path(path).write_text(json.dumps(changed(document, where, value)))
    with pytest.raises(CorruptArtifact, match=reason) as refused:
        load_artifact(path)
    assert refused.value.exit_code == 3
    assert len(refused.value.message) < 500


def test_methods_are_named_once(plain: Path, tmp_path: Path) -> None:
    document = json.loads(manifest_path(plain).read_text())
    path = write(tmp_path, methods=document["methods"] * 2)
    with pytest.raises(CorruptArtifact, match="methods must be named differently"):
        load_artifact(path)


def test_a_component_lies_in_the_folder_beside_its_artifact(tmp_path: Path) -> None:
    plain = json.loads(manifest_path(write(tmp_path)).read_text())["methods"]
    stem = plain[0] | {"name": "stem", "file": "x.onnx.parts/stem.onnx", "sha256": "0" * 64}
    path = write(tmp_path, methods=[*plain, stem])
    (tmp_path / "x.onnx.parts").mkdir()
    (tmp_path / "x.onnx.parts" / "stem.onnx").write_bytes(b"other weights")
    with pytest.raises(ChecksumMismatch, match=r"stem\.onnx is not the file"):
        load_artifact(path)


def test_a_pipe_or_a_device_in_the_place_of_a_model_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    for replace in (os.mkfifo, lambda name: name.symlink_to("/dev/zero")):
        path.unlink()
        replace(path)
        with pytest.raises(CorruptArtifact, match="cannot be read: it is not a regular file"):
            load_artifact(path)


def test_a_manifest_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path)
    manifest_path(path).unlink()
    os.mkfifo(manifest_path(path))
    with pytest.raises(CorruptArtifact, match=r"onnx\.json is not a regular file"):
        load_artifact(path)


@budget
@given(some.data())
def test_whatever_is_changed_in_a_manifest_is_loaded_or_refused_with_one_sentence(
    plain: Path, data: some.DataObject
) -> None:
    document = json.loads(manifest_path(plain).read_text())
    for _ in range(data.draw(some.integers(1, 3))):
        mutate(document, data)
    with suppress(ArtifactError):  # exit 3; anything else is a crash
        loaded = load(plain, document)
        beside = [loaded.file, *(method.file for method in loaded.methods if method.file)]
        beside += [loaded.reference.file] if loaded.reference else []
        for name in beside:
            assert (plain.parent / name).resolve().is_relative_to(plain.parent)


def load(plain: Path, document: Any) -> Artifact:
    """The manifest as ``load_artifact`` reads it, without the model's file."""
    plain.with_name("fuzzed.json").write_text(json.dumps(document))
    fuzzed = plain.with_name("fuzzed")
    fuzzed.touch()
    return load_artifact(fuzzed, check=False)
