"""From an evaluation to the record that a results folder keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from seaformer.core import files
from seaformer.core.accuracy import SCHEMA, Accuracy
from seaformer.core.artifact import Artifact
from seaformer.core.measurement import new_id
from seaformer.core.precision import BASE
from seaformer.data.dataset import DataSet
from seaformer.evaluation.predictor import Predictor
from seaformer.evaluation.run import Evaluation
from seaformer.store import accuracy
from seaformer.store.checkout import commit_of


@dataclass(frozen=True)
class Subject:
    """What was evaluated: a network, or a file where ``format`` is not empty."""

    model: str
    input_shape: tuple[int, ...]
    format: str = ""
    precision: str = BASE.name
    scope: str = "logits"
    weights: str = ""
    file: str = ""
    sha256: str = ""


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


@dataclass(frozen=True)
class Keeping:
    """Where records are kept, and the line that made them."""

    results: Path
    command: str = ""


def keep(
    keeping: Keeping, data: DataSet, subjects: Sequence[Subject], rows: Sequence[Evaluation]
) -> tuple[Path, ...]:
    """Store a record of each evaluation; the file of each."""
    commit = commit_of(keeping.results)
    records = [
        _record(subject, row, data, keeping.command, commit)
        for subject, row in zip(subjects, rows, strict=True)
    ]
    return tuple(accuracy.append(keeping.results, one) for one in records)


def _record(
    subject: Subject, row: Evaluation, data: DataSet, command: str, commit: str
) -> Accuracy:
    interval = row.miou_ci95
    return Accuracy(
        schema=SCHEMA,
        id=new_id(),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        model=subject.model,
        input_shape=subject.input_shape,
        format=subject.format,
        precision=subject.precision,
        scope=subject.scope,
        weights=subject.weights,
        artifact_file=subject.file,
        artifact_sha256=subject.sha256,
        data=Path(data.folder).absolute().name,
        dataset=data.dataset,
        split=row.split,
        task=row.task,
        mode=row.mode,
        images=row.images,
        skipped=row.skipped,
        miou=row.miou,
        miou_low=interval.low if interval else None,
        miou_high=interval.high if interval else None,
        macc=row.macc,
        aacc=row.aacc,
        iou=row.iou,
        top1=row.top1,
        top5=row.top5,
        ap=row.ap,
        command=command,
        commit=commit,
    )
