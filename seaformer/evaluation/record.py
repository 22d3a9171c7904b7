"""From an evaluation to the record that a results folder keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from seaformer.core.accuracy import SCHEMA, Accuracy
from seaformer.core.errors import SeaFormerError
from seaformer.core.measurement import new_id
from seaformer.data.dataset import DataSet
from seaformer.evaluation.outcome import Evaluation
from seaformer.evaluation.subject import Subject
from seaformer.store import accuracy
from seaformer.store.checkout import commit_of


@dataclass(frozen=True)
class Keeping:
    """Where records are kept, and the line that made them.

    ``unkept`` is called with the evaluations and with the records that could not be stored.
    """

    results: Path
    command: str = ""
    unkept: Callable[[Sequence[Evaluation], Sequence[Accuracy]], None] | None = None


def keep(
    keeping: Keeping, data: DataSet, subjects: Sequence[Subject], rows: Sequence[Evaluation]
) -> tuple[Path, ...]:
    """Store a record of each evaluation; the file of each. Raises what stops the first of them."""
    commit = commit_of(keeping.results)
    records = [
        _record(subject, row, data, keeping.command, commit)
        for subject, row in zip(subjects, rows, strict=True)
    ]
    stored: list[Path] = []
    try:
        for one in records:
            stored.append(accuracy.append(keeping.results, one))
    except SeaFormerError:
        if keeping.unkept is not None:
            keeping.unkept(rows, records[len(stored) :])
        raise
    return tuple(stored)


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
        device=subject.device,
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
