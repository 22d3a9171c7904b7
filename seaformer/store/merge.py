"""Merging other people's results into a folder: run files are copied, whole, under their names.

Copying files by hand does the same, since a measurement's id is unique. This one also looks:
what is damaged is not copied, what is here already is not copied twice, and two files of one
measurement that differ are reported. Nothing that exists is ever changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.errors import ArtifactError, UsageError
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import RUNS, DeviceInfo, Measurement
from seaformer.store.index import list_results
from seaformer.store.results import ResultStore, read_run


@dataclass(frozen=True)
class Copy:
    """One file to be copied, from where to where, and the device it describes."""

    source: Path
    target: Path
    device: DeviceInfo


@dataclass(frozen=True)
class MergePlan:
    """What a merge copies, and what it leaves where it is.

    ``devices`` are the ids that are new here. ``present`` measurements are here already;
    ``conflicts`` are here with other content, or two sources differ; ``namesakes`` are sentences
    about devices that share an id and are not alike.
    """

    copies: tuple[Copy, ...]
    devices: tuple[str, ...]
    present: int
    conflicts: tuple[DamagedFile, ...]
    damaged: tuple[DamagedFile, ...]
    namesakes: tuple[str, ...]


def plan_merge(store: ResultStore, sources: Sequence[Path]) -> MergePlan:
    """What merging ``sources`` (results folders or run files) into ``store`` would do.

    Raises ``UsageError`` for a source that does not exist, that holds no run file, or that is the
    store itself.
    """
    here = list_results(store.root).entries
    known = {entry.id: store.root / entry.path for entry in here}
    first = {entry.device: store.root / entry.path for entry in reversed(here)}
    devices: dict[str, DeviceInfo] = {}
    copies: list[Copy] = []
    conflicts: list[DamagedFile] = []
    damaged: list[DamagedFile] = []
    namesakes: dict[str, None] = {}
    present = 0
    for path in _sources(store, sources):
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
        device = one.device
        if device.id in first and device.id not in devices:
            devices[device.id] = read_run(first[device.id], str(first[device.id])).device
        namesakes |= dict.fromkeys(_namesakes(devices.setdefault(device.id, device), device))
        copies.append(Copy(path, store.path_of(one), device))
    return MergePlan(
        copies=tuple(copies),
        devices=tuple(dict.fromkeys(c.device.id for c in copies if c.device.id not in first)),
        present=present,
        conflicts=tuple(conflicts),
        damaged=tuple(damaged),
        namesakes=tuple(namesakes),
    )


def merge(plan: MergePlan, store: ResultStore) -> None:
    """Copy what the plan lists, file by file; each is whole or absent.

    Raises ``UsageError`` when a name is taken by another file: nothing is overwritten.
    """
    for copy in plan.copies:
        files.create_text(copy.target, copy.source.read_text(encoding="utf-8"))
        store.remember(copy.device)


def _sources(store: ResultStore, sources: Sequence[Path]) -> Iterator[Path]:
    for source in sources:
        _check_source(store, source)
        yield from _run_files(source)


def _same(path: Path, other: Measurement) -> bool:
    """Whether a file holds this measurement; what is derived and NaN do not count."""
    return bool(codec.to_json(read_run(path, str(path))) == codec.to_json(other))


def _check_source(store: ResultStore, source: Path) -> None:
    if not source.exists():
        raise UsageError(f"{source} does not exist.", hint="Name a results folder or a run file.")
    if source.resolve() in (store.root.resolve(), (store.root / RUNS).resolve()):
        raise UsageError(f"{source} is the results folder itself: there is nothing to merge.")
    if next(_run_files(source), None) is None:
        raise UsageError(
            f"{source} holds no results: expected {RUNS}/<device>/*.json below it.",
            hint="Name a results folder or a run file.",
        )


def _run_files(source: Path) -> Iterator[Path]:
    """The run files of a results folder, of its ``runs`` or a device's folder, or the one file."""
    if source.is_file():
        return iter([source])
    folder = source / RUNS if (source / RUNS).is_dir() else source
    paths = (path for path in folder.rglob("*.json") if path.is_file())
    return iter(sorted(path for path in paths if not path.name.startswith(".")))


def _conflict(path: Path, measurement: Measurement) -> DamagedFile:
    return DamagedFile(str(path), f"another measurement has the id {measurement.id} and differs.")


def _namesakes(one: DeviceInfo, other: DeviceInfo) -> Iterator[str]:
    """What differs for good between two devices of one id; a new kernel is the same device."""
    for field in ("target", "model", "architecture", "cores"):
        mine, theirs = getattr(one, field), getattr(other, field)
        if mine != theirs:
            yield (
                f"Two devices share the id {one.id}: {field} {mine} here, {theirs} there. "
                "Tables keep them apart."
            )
            return
