"""Measurements to rows: what a table shows of them, in which order and in which groups.

Everything is derived from raw samples. How a table looks is in ``renderers/``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from seaformer.core.accuracy import Accuracy
from seaformer.core.counts import executed_precision, spread, typical
from seaformer.core.estimate import Estimate
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import (
    EMULATED,
    MEASURED,
    DeviceInfo,
    Measurement,
    MethodRun,
    ProcessRun,
    summary,
)
from seaformer.core.plan import is_tail
from seaformer.core.precision import rank
from seaformer.core.runs import Runs
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report.zoo import ZooRow

if TYPE_CHECKING:
    from seaformer.core.stats import Summary

FORWARD = "forward"


@dataclass(frozen=True)
class DeviceSection:
    """One device and its rows, model by model. Two devices that share an id are two sections."""

    device: DeviceInfo
    table: ResultTable

    @cached_property
    def timed(self) -> tuple[ResultRow, ...]:
        """Measured whole networks with a latency, the newest row of every key."""
        networks = self.table.of(MEASURED).method(FORWARD)
        return networks.where(
            lambda row: row.median_ms is not None and row.failure is None
        ).newest.rows


@dataclass(frozen=True)
class Process:
    """One fresh process of one measured method, for readers of the raw story."""

    row: ResultRow
    index: int
    run: ProcessRun
    samples_ns: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """Everything a renderer may show: the rows, the devices, and the files that were skipped.

    ``measurements`` are those the rows were made of, newest first; ``accuracies`` are evaluations,
    oldest first. What is known of models (``zoo``) and ``estimates``, never rows, are handed in.
    """

    table: ResultTable
    devices: tuple[DeviceSection, ...]
    processes: tuple[Process, ...]
    damaged: tuple[DamagedFile, ...]
    measurements: tuple[Measurement, ...] = ()
    zoo: tuple[ZooRow, ...] = ()
    accuracies: tuple[Accuracy, ...] = ()
    estimates: tuple[Estimate, ...] = ()

    @cached_property
    def of_run(self) -> dict[str, list[ResultRow]]:
        """The rows of each measurement, by its id."""
        by_id: dict[str, list[ResultRow]] = {}
        for row in self.table.rows:
            by_id.setdefault(row.measurement_id, []).append(row)
        return by_id

    @cached_property
    def networks(self) -> ResultTable:
        """The newest row of every key of whole networks that did not fail and have a figure."""
        networks = self.table.method(FORWARD)
        return networks.where(lambda row: row.failure is None and _has_figure(row)).newest

    @cached_property
    def models(self) -> dict[tuple[str, int | None, int | None], ZooRow]:
        """What is known of models, by name and their own size."""
        return {(one.spec.name, one.spec.height, one.spec.width): one for one in self.zoo}


def build(runs: Runs, zoo: Iterable[ZooRow] = ()) -> Report:
    """All rows model by model, and the same rows by device (newest device first).

    Models are in the zoo's order (by name without one); the rows of a model by size, format,
    precision and scope, and the newest first of those that are alike.
    """
    zoo = tuple(zoo)
    newest = sorted(runs.measurements, key=lambda m: (m.created_at, m.id), reverse=True)
    place = {known.spec.name: index for index, known in enumerate(zoo)}
    ranks = {precision: rank(precision) for precision in {m.precision for m in newest}}
    by_model = sorted(newest, key=lambda m: (place.get(m.model, len(place)), *_within(m, ranks)))
    rows_of = [(measurement, rows(measurement, runs.summary)) for measurement in by_model]
    groups: dict[tuple[str, str, str], tuple[DeviceInfo, list[ResultRow]]] = {}
    for device in (measurement.device for measurement in newest):
        groups.setdefault((device.id, device.model, device.architecture), (device, []))
    for measurement, its_rows in rows_of:
        device = measurement.device
        groups[device.id, device.model, device.architecture][1].extend(its_rows)
    return Report(
        table=ResultTable(tuple(row for _, its_rows in rows_of for row in its_rows)),
        devices=tuple(
            DeviceSection(device, ResultTable(tuple(of_device)))
            for device, of_device in groups.values()
        ),
        processes=tuple(
            process
            for measurement, its_rows in rows_of
            if measurement.source == MEASURED
            for row in its_rows
            for process in _processes(measurement, row)
        ),
        damaged=runs.damaged,
        measurements=tuple(newest),
        zoo=zoo,
        accuracies=runs.accuracies,
    )


def _within(m: Measurement, ranks: Mapping[str, int]) -> tuple[object, ...]:
    """The place of a measurement among those of the same place in the zoo."""
    return (m.model, m.input_shape, m.format, ranks[m.precision], m.precision, m.scope)


def latest_run(report: Report) -> list[Measurement]:
    """The measurements of the newest command, in their order, each row of it once."""
    kept: dict[tuple[object, ...], Measurement] = {}
    for one in report.measurements:
        if one.command != report.measurements[0].command:
            break
        kept.setdefault(report.of_run[one.id][0].key, one)
    return list(reversed(kept.values()))


def table_of(measurements: Iterable[Measurement]) -> ResultTable:
    """The rows of these measurements, in their order: what a bench prints when it is done."""
    return ResultTable(tuple(row for measurement in measurements for row in rows(measurement)))


def rows(
    measurement: Measurement, summarise: Callable[[Measurement, str], Summary | None] = summary
) -> tuple[ResultRow, ...]:
    """One row per method, ``forward`` first; a failed measurement is one row without figures.

    ``summarise`` gives the latency of a method; another one may remember what it derived before.
    """
    names = sorted(measurement.methods, key=lambda name: name != FORWARD)
    return tuple(
        _row(measurement, name, summarise(measurement, name))
        for name in names or [measurement.plan.method]
    )


def current(table: ResultTable) -> ResultTable:
    """The newest row of every key and, where that one is not valid, the newest valid one too."""
    kept = {id(row) for row in table.newest.rows + table.newest_valid.rows}
    return table.where(lambda row: id(row) in kept)


def standing_alone(table: ResultTable) -> ResultTable:
    """Whole networks, tails, and parts that were measured without a whole to be compared with."""
    whole = {row.measurement_id for row in table.rows if row.method == FORWARD}
    return table.where(lambda row: not is_part(row) or row.measurement_id not in whole)


def is_part(row: ResultRow) -> bool:
    """A component: neither a whole network nor a tail."""
    return row.method != FORWARD and not is_tail(row.method)


def _has_figure(row: ResultRow) -> bool:
    """Instructions of an emulated row, a latency of the others."""
    return bool(row.instructions if row.source == EMULATED else row.median_ms)


# Of a ResultRow. Rows are made from such parts at once: `dataclasses.replace`, a part at a time,
# took longer than the bootstrap.
_Fields = dict[str, Any]


def _row(measurement: Measurement, method: str, latency: Summary | None) -> ResultRow:
    run = measurement.methods.get(method, MethodRun((), ()))
    fields = _identity(measurement, method)
    fields |= _conditions(measurement, run)
    fields |= _process_figures(measurement, run)
    fields |= _counts(run) if run.counts else {}
    return ResultRow(**fields | _latency(latency))


def _identity(m: Measurement, method: str) -> _Fields:
    """What is known of a measurement before it has run."""
    height, width = m.input_shape[2:] if len(m.input_shape) == 4 else (None, None)
    return {
        "source": m.source,
        "model": m.model,
        "format": m.format,
        "runtime": m.runtime,
        "runtime_version": m.runtime_version,
        "precision": m.precision,
        "scope": m.scope,
        "height": height,
        "width": width,
        "method": method,
        "device": m.device.id,
        "device_name": m.device.model,
        "target": m.target,
        "core": m.plan.core,
        "threads": m.plan.threads,
        "size_mb": m.artifact_size_bytes / 1e6,
        "valid": m.valid,
        "flags": m.flags,
        "failure": m.failure,
        "runner": m.runner,
        "runner_build": m.runner_build,
        "paper_ms": _finite(m.paper_latency_ms) if method == FORWARD else None,
        "created_at": m.created_at,
        "artifact_file": m.artifact_file,
        "artifact_sha256": m.artifact_sha256,
        "measurement_id": m.id,
        "command": m.command,
        "commit": m.commit,
    }


def _conditions(m: Measurement, run: MethodRun) -> _Fields:
    """Frequencies are those read around the samples, else those before and after the run."""
    ends = [(process.freq_before_khz, process.freq_after_khz) for process in run.processes]
    read = [khz for pair in ends for khz in pair if khz]
    speeds = read or [khz for khz in (m.before.freq_khz, m.after.freq_khz) if khz]
    return {
        "governor": m.before.governor,
        "freq_min_mhz": min(speeds) / 1e3 if speeds else None,
        "freq_max_mhz": max(speeds) / 1e3 if speeds else None,
        "load_average": _finite(m.before.load),
        "temperature_c": _finite(m.before.temperature_c),
    }


def _process_figures(m: Measurement, run: MethodRun) -> _Fields:
    """What the processes took, and how far their output was from the eager model's."""
    if not run.processes:
        return {}
    pinned = {cpu for affinity in {p.affinity for p in run.processes} for cpu in affinity}
    parts = sorted({c.part for c in m.device.clusters if not pinned.isdisjoint(c.cpus)})
    timed, output = m.source == MEASURED, run.output
    peaks = [p.peak_rss_bytes for p in run.processes if p.peak_rss_bytes is not None]
    return {
        "cpus": tuple(sorted(pinned)),
        "core_part": " + ".join(parts),
        "threads": max(process.threads for process in run.processes),
        "processes": len(run.processes),
        "peak_mb": max(peaks) / 1e6 if peaks else None,
        "load_ms": _median_ms([p.load_ns for p in run.processes]) if timed else None,
        "first_ms": _median_ms([p.first_ns for p in run.processes]) if timed else None,
        "n": len(run.samples_ns),
        "output_max_abs": _finite(output.max_abs) if output else None,
        "output_psnr_db": output.psnr_db if output else None,
        "output_agreement": output.argmax_agreement if output else None,
    }


