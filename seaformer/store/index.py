"""An index of a results folder, so that thousands of files list fast: SQLite, made from the files.

The files are the truth. The index holds what a list shows of each, with its size and time of
change; a file that is new or changed is read, one that is gone is forgotten. It lies in the cache
folder, is thrown away when it is damaged or of another version, and can be deleted at any time.
"""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from seaformer.core import files
from seaformer.core.counts import typical
from seaformer.core.errors import ArtifactError
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import MEASURED, SCHEMA, Measurement
from seaformer.core.stem import variant
from seaformer.store import database
from seaformer.store.database import storable
from seaformer.store.results import RunFile, read_run, run_files

_BATCH = 500


@dataclass(frozen=True)
class IndexEntry:
    """What a list shows of one stored measurement; ``path`` is relative to the results folder.

    ``variant`` is what distinguishes the file from others of its model, precision and scope;
    ``median_ms`` is the median of process medians of the whole network (or of the one method
    measured); ``instructions`` of one inference where they were counted.
    """

    path: str
    id: str
    schema: int
    created_at: str
    source: str
    model: str
    size: str
    format: str
    precision: str
    scope: str
    device: str
    device_name: str
    core: str
    threads: int
    methods: str
    valid: bool
    failure: str | None
    median_ms: float | None
    instructions: int | None
    artifact_sha256: str
    variant: str
    size_bytes: int

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two measurements repeats of each other."""
        where = (self.source, self.device, self.device_name, self.core, self.threads)
        file = (self.model, self.size, self.format, self.precision, self.scope, self.variant)
        return (*where, *file, self.methods)


@dataclass(frozen=True)
class Listing:
    """Everything under one results folder, oldest first, and how it was found.

    ``read`` files had to be opened, the others were known. ``kept`` is false when the index could
    not be written and the next listing will read every file again.
    """

    entries: tuple[IndexEntry, ...]
    damaged: tuple[DamagedFile, ...]
    read: int
    kept: bool

    def shared_ids(self) -> dict[str, tuple[str, ...]]:
        """Device ids that more than one device bears, with the devices' names."""
        names: dict[str, list[str]] = {}
        for entry in self.entries:
            seen = names.setdefault(entry.device, [])
            if entry.device_name not in seen:
                seen.append(entry.device_name)
        return {device: tuple(seen) for device, seen in names.items() if len(seen) > 1}


_COLUMNS = tuple(field.name for field in fields(IndexEntry))
_VALID = _COLUMNS.index("valid")
_LAYOUT = database.Layout(
    3 * 1000 + SCHEMA,
    [
        ("files", "path TEXT PRIMARY KEY, size_bytes INTEGER, changed_ns INTEGER, reason TEXT"),
        ("entries", f"{', '.join(_COLUMNS)}, PRIMARY KEY (path)"),
    ],
)


def index_path(root: Path) -> Path:
    """Where the index of a results folder lies: in the cache, named after the folder."""
    return database.path_for(root, "")


def list_results(root: Path, *, rebuild: bool = False) -> Listing:
    """Every measurement under ``root``; only files that are new or changed are opened.

    A damaged index is made again, one that cannot be written is done without. A results folder
    that does not exist is empty.
    """
    path = index_path(root)
    if rebuild:
        files.remove(path)
    listing, kept = database.using(path, _LAYOUT, lambda opened: _refreshed(opened, root))
    return replace(listing, kept=kept)


def _refreshed(opened: sqlite3.Connection, root: Path) -> Listing:
    known = set(opened.execute("SELECT path, size_bytes, changed_ns FROM files"))
    present = {(file.path, file.size_bytes, file.changed_ns) for file in run_files(root)}
    with opened:
        for table in ("files", "entries"):
            gone = ((path,) for path, *_ in known - present)
            opened.executemany(f"DELETE FROM {table} WHERE path = ?", gone)
    fresh = [RunFile(*one) for one in sorted(present - known)]
    for start in range(0, len(fresh), _BATCH):
        _store(opened, root, fresh[start : start + _BATCH])
    entries, damaged = _read_back(opened)
    return Listing(entries, damaged, len(fresh), True)


def _store(opened: sqlite3.Connection, root: Path, fresh: Sequence[RunFile]) -> None:
    """Read files and keep what a list shows of them, or why they cannot be used."""
    entries, indexed = [], []
    for file in fresh:
        reason = None
        try:
            entry = _entry(read_run(root / file.path, file.path), file)
            entries.append([storable(getattr(entry, name)) for name in _COLUMNS])
        except ArtifactError as error:
            reason = error.message
        name = storable(file.path)
        indexed.append((name, file.size_bytes, file.changed_ns, storable(reason)))
    marks = ", ".join("?" * len(_COLUMNS))
    with opened:
        opened.executemany(f"INSERT OR REPLACE INTO entries VALUES ({marks})", entries)
        opened.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", indexed)


def _read_back(
    opened: sqlite3.Connection,
) -> tuple[tuple[IndexEntry, ...], tuple[DamagedFile, ...]]:
    """What is indexed, each measurement once; a second file of one is damaged, as in a load."""
    rows = opened.execute(f"SELECT {', '.join(_COLUMNS)} FROM entries ORDER BY path")
    bad = "SELECT path, reason FROM files WHERE reason IS NOT NULL ORDER BY path"
    damaged = [DamagedFile(*row) for row in opened.execute(bad)]
    first: dict[str, str] = {}
    entries = []
    for row in rows:
        values = list(row)
        values[_VALID] = bool(values[_VALID])
        entry = IndexEntry(*values)
        if first.setdefault(entry.id, entry.path) != entry.path:
            reason = f"the same measurement as {first[entry.id]}."
            damaged.append(DamagedFile(entry.path, reason))
            continue
        entries.append(entry)
    entries.sort(key=lambda entry: (entry.created_at, entry.id))
    return tuple(entries), tuple(sorted(damaged, key=lambda file: file.path))


def _entry(measurement: Measurement, file: RunFile) -> IndexEntry:
    run = measurement.methods.get("forward") or measurement.methods.get(measurement.plan.method)
    pieces = [piece for piece in run.by_process() if piece] if run else []
    counted = typical(run.counts) if run else None
    medians = [statistics.median(piece) for piece in pieces]
    timed = medians and measurement.source == MEASURED  # an emulator's milliseconds are no latency
    return IndexEntry(
        path=file.path,
        id=measurement.id,
        schema=measurement.schema,
        created_at=measurement.created_at,
        source=measurement.source,
        model=measurement.model,
        size="x".join(map(str, measurement.input_shape[2:])),
        format=measurement.format,
        precision=measurement.precision,
        scope=measurement.scope,
        device=measurement.device.id,
        device_name=measurement.device.model,
        core=measurement.plan.core,
        threads=measurement.plan.threads,
        methods=",".join(sorted(measurement.methods)),
        valid=measurement.valid,
        failure=measurement.failure,
        median_ms=statistics.median(medians) / 1e6 if timed else None,
        instructions=counted.instructions if counted else None,
        artifact_sha256=measurement.artifact_sha256,
        variant=variant(
            measurement.artifact_file, measurement.model, measurement.precision, measurement.scope
        ),
        size_bytes=file.size_bytes,
    )
