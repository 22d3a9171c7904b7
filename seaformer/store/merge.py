"""Merging other people's results into a folder: files are copied, whole, under their names.

Those are run files and the records of evaluations (``accuracy/``).

Copying files by hand does the same, since a measurement's id is unique. This one also looks:
what is damaged is not copied, what is here already is not copied twice, and two files of one
id that differ are reported. Nothing that exists is ever changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.accuracy import FOLDER, Accuracy
from seaformer.core.errors import ArtifactError, UsageError
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import RUNS, DeviceInfo, Measurement
from seaformer.store import accuracy
from seaformer.store.index import list_results
from seaformer.store.results import ResultStore, read_run

_HINT = "Name a results folder, a run file or a record of an evaluation."


@dataclass(frozen=True)
class Copy:
    """One file to be copied, from where to where, and the device it describes."""

    source: Path
    target: Path
    device: DeviceInfo


@dataclass(frozen=True)
class EvaluationCopy:
    """One record of an evaluation to be copied."""

    source: Path
    target: Path


@dataclass(frozen=True)
class MergePlan:
    """What a merge copies, and what it leaves where it is.

    ``devices`` are the ids that are new here. ``present`` measurements and evaluations are here
    already; ``conflicts`` are here with other content, or two sources differ, or a damaged file has
    their name; ``namesakes`` are sentences about devices that share an id and are not alike.
    """

    copies: tuple[Copy, ...]
    evaluations: tuple[EvaluationCopy, ...]
    devices: tuple[str, ...]
    present: int
    conflicts: tuple[DamagedFile, ...]
    damaged: tuple[DamagedFile, ...]
    namesakes: tuple[str, ...]


def plan_merge(store: ResultStore, sources: Sequence[Path]) -> MergePlan:
    """What merging ``sources`` (results folders, run files or records) into ``store`` would do.

    Raises ``UsageError`` for a source that does not exist, that holds no result, or that is the
    store itself.
    """
    for source in sources:
        _check_source(store, source)
    evaluations = _evaluations(store, sources)
    here = list_results(store.root).entries
    known = {entry.id: store.root / entry.path for entry in here}
    first = {entry.device: store.root / entry.path for entry in reversed(here)}
    devices: dict[str, DeviceInfo] = {}
    copies: list[Copy] = []
    conflicts: list[DamagedFile] = []
    damaged: list[DamagedFile] = []
    namesakes: dict[str, None] = {}
    present = 0
    for path in (path for source in sources for path in _run_files(source)):
        try:
            one = read_run(path, str(path))
        except ArtifactError as error:
            damaged.append(DamagedFile(str(path), error.message))
            continue
        if one.id in known:
            same = _same(known[one.id], one)
            present += same
            conflicts += [] if same else [_conflict(path, one)]
            continue
        known[one.id] = path
        target = store.path_of(one)
        if os.path.lexists(target):
            conflicts.append(_name_taken(path, target))
            continue
        device = one.device
        if device.id in first and device.id not in devices:
            devices[device.id] = read_run(first[device.id], str(first[device.id])).device
        namesakes |= dict.fromkeys(_namesakes(devices.setdefault(device.id, device), device))
        copies.append(Copy(path, target, device))
    return MergePlan(
        copies=tuple(copies),
        evaluations=tuple(evaluations.copies),
        devices=tuple(dict.fromkeys(c.device.id for c in copies if c.device.id not in first)),
        present=present + evaluations.present,
        conflicts=(*conflicts, *evaluations.conflicts),
        damaged=(*damaged, *evaluations.damaged),
        namesakes=tuple(namesakes),
    )


def merge(plan: MergePlan, store: ResultStore) -> None:
    """Copy what the plan lists, file by file, byte by byte; each is whole or absent.

    Raises ``UsageError`` when a name is taken by another file: nothing is overwritten.
    """
    for copy in plan.copies:
        files.create_bytes(copy.target, copy.source.read_bytes())
        store.remember(copy.device)
    for record in plan.evaluations:
        files.create_bytes(record.target, record.source.read_bytes())


@dataclass
class _Evaluations:
    """What becomes of the records of the sources."""

    copies: list[EvaluationCopy] = field(default_factory=list)
    present: int = 0
    conflicts: list[DamagedFile] = field(default_factory=list)
    damaged: list[DamagedFile] = field(default_factory=list)


def _evaluations(store: ResultStore, sources: Sequence[Path]) -> _Evaluations:
    plan = _Evaluations()
    known = {one.id: one for one in accuracy.load(store.root)[0]}
    for path in (path for source in sources for path in _record_files(source)):
        try:
            one = accuracy.parse(files.read_bytes(path, str(path)), str(path))
        except ArtifactError as error:
            plan.damaged.append(DamagedFile(str(path), error.message))
            continue
        target = store.root / accuracy.record_path(one)
        if one.id not in known and os.path.lexists(target):
            plan.conflicts.append(_name_taken(path, target))
        elif one.id not in known:
            plan.copies.append(EvaluationCopy(path, target))
        elif codec.to_json(known[one.id]) == codec.to_json(one):  # NaN is equal there
            plan.present += 1
        else:
            plan.conflicts.append(_conflict(path, one, "evaluation"))
        known.setdefault(one.id, one)
    return plan


def _same(path: Path, other: Measurement) -> bool:
    """Whether a file holds this measurement; what is derived and NaN do not count."""
    return bool(codec.to_json(read_run(path, str(path))) == codec.to_json(other))


def _check_source(store: ResultStore, source: Path) -> None:
    if not source.exists():
        raise UsageError(f"{source} does not exist.", hint=_HINT)
    own = (store.root, store.root / RUNS, store.root / FOLDER)
    if source.resolve() in {path.resolve() for path in own}:
        raise UsageError(f"{source} is the results folder itself: there is nothing to merge.")
    if not _run_files(source) and not _record_files(source):
        expected = f"{RUNS}/<device>/*.json or {FOLDER}/<data>/*.json"
        raise UsageError(f"{source} holds no results: expected {expected} below it.", hint=_HINT)


def _run_files(source: Path) -> list[Path]:
    """The run files of a results folder, of its ``runs`` or a device's folder, or the one file."""
    if _is_of_records(source):
        return []
    if not source.is_dir():
        return [source]
    if (source / RUNS).is_dir():
        return _json_files(source / RUNS)
    return [] if (source / FOLDER).is_dir() else _json_files(source)


