"""A sweep: tasks to a cluster, their records into a store as they end, and a line for each.

    results/sweeps/<key>.json     what became of a task; of one that succeeded it is not run again

The store is append-only and every file whole or absent, so the same command continues a sweep that
was killed, and what a worker did twice is kept once: only the answer that came back is merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from seaformer.core import codec, files
from seaformer.core.accuracy import FOLDER
from seaformer.core.errors import ArtifactError, CorruptArtifact
from seaformer.core.measurement import RUNS
from seaformer.core.plural import counted
from seaformer.core.scratch import temporary_folder
from seaformer.store.merge import merge, plan_merge
from seaformer.store.results import ResultStore
from seaformer.sweep.cluster import Ended, cluster, each
from seaformer.sweep.division import EXPORT, Task
from seaformer.sweep.task import TaskAnswer, TaskOrder, perform

SCHEMA = 1
SWEEPS = "sweeps"


@dataclass(frozen=True)
class TaskRecord:
    """One task as the results folder keeps it; ``output`` is what an export printed.

    ``error`` is empty where it succeeded, ``records`` are how many results it gave.
    """

    schema: int
    command: str
    code: int
    error: str
    host: str
    seconds: float
    records: int
    ended_at: str
    output: str = ""


@dataclass(frozen=True)
class SweepPlan:
    """Where tasks run, and where their results go. ``again``: also what succeeded before."""

    store: Path
    scheduler: str = ""
    workers: int = 0
    again: bool = False


def sweep(
    tasks: Sequence[Task], plan: SweepPlan, progress: Callable[[str], None] = lambda _: None
) -> Iterator[TaskRecord]:
    """Run what has not succeeded yet; a record of each task, as it is kept.

    Raises ``MissingExtra`` without Dask, ``UsageError`` where nothing answers at the address or
    the results could not be written.
    """
    files.check_dir(plan.store / SWEEPS)
    waiting = {task.key: task for task in tasks if plan.again or not _succeeded(plan.store, task)}
    if known := len(tasks) - len(waiting):
        progress(f"{known:,} of {counted(len(tasks), 'task')} succeeded before")
    if not waiting:
        return
    orders = {key: _order(task) for key, task in waiting.items()}
    with cluster(plan.scheduler, plan.workers) as client:
        progress(f"{counted(len(waiting), 'task begins', 'tasks begin')}")
        for number, one in enumerate(each(client, perform, orders, "seaformer"), 1):
            record = _kept(plan.store, waiting[one.key], one)
            progress(f"task {number:,} of {len(waiting):,}: {record.command}")
            yield record


def _order(task: Task) -> TaskOrder:
    """An export keeps its file where it was made, and prints the manifest; others have records."""
    argv = ("-m", "seaformer", *task.argv, "--json")
    return TaskOrder(argv, str(Path.cwd()), keeps=task.argv[0] != EXPORT)


def record_path(store: Path, task: Task) -> Path:
    """Where the record of a task is kept."""
    return store / SWEEPS / f"{task.key}.json"


def _succeeded(store: Path, task: Task) -> bool:
    path = record_path(store, task)
    try:
        return path.is_file() and read(path).code == 0
    except ArtifactError:
        return False


def read(path: Path) -> TaskRecord:
    """A record from its file. Raises ``CorruptArtifact`` or ``SchemaTooNew``."""
    return codec.decode(TaskRecord, files.read_bytes(path), where=path.name, newest=SCHEMA)


def _kept(store: Path, task: Task, one: Ended[TaskAnswer]) -> TaskRecord:
    """Results first, then the record, which ends the task."""
    answer = one.answer or TaskAnswer(1, message=one.error, host="")
    # Behind the progress of the command is its sentence, and the hint in a line of its own.
    error = " ".join(answer.message.rpartition("Error: ")[2].split()) if answer.code else ""
    if answer.code == 0:
        try:
            _merge(store, answer.records)
        except ArtifactError as problem:
            error = problem.message
    record = TaskRecord(
        SCHEMA, str(task), answer.code if not error or answer.code else 1, error, answer.host,
        answer.seconds, len(answer.records), datetime.now(UTC).isoformat(timespec="seconds"),
        answer.output if task.argv[0] == "export" else "",
    )  # fmt: skip
    files.write_json(record_path(store, task), codec.to_json(record))
    return record


def _merge(store: Path, records: Iterable[tuple[str, bytes]]) -> None:
    """Results of a worker into the store, looked at as those of anybody are."""
    listed = tuple(records)
    if not listed:
        return
    with temporary_folder("merge") as folder:
        for name, content in listed:
            place = PurePosixPath(name)
            if (
                place.parts[:1] not in ((RUNS,), (FOLDER,))
                or len(place.parts) != 3
                or (".." in place.parts)
            ):
                raise CorruptArtifact(f"A worker gave a result of the name {name!r}.")
            path = folder / place
            files.make_dir(path.parent)
            files.write_bytes(path, content)
        results = ResultStore(store)
        plan = plan_merge(results, [folder])
        if problems := (*plan.damaged, *plan.conflicts):
            raise CorruptArtifact(f"A worker gave a result that is refused: {problems[0].reason}")
        merge(plan, results)
