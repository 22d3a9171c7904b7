"""Small exports that several tests look at, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seaformer.core.artifact import Artifact
from seaformer.export import FORMATS, export_model
from seaformer.export._quiet import quiet

with quiet():  # their imports warn about themselves, and warnings are errors here
    for name in FORMATS.names():
        FORMATS.load(name)

torch.set_num_threads(1)  # small networks on shared cores wait for each other otherwise

SMALL = (64, 96)


@pytest.fixture(scope="session")
def onnx_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    out: Path = tmp_path_factory.mktemp("onnx")
    return export_model("seaformer_t", format="onnx", size=SMALL, out=out)


@pytest.fixture(scope="session")
def executorch_artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    out: Path = tmp_path_factory.mktemp("executorch")
    return export_model("seaformer_t", format="executorch", size=SMALL, out=out)
