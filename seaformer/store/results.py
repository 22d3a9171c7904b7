"""``ResultStore``: the folder of raw measurements, append-only.

    results/runs/<device id>/<measurement id>__<model>__<HxW>__<format>__<precision>...json
    results/devices/<device id>.json

Every run file is complete in itself (it repeats its device) and its name is unique, so merging
two people's results is copying files. ``devices/`` is a convenience for readers; nothing here
reads it. A file that cannot be used is reported and left where it is: never fatal, never deleted.
What tables are made of the measurements is not decided here (see ``report``).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seaformer.core import codec, files
from seaformer.core.errors import ArtifactError, CorruptArtifact, SchemaTooNew, UnknownName
from seaformer.core.files import DamagedFile, safe_name
from seaformer.core.measurement import RUNS, SCHEMA, DeviceInfo, Measurement, document, run_path
from seaformer.core.runs import Runs

RESULTS_VARIABLE = "SEAFORMER_RESULTS"
DEVICES = "devices"


def results_dir(named: Path | str | None = None) -> Path:
    """The results folder: the one named, else ``$SEAFORMER_RESULTS``, else ``./results``."""
    return Path(named or os.environ.get(RESULTS_VARIABLE) or "results").expanduser()


@dataclass(frozen=True)
class ResultStore:
    """The measurements under one folder."""

    root: Path

    def path_of(self, measurement: Measurement) -> Path:
        """Where this measurement is stored. What is not measured says so, and what failed."""
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
        loaded: dict[str, str] = {}
        measurements: list[Measurement] = []
        damaged: list[DamagedFile] = []
        for path in self._run_files():
            name = path.relative_to(self.root).as_posix()
            try:
                measurement = read_run(path, name)
            except ArtifactError as error:
                damaged.append(DamagedFile(name, error.message))
                continue
            first = loaded.setdefault(measurement.id, name)
            if first != name:
                damaged.append(DamagedFile(name, f"the same measurement as {first}."))
                continue
            measurements.append(measurement)
        measurements.sort(key=lambda one: (one.created_at, one.id))
        return Runs(tuple(measurements), tuple(damaged))

    def _run_files(self) -> Iterator[Path]:
        """Files under ``runs/`` in an order that does not depend on the file system."""
        folder = self.root / RUNS
        found = (path for path in folder.rglob("*.json") if not path.is_dir())
        visible = (path for path in found if not path.name.startswith("."))
        return iter(sorted(visible, key=lambda path: path.relative_to(folder).as_posix()))


def parse(data: Any, *, where: str = "measurement") -> Measurement:
    """A measurement from parsed JSON; what is derived in it is ignored and derived again.

    Raises ``SchemaTooNew``, or ``CorruptArtifact`` naming what is wrong.
    """
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise CorruptArtifact(f"{where}: expected a measurement with a schema number.")
    if schema > SCHEMA:
        raise SchemaTooNew(
            f"{where}: has schema {schema}; this seaformer reads up to {SCHEMA}.",
            hint="Upgrade: pip install --upgrade seaformer",
        )
    measurement = codec.from_json(Measurement, data, where=where)
    for name, run in measurement.methods.items():
        told = sum(process.count for process in run.processes)
        if told != len(run.samples_ns) or any(process.count < 0 for process in run.processes):
            raise CorruptArtifact(
                f"{where}: method {name!r} has {len(run.samples_ns)} samples, "
                f"its processes tell of {told}."
            )
        if any(sample < 0 for sample in run.samples_ns):
            raise CorruptArtifact(f"{where}: method {name!r} has a negative sample.")
    return measurement


def read_run(path: Path, name: str) -> Measurement:
    """One run file; messages name it as ``name``, so that they are the same anywhere.

    Raises ``SchemaTooNew`` or ``CorruptArtifact``.
    """
    try:
        data = files.read_json(path)
    except CorruptArtifact as error:
        raise CorruptArtifact(error.message.replace(str(path), name)) from error
    return parse(data, where=name)


def find_run(root: Path, which: str) -> tuple[Path, Measurement]:
    """The run file that ``which`` means: a file, an id, or the beginning of one id alone.

    Raises ``UnknownName`` when there is none or more than one, ``CorruptArtifact`` when it cannot
    be read.
    """
    path = Path(which).expanduser()
    if not path.is_file():
        found = sorted(root.glob(f"{RUNS}/*/{glob.escape(which)}*.json")) if which else []
        if len(found) != 1:
            told = f"{len(found)} measurements begin with" if found else "no measurement has"
            raise UnknownName(f"{told.capitalize()} the id {which!r} under {root}.", hint=_LIST)
        path = found[0]
    return path, read_run(path, str(path))


_LIST = "seaformer results list shows them all."
