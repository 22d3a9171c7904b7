"""The exporters, imported quietly, and the exports that several tests look at."""

from __future__ import annotations

import pytest
import torch

from seaformer.core.artifact import Artifact
from seaformer.core.quiet import quiet
from seaformer.export import FORMATS
from tests.exports import small

with quiet():  # their imports warn about themselves, and warnings are errors here
    for name in FORMATS.names():
        FORMATS.load(name)

torch.set_num_threads(1)  # small networks on shared cores wait for each other otherwise


@pytest.fixture(scope="session")
def onnx_artifact() -> Artifact:
    return small("onnx")


@pytest.fixture(scope="session")
def executorch_artifact() -> Artifact:
    return small("executorch")
