"""Artifacts that are not what they say, given to a bench."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seaformer.core import files
from seaformer.core.artifact import manifest_path
from tests.commands.program import QUICK, seaformer, stored


def test_a_file_that_was_cut_short_is_not_timed(copied: Path, tmp_path: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:-10])
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert "is not the file its manifest describes: sha256 expected" in told.complaint
    assert stored(tmp_path / "results") == []


def test_a_manifest_that_names_another_digest_is_not_believed(copied: Path, tmp_path: Path) -> None:
    manifest = json.loads(manifest_path(copied).read_text())
    manifest_path(copied).write_text(json.dumps(manifest | {"sha256": "0" * 64}))
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert "sha256 expected 0000000000000000..." in told.complaint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not readable JSON"),
        ('{"schema": 1', "is not readable JSON"),
        ("[]", "expected a document with a schema number"),
        ('{"schema": 1}', "is missing"),
        ('{"schema": 99}', "has schema 99"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_sentence(
    copied: Path, tmp_path: Path, content: str, words: str
) -> None:
    manifest_path(copied).write_text(content)
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert (told.code, told.out) == (3, "")
    assert words in told.complaint


def test_a_model_no_engine_can_load_is_a_failed_row(copied: Path, tmp_path: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:5000])
    manifest = json.loads(manifest_path(copied).read_text())
    manifest |= {"sha256": files.sha256_file(copied), "size_bytes": 5000}
    manifest_path(copied).write_text(json.dumps(manifest))
    told = seaformer("bench", copied, *QUICK, "--json", cwd=tmp_path)
    assert told.code == 4
    (document,) = told.documents
    assert copied.name in document["failure"]
    assert document["valid"] is False
    assert "Traceback" not in told.err
    (path,) = stored(tmp_path / "results")
    assert path.name.endswith("__failed.json")


def test_a_changed_reference_is_a_failed_row(copied: Path, tmp_path: Path) -> None:
    copied.with_name(f"{copied.name}.reference.npz").write_bytes(b"other")
    told = seaformer("bench", copied, *QUICK, cwd=tmp_path)
    assert told.code == 4
    assert "is not the reference its manifest names" in " ".join(told.out.split())
