"""Records of accuracy under a results folder: append-only files, each complete in itself.

    results/accuracy/<data>/<id>__<model>__<HxW>__<format>__<precision>.json

As of run files: a name is unique, nothing is overwritten, and what cannot be read is reported and
left where it is.
"""

from __future__ import annotations

from pathlib import Path

from seaformer.core import codec, files
from seaformer.core.accuracy import FOLDER, SCHEMA, Accuracy
from seaformer.core.errors import ArtifactError, CorruptArtifact
from seaformer.core.files import DamagedFile
from seaformer.store.results import check_holds_runs

_DIMENSIONS = 4  # batch, channels, height, width
Records = tuple[tuple[Accuracy, ...], tuple[DamagedFile, ...]]


def record_path(one: Accuracy) -> str:
    """Where a record is kept, below the results folder."""
    size = "x".join(map(str, one.input_shape[2:]))
    parts = [one.id, one.model, size, one.format or "eager", one.precision]
    name = files.safe_name("__".join(part for part in parts if part))
    return f"{FOLDER}/{files.safe_name(one.data)}/{name}.json"


def append(root: Path, one: Accuracy) -> Path:
    """Write a record, whole or not at all. Raises ``UsageError`` where that name is taken."""
    path = root / record_path(one)
    files.create_text(path, files.json_text(codec.to_json(one)))
    return path


def parse(content: bytes, where: str) -> Accuracy:
    """A record from its JSON text. Raises ``SchemaTooNew`` or ``CorruptArtifact``."""
    one = codec.decode(Accuracy, content, where=where, newest=SCHEMA)
    shares = (one.miou, one.macc, one.aacc, one.top1, one.top5, one.ap)
    bounds = (one.miou_low, one.miou_high)
    figures = (*(value for value in (*shares, *bounds) if value is not None), *one.iou.values())
    if one.images < 1 or one.skipped < 0 or any(value < 0 or value > 100 for value in figures):
        raise CorruptArtifact(f"{where}: images must be at least 1, and figures from 0 to 100.")
    if len(one.input_shape) != _DIMENSIONS or min(one.input_shape) < 1:
        shown = list(one.input_shape)
        raise CorruptArtifact(f"{where}: input_shape must be 4 sizes from 1 on (got {shown}).")
    return one


def check_holds_results(root: Path) -> None:
    """Raise ``UsageError`` for a folder to report that holds neither a run nor an evaluation."""
    if not _record_files(root):
        check_holds_runs(root)


def load(root: Path) -> Records:
    """Every record, oldest first, and every file that had to be skipped."""
    records: dict[str, Accuracy] = {}
    first: dict[str, str] = {}
    damaged = []
    for path in _record_files(root):
        name = path.relative_to(root).as_posix()
        try:
            one = parse(files.read_bytes(path, name), name)
        except ArtifactError as error:
            damaged.append(DamagedFile(name, error.message))
            continue
        if first.setdefault(one.id, name) != name:
            damaged.append(DamagedFile(name, f"the same evaluation as {first[one.id]}."))
            continue
        records[one.id] = one
    ordered = sorted(records.values(), key=lambda one: (one.created_at, one.id))
    return tuple(ordered), tuple(damaged)


def _record_files(root: Path) -> list[Path]:
    paths = sorted((root / FOLDER).rglob("*.json"))
    return [path for path in paths if not path.name.startswith(".") and not path.is_dir()]
