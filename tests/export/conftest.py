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


@pytest.fixture(scope="session", autouse=True)
def _exporters() -> None:
    """Imported where a test exports, not by each worker that lists the tests.

    Core ML's packages take 4 s, for slow tests alone: those import them (``test_coreml.py``).
    """
    with quiet():  # their imports warn about themselves, and warnings are errors here
        for name in FORMATS.names():
            if name != "coreml":
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
