"""``Figure``: a latency that counts are held against, from measurements of results and from tables.

Two layouts of tables are read. A line a figure: ``model,latency_ms`` with ``precision`` and
``engine`` where they are known; any other column of milliseconds may be named. A column a phone,
as in qed-usc/mobile-ml-benchmark: ``model`` and ``pixel4|1large|float|mean`` in microseconds.
"""

from __future__ import annotations

import csv
import fnmatch
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seaformer.core import files, zoo
from seaformer.core.errors import CorruptArtifact, UsageError
from seaformer.core.measurement import MEASURED, Measurement, summary
from seaformer.core.precision import BASE, find_precision
from seaformer.core.registry import unknown

FORWARD, LOGITS = "forward", "logits"
_MS, _OF_A_LINE = "latency_ms", ("model", "precision", "engine")
_MEAN = "|mean"
_LAYOUT = f"A table is text with commas between cells: model,{_MS}, then seaformer_t.ade20k,40.5"
_FLOAT = "float"
_WIDTHS = {"w1": 100, "w3d4": 75, "wd2": 50, "wd4": 25}
_NAME = re.compile(r"mobilenet(v2)?_(w1|w3d4|wd2|wd4)")


@dataclass(frozen=True)
class Figure:
    """One latency. ``engine`` is empty where any engine's counts may be held against it.

    ``source`` names the table or measurement; ``measured`` ones were taken by a bench, and are
    better evidence than what others published.
    """

    model: str
    precision: str
    ms: float
    source: str
    engine: str = ""
    measured: bool = False


def zoo_name(family: str, percent: int) -> str:
    """The model of a MobileNet family at a width: ``mobilenetv1_x050.imagenet``."""
    plain = f"{family}_{percent:03d}.imagenet"
    return plain if plain in zoo.entries() else f"{family}_x{percent:03d}.imagenet"


def measured_figures(measurements: Iterable[Measurement], device: str = "") -> tuple[Figure, ...]:
    """The valid latencies of whole networks of the zoo, at their own size, on one device.

    ``device`` is an id or a glob. Raises ``UsageError`` where none is there, or of several devices.
    """
    taken = [one for one in measurements if _counts(one) and _is_of(one, device)]
    ids = sorted({one.device.id for one in taken})
    if not ids:
        where = f" of {device}" if device else ""
        raise UsageError(f"No valid measurement{where} of a model of the zoo was found.")
    if len(ids) > 1:
        raise UsageError(
            f"Measurements are of {len(ids)} devices: {', '.join(ids)}.", hint="--device ID"
        )
    newest = {(one.model, one.runtime, one.precision): one for one in taken}
    return tuple(_figure(one) for one in newest.values())


def table_figures(path: Path, column: str = "") -> tuple[Figure, ...]:
    """The figures of one CSV file.

    ``column`` is the phone's, where there is one for each, or another one of milliseconds than
    ``latency_ms``. Lines whose model is not of the zoo, or without a figure in a column that was
    named, are left out. Raises ``UnknownName`` for an unknown column, ``CorruptArtifact`` for a
    file of another layout, ``UsageError`` for one without a model of the zoo, or with two lines of
    one model, precision and engine.
    """
    try:
        text = files.read_bytes(path).decode("utf-8-sig")  # spreadsheets begin a file with a mark
        rows = [line for line in text.splitlines() if not line.startswith("#")]
        reader = csv.DictReader(io.StringIO("\n".join(rows)), strict=True)
        lines, names = list(reader), [name for name in reader.fieldnames or () if name]
    except (ValueError, csv.Error) as error:
        raise CorruptArtifact(
            f"{path} is not a table of latencies: {error}.", hint=_LAYOUT
        ) from error
    phones = [name.removesuffix(_MEAN) for name in names if name.endswith(_MEAN)]
    plain = [] if phones and _MS not in names else [n for n in names if _may_be_ms(n)]
    if "model" not in names or not (phones or (plain and (column or _MS in names))):
        raise CorruptArtifact(
            f"{path} must have the columns model and {_MS}, or a column *{_MEAN} for each "
            f"phone (got {', '.join(names) or 'nothing'}).",
            hint=_LAYOUT,
        )
    named = column.removesuffix(_MEAN) or (_MS if plain else "")
    if named not in (*phones, *plain):
        raise unknown("column", column, [*plain, *phones])
    read = _phone(lines, named, path) if named in phones else _plain(lines, named, path)
    figures = _of_the_zoo(list(read), path)
    if named in plain:
        _check_once(figures, path)
    return figures


