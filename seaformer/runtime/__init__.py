"""Runtimes: one file per engine, and the C++ runner that drives them where time is taken."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seaformer.core.artifact import Artifact, load_artifact
from seaformer.core.engine import Engine, engines
from seaformer.core.errors import CorruptArtifact
from seaformer.core.model_file import ModelFile
from seaformer.core.registry import Registry
from seaformer.runtime._session import Answer, Array, PartsSession
from seaformer.runtime._session import Session as Session

RUNTIMES = Registry("seaformer.runtime", noun="runtime", extra="export")


def load_session(artifact: Artifact | Path | str) -> Session:
    """Open an artifact in the engine of its format, on this machine's CPU.

    ``run(arrays, method="forward")`` takes and returns numpy arrays: one image tensor
    (1, 3, H, W) in, the scope's output out; a component takes what the ones before it gave.
    Raises ``ArtifactError`` for a file that is damaged or is not the one its manifest describes,
    ``MissingExtra`` when the engine is not installed.

        >>> import numpy
        >>> session = load_session(export_model("seaformer_t", format="onnx", size=(64, 64)))
        >>> (logits,) = session.run([numpy.zeros((1, 3, 64, 64), dtype="float32")])
        >>> logits.shape
        (1, 150, 8, 8)
    """
    if not isinstance(artifact, Artifact):
        artifact = load_artifact(artifact)
    open_session = RUNTIMES.load(artifact.runtime).open_session
    session: Session = open_session(artifact.path)
    if any(method.file for method in artifact.methods):
        return PartsSession(artifact, session, open_session)
    return session


def engine_for(path: Path) -> Engine:
    """The engine that runs files of this suffix. Raises ``CorruptArtifact`` where none does."""
    for row in engines():
        if path.suffix == row.suffix:
            return row
    suffixes = ", ".join(row.suffix for row in engines())
    raise CorruptArtifact(f"{path} is not a model file: its suffix must be one of {suffixes}.")


def describe_file(path: Path) -> ModelFile:
    """What a model file of any origin reports of itself; no manifest is read.

    Raises ``CorruptArtifact`` for a file that is damaged or of another kind, ``MissingExtra`` when
    the package that reads it is not installed.
    """
    row = engine_for(path)
    if not (path.is_file() or path.is_dir()):
        raise CorruptArtifact(f"{path} is not a file.")
    runtime = RUNTIMES.load(row.name)
    if not hasattr(runtime, "describe"):
        raise CorruptArtifact(f"{path}: a file of {row.title} cannot be described.")
    described: ModelFile = runtime.describe(path)
    return described


def answer_of(path: Path, engine: str, arrays: Sequence[Array], precision: str) -> Answer:
    """What this machine computes for a file without a manifest (see ``Answer``)."""
    answer: Answer = RUNTIMES.load(engine).answer(path, arrays, precision)
    return answer