def _median_ms(times_ns: list[int]) -> float:
    times_ns.sort()
    low, high = times_ns[(len(times_ns) - 1) // 2], times_ns[len(times_ns) // 2]
    return low / 1e6 if low == high else (low + high) / 2 / 1e6


def _counts(run: MethodRun) -> _Fields:
    """What an emulator counted of an inference."""
    counts = typical(run.counts)
    return {
        "instructions": counts.instructions if counts else None,
        "counts": counts,
        "counts_spread": spread(run.counts),
        "executed": executed_precision(run.counts),
    }


def _latency(figures: Summary | None) -> _Fields:
    if figures is None:
        return {}
    return {
        "median_ms": figures.median_ms,
        "ci95_low_ms": figures.ci95_ms.low,
        "ci95_high_ms": figures.ci95_ms.high,
        "min_ms": figures.min_ms,
        "p90_ms": figures.p90_ms,
        "p99_ms": figures.p99_ms,
        "max_ms": figures.max_ms,
        "n": figures.n,
        "spread": figures.spread,
        "cv": figures.cv,
        "outliers": figures.outliers,
    }


def _processes(measurement: Measurement, row: ResultRow) -> list[Process]:
    run = measurement.methods.get(row.method)
    pairs = zip(run.processes, run.by_process(), strict=True) if run else ()
    return [Process(row, i, process, samples) for i, (process, samples) in enumerate(pairs, 1)]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
