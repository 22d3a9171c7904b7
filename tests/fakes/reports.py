"""Reports of made-up measurements, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

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
) -> Report:
    """What ``build`` makes of these measurements."""
    return build(Runs(tuple(measurements), tuple(damaged)), zoo)


def write_report_of(root: Path, zoo: Iterable[ZooRow] = ()) -> ReportFiles:
    """What ``seaformer report --results ROOT`` does: read the store, write the report into it."""
    return write_report(root, ResultStore(root).load(), zoo)
