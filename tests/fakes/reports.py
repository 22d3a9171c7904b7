"""Reports of made-up measurements, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from seaformer.core.estimate import Estimate
from seaformer.core.files import DamagedFile
from seaformer.core.measurement import Measurement
from seaformer.core.runs import Runs
from seaformer.report import ReportFiles, write_report
from seaformer.report.table import Report, build
from seaformer.report.zoo import ZooRow
from seaformer.store.results import ResultStore


def report_of(
    measurements: Iterable[Measurement],
    damaged: Iterable[DamagedFile] = (),
    zoo: Iterable[ZooRow] = (),
    estimates: Iterable[Estimate] = (),
) -> Report:
    """What ``build`` makes of these measurements."""
    runs = Runs(tuple(measurements), tuple(damaged))
    return replace(build(runs, zoo), estimates=tuple(estimates))


def write_report_of(root: Path, zoo: Iterable[ZooRow] = ()) -> ReportFiles:
    """What ``seaformer report --results ROOT`` does: read the store, write the report into it."""
    return write_report(root, ResultStore(root).load(), zoo)
