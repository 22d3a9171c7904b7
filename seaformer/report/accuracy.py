"""Measured accuracy beside measured latency: the newest evaluation of each model and file.

A latency belongs to an accuracy when both were measured of the same file, by its SHA-256, and at
the same size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from seaformer.core.accuracy import Accuracy
from seaformer.core.measurement import MEASURED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.table import FORWARD, Report

HERE = "host"  # as --device calls this machine
HEADER = (
    "model", "HxW", "file", "data", "mode", "evaluated on", "images", "metric", "accuracy %",
    "95 % interval", "device", "median ms", "95 % interval ms",
)  # fmt: skip


@dataclass(frozen=True)
class AccuracyRow:
    """An evaluation, and the newest valid latency of its file on one device, where there is one."""

    accuracy: Accuracy
    latency: ResultRow | None = None


def accuracy_rows(report: Report) -> tuple[AccuracyRow, ...]:
    """Every evaluation that no newer one replaces, once for each device its file was timed on."""
    latest: dict[tuple[object, ...], Accuracy] = {}
    for one in report.accuracies:
        file = (one.model, one.input_shape, one.format, one.precision, one.scope, one.artifact_file)
        latest[(*file, one.data, one.split, one.mode, one.weights, one.device)] = one
    unknown: list[ResultRow | None] = [None]
    timed: dict[tuple[object, ...], list[ResultRow]] = {}
    for row in report.table.of(MEASURED).method(FORWARD).newest_valid.rows:
        if row.artifact_sha256 and row.median_ms is not None:
            key = (row.artifact_sha256, row.height, row.width)
            timed.setdefault(key, []).append(row)
    return tuple(
        AccuracyRow(one, latency)
        for one in sorted(latest.values(), key=lambda one: (one.data, one.split, one.model, one.id))
        for latency in [each for each in timed.get(_key(one), ()) if _is_of(each, one)] or unknown
    )


def _key(one: Accuracy) -> tuple[object, ...]:
    """A file whose sizes are free may have been timed at several."""
    return (one.artifact_sha256, *one.input_shape[2:])


def _is_of(row: ResultRow, one: Accuracy) -> bool:
    """Whether one image was timed: a batch is part of the row's name (``bench/sized.py``)."""
    return not row.model.startswith(f"{one.model}[")


def _kind(one: Accuracy) -> str:
    return f"{one.format or 'eager'} {one.precision} {one.scope}"


def _alike(one: Accuracy) -> tuple[object, ...]:
    where = (one.data, one.split, one.mode, one.device)
    return (one.model, one.input_shape, _kind(one), *where, one.weights)


def cells(rows: tuple[AccuracyRow, ...]) -> Iterator[tuple[str, ...]]:
    """One cell for each of ``HEADER``; files that are alike in all else are named."""
    alike = Counter(_alike(one) for one in {row.accuracy.id: row.accuracy for row in rows}.values())
    for row in rows:
        one, latency = row.accuracy, row.latency
        low, high = one.miou_low, one.miou_high
        known = low is not None and high is not None
        yield (
            words.clean(one.model),
            "x".join(map(str, one.input_shape[2:])),
            words.clean(_kind(one) + f" ({one.artifact_file})" * (alike[_alike(one)] > 1)),
            words.clean(f"{one.data} {one.split}"),
            words.clean(one.mode),
            words.clean(one.device or HERE),
            f"{one.images:,}",
            one.metric or words.NOTHING,
            words.NOTHING if one.value is None else f"{one.value:.2f}",
            f"{low:.2f}–{high:.2f}" if known else words.NOTHING,
            words.clean(latency.device_name) if latency else words.NOTHING,
            words.ms(latency.median_ms) if latency else words.NOTHING,
            words.interval(latency) if latency else words.NOTHING,
        )
