"""``Subject``: what was evaluated, as its record describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seaformer.core import files
from seaformer.core.artifact import Artifact
from seaformer.core.precision import BASE
from seaformer.evaluation.predictor import Predictor


@dataclass(frozen=True)
class Subject:
    """A network, or a file where ``format`` is not empty; ``device`` is empty for this machine."""

    model: str
    input_shape: tuple[int, ...]
    format: str = ""
    precision: str = BASE.name
    scope: str = "logits"
    weights: str = ""
    file: str = ""
    sha256: str = ""
    device: str = ""


def subject_of(file: Artifact | Path, predictor: Predictor) -> Subject:
    """A file as its manifest describes it; without one, by its name and what it answers."""
    if not isinstance(file, Artifact):
        height, width = predictor.size or (0, 0)
        return Subject(
            file.name, (1, 3, height, width), file.suffix.removeprefix("."), "",
            predictor.scope, file=file.name, sha256=files.sha256_file(file),
        )  # fmt: skip
    spec = file.spec
    shape = (*spec.input_shape[:2], *(predictor.size or spec.input_shape[2:]))
    return Subject(
        spec.name, shape, file.format, file.precision, file.scope, spec.weights,
        file.file, file.sha256,
    )  # fmt: skip