def _of_the_zoo(read: Sequence[Figure], path: Path) -> tuple[Figure, ...]:
    kept = [figure for figure in read if figure.model in zoo.entries()]
    if not kept:
        models = ", ".join(figure.model for figure in read[:3]) or "no line"
        raise UsageError(
            f"{path}: no line is of a model of the zoo (got {models}{', ...' * (len(read) > 3)}).",
            hint="Call models as this does: seaformer models",
        )
    return tuple(kept)


def _check_once(figures: Iterable[Figure], path: Path) -> None:
    keys = Counter((figure.model, figure.engine, figure.precision) for figure in figures)
    if twice := next((key for key, count in keys.items() if count > 1), None):
        raise UsageError(
            f"{path} has {keys[twice]} lines of {twice[0]} {twice[2]}.",
            hint="Keep one line of each model, precision and engine.",
        )


def _counts(one: Measurement) -> bool:
    entry = zoo.entries().get(one.model)
    return (
        entry is not None
        and one.valid
        and (one.source, one.scope, one.plan.threads) == (MEASURED, LOGITS, 1)
        and one.input_shape == entry.spec.input_shape
        and FORWARD in one.methods
    )


def _is_of(one: Measurement, device: str) -> bool:
    return not device or fnmatch.fnmatchcase(one.device.id, device)


def _figure(one: Measurement) -> Figure:
    latency = summary(one)
    assert latency is not None  # measured, and valid
    return Figure(one.model, one.precision, latency.median_ms, one.id, one.runtime, measured=True)


def _may_be_ms(name: str) -> bool:
    return name not in _OF_A_LINE and "|" not in name


def _plain(lines: Iterable[Mapping[str, str | None]], column: str, path: Path) -> Iterator[Figure]:
    source = path.name if column == _MS else f"{path.name} {column}"
    for line in lines:
        if line[column] or column == _MS:
            yield Figure(
                model=_known_name(line["model"] or ""),
                precision=find_precision(line.get("precision") or BASE.name).name,
                ms=_positive(line[column], path),
                source=source,
                engine=line.get("engine") or "",
            )


def _phone(lines: Iterable[Mapping[str, str | None]], phone: str, path: Path) -> Iterator[Figure]:
    if phone.rpartition("|")[2] != _FLOAT:
        raise UsageError(f"--column must be one of {_FLOAT} (got {phone}).")
    for line in lines:
        if line[phone + _MEAN]:
            ms = _positive(line[phone + _MEAN], path) / 1e3
            name = _known_name(line["model"] or "")
            yield Figure(name, BASE.name, ms, f"{path.name} {phone}")


def _known_name(text: str) -> str:
    """A name of the zoo; ``mobilenet_wd2`` is MobileNetV1 at half the width."""
    match = _NAME.fullmatch(text)
    return zoo_name(f"mobilenet{match[1] or 'v1'}", _WIDTHS[match[2]]) if match else text


def _positive(cell: str | None, path: Path) -> float:
    text = cell or ""  # a line that ends early has no cell
    try:
        value = float(text)
    except ValueError as error:
        raise CorruptArtifact(f"{path}: a latency must be a number (got {text[:40]!r}).") from error
    if not 0 < value < float("inf"):
        raise CorruptArtifact(f"{path}: a latency must be above 0 (got {text[:40]}).")
    return value