def _record_files(source: Path) -> list[Path]:
    """The records of a results folder, of its ``accuracy`` or a data set's folder, or the file."""
    if not source.is_dir():
        return [source] if _is_of_records(source) else []
    return _json_files(source if _is_of_records(source) else source / FOLDER)


def _is_of_records(source: Path) -> bool:
    """Whether a source is ``accuracy``, a folder in it, or one record wherever it is."""
    if source.is_dir():
        whole = (source / RUNS).is_dir() or (source / FOLDER).is_dir()
        return not whole and FOLDER in (source.resolve().name, source.resolve().parent.name)
    try:
        accuracy.parse(files.read_bytes(source, str(source)), str(source))
    except ArtifactError:
        return False
    return True


def _json_files(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*.json") if path.is_file())
    return sorted(path for path in paths if not path.name.startswith("."))


def _conflict(path: Path, one: Measurement | Accuracy, noun: str = "measurement") -> DamagedFile:
    return DamagedFile(str(path), f"another {noun} has the id {one.id} and differs.")


def _name_taken(path: Path, target: Path) -> DamagedFile:
    return DamagedFile(str(path), f"{target} has its name and is another file or a damaged one.")


def _namesakes(one: DeviceInfo, other: DeviceInfo) -> Iterator[str]:
    """What differs for good between two devices of one id; a new kernel is the same device."""
    for name in ("target", "model", "architecture", "cores"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            yield (
                f"Two devices share the id {one.id}: {name} {mine} here, {theirs} there. "
                "Tables keep them apart."
            )
            return
