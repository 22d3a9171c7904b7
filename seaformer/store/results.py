"""``ResultStore``: the folder of raw measurements, append-only.

    results/runs/<device id>/<measurement id>__<model>__<HxW>__<format>__<precision>...json
    results/devices/<device id>.json

Every run file is complete in itself (it repeats its device) and its name is unique, so merging
two people's results is copying files. ``devices/`` is a convenience for readers; nothing here
reads it. A file that cannot be used is reported and left where it is: never fatal, never deleted.
What tables are made of the measurements is not decided here (see ``report``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.errors import ArtifactError, CorruptArtifact, UsageError
from seaformer.core.files import DamagedFile, safe_name
from seaformer.core.measurement import RUNS, SCHEMA, DeviceInfo, Measurement, document, run_path
from seaformer.core.memory import no_collections
from seaformer.core.plural import counted
from seaformer.core.runs import Runs

RESULTS_VARIABLE = "SEAFORMER_RESULTS"
DEVICES = "devices"


def results_dir(named: Path | str | None = None) -> Path:
    """The results folder: the one named, else ``$SEAFORMER_RESULTS``, else ``./results``."""
    return files.expanded(named or os.environ.get(RESULTS_VARIABLE) or "results")


def check_holds_runs(root: Path) -> None:
    """Raise ``UsageError`` for a folder to read from that is missing or holds no run file."""
    if next(run_files(root), None) is None:
        state = "has no measurement" if root.is_dir() else "does not exist"
        state = "is a file" if root.is_file() else state
        hint = "Name another with --results, or: seaformer bench --variant t --threads 1"
        raise UsageError(f"The results folder {root} {state}.", hint=hint)


@dataclass(frozen=True)
class RunFile:
    """A file as the file system describes it, by its path below the results folder.

    A file that changes differs in its size or in its time of change.
    """

    path: str
    size_bytes: int
    changed_ns: int


def run_files(root: Path) -> Iterator[RunFile]:
    """The files under ``runs/``, in no order; none is opened."""
    folder = str(root / RUNS)
    for entry in _json_files(folder):
        with suppress(OSError):  # it went away meanwhile
            status = _status(entry)
            path = RUNS + entry.path.removeprefix(folder).replace(os.sep, "/")
            yield RunFile(path, status.st_size, status.st_mtime_ns)


def _json_files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Whatever is named ``*.json`` and not hidden, at any depth; links to folders are left out.

    A folder that cannot be read is among them, so that reading it reports why.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _is_folder(entry):
                if not os.access(entry.path, os.R_OK | os.X_OK):
                    yield entry
                elif not entry.is_symlink():
                    yield from _json_files(entry.path)
            elif entry.name.endswith(".json") and not entry.name.startswith("."):
                yield entry


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A circle of links is not one: its error would end the list of what lies beside it."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    """That of the link itself where it leads nowhere: reading it reports why."""
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)


@dataclass(frozen=True)
class ResultStore:
    """The measurements under one folder."""

    root: Path

    def path_of(self, measurement: Measurement) -> Path:
        """Where this measurement is stored. What is not measured is marked, and what failed."""
        return self.root / run_path(measurement)

    def append(self, measurement: Measurement) -> Path:
        """Write one measurement, whole or not at all, and return its file.

        Raises ``UsageError`` when a measurement of that name is stored already: nothing is ever
        overwritten. A full disk or a folder that cannot be written to is one clear sentence.
        """
        self.remember(measurement.device)
        path = self.path_of(measurement)
        files.create_text(path, files.json_text(document(measurement)))
        return path

    def remember(self, device: DeviceInfo) -> None:
        """Describe a device in ``devices/``; a description that is there is kept."""
        path = self.root / DEVICES / f"{safe_name(device.id)}.json"
        if not path.exists():
            files.write_json(path, {"schema": SCHEMA} | codec.to_json(device))

    def load(self) -> Runs:
        """Every measurement, oldest first, and every file that had to be skipped."""
        return self.load_files()[0]

    def load_files(self) -> tuple[Runs, tuple[RunFile, ...]]:
        """As ``load``, and for each measurement the file that it was read from."""
        names: dict[str, str] = {}
        pairs: list[tuple[Measurement, RunFile]] = []
        damaged: list[DamagedFile] = []
        folder = str(self.root)
        with no_collections():
            for file in sorted(run_files(self.root), key=attrgetter("path")):
                try:
                    measurement = read_run(f"{folder}/{file.path}", file.path)
                except ArtifactError as error:
                    damaged.append(DamagedFile(file.path, error.message))
                    continue
                first = names.setdefault(measurement.id, file.path)
                if first != file.path:
                    damaged.append(DamagedFile(file.path, f"the same measurement as {first}."))
                    continue
                pairs.append((measurement, file))
        pairs.sort(key=lambda pair: (pair[0].created_at, pair[0].id))
        runs = Runs(tuple(measurement for measurement, _ in pairs), tuple(damaged))
        return runs, tuple(file for _, file in pairs)


def read_run(path: Path | str, name: str) -> Measurement:
    """One run file; messages name it as ``name``, so that they are the same anywhere.

    Raises ``SchemaTooNew`` or ``CorruptArtifact``.
    """
    return parse(files.read_bytes(path, name), where=name)


def parse(content: bytes, *, where: str = "measurement") -> Measurement:
    """A measurement from its JSON text; what is derived in it is ignored and derived again.

    Raises ``SchemaTooNew``, or ``CorruptArtifact`` naming what is wrong.
    """
    return _checked(codec.decode(Measurement, content, where=where, newest=SCHEMA), where)


def parse_all(content: bytes, *, where: str = "measurements") -> list[Measurement]:
    """One measurement, or the list of them that ``seaformer bench --json`` prints."""
    if not content.lstrip().startswith(b"["):
        return [parse(content, where=where)]
    documents = codec.parse(content, where)
    return [
        _checked(codec.from_json(Measurement, one, where=where, newest=SCHEMA), where)
        for one in documents
    ]


def _checked(measurement: Measurement, where: str) -> Measurement:
    """The measurement, unless a number is out of range or samples contradict their processes."""
    if min(measurement.input_shape, default=1) < 1:
        raise CorruptArtifact(
            f"{where}: input_shape must be sizes from 1 on (got {list(measurement.input_shape)})."
        )
    if measurement.artifact_size_bytes < 0:
        raise CorruptArtifact(f"{where}: artifact_size_bytes must be at least 0.")
    for name, run in measurement.methods.items():
        counts = [process.count for process in run.processes]
        if sum(counts) != len(run.samples_ns) or min(counts, default=0) < 0:
            raise CorruptArtifact(
                f"{where}: method {name!r} has {counted(len(run.samples_ns), 'sample')}, "
                f"but its processes list {sum(counts)}."
            )
        if min(run.samples_ns, default=0) < 0:
            raise CorruptArtifact(f"{where}: method {name!r} has a negative sample.")
        for process in run.processes:
            if min(process.load_ns, process.first_ns, process.peak_rss_bytes or 0) < 0:
                raise CorruptArtifact(f"{where}: a process of {name!r} has a negative figure.")
    return measurement
