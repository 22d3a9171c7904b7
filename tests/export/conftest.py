"""The exporters, imported quietly, and the exports that several tests look at."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.errors import MissingExtra
from seaformer.core.quiet import quiet
from seaformer.export import FORMATS, export_model
from seaformer.export.rewrites import list_rules
from tests.exports import SIZE, shared, small

with quiet():  # their imports warn about themselves, and warnings are errors here
    for name in FORMATS.names():
        with suppress(MissingExtra):  # of a format whose packages are not installed
            FORMATS.load(name)


@pytest.fixture(scope="session")
def onnx_artifact() -> Artifact:
    return small("onnx")


@pytest.fixture(scope="session")
def executorch_artifact() -> Artifact:
    return small("executorch")


@pytest.fixture(scope="session")
def plain_artifact() -> Artifact:
    """The same network as ``executorch_artifact``, exported as it was written."""

    def export(folder: Path) -> str:
        made = export_model(
            "seaformer_t",
            format="executorch",
            size=SIZE,
            no_rewrite=[rule.name for rule in list_rules()],
            out=folder,
        )
        return str(made.path)

    return load_artifact(shared("executorch-plain", export))
