"""``seaformer export`` as a command."""

from __future__ import annotations

import json
from pathlib import Path

from seaformer.core import files
from seaformer.core.artifact import manifest_path
from tests.commands.program import seaformer
from tests.exports import CommandExport


def test_an_export_prints_its_manifests_as_json(exported: CommandExport) -> None:
    documents = {d["format"]: d for d in json.loads(exported.stdout)}
    assert set(documents) == {"onnx", "executorch"}
    for document in documents.values():
        path = Path(document["path"])
        assert path.is_absolute()
        assert document["sha256"] == files.sha256_file(path)
        assert document["precision"] == "fp32"
        assert document["parity"]["max_abs"] < 1e-3
        assert document["parity"]["argmax_agreement"] >= 0.999
        told = json.loads(manifest_path(path).read_text())
        assert told == {key: value for key, value in document.items() if key != "path"}
    delegation = documents["executorch"]["delegation"]
    assert delegation["subgraphs"] == 1
    assert isinstance(delegation["outside"], list)
    assert not any(operator["computes"] for operator in delegation["outside"])
    assert documents["onnx"]["delegation"] is None
    assert "verify against the PyTorch model" in exported.stderr


def test_the_help_tells_that_a_variant_may_be_of_seaformer_plus(tmp_path: Path) -> None:
    told = seaformer("export", "--help", cwd=tmp_path, COLUMNS="200")
    assert "t++" in told.out
    assert "t++kd" in told.out
