"""Estimates of what emulated benches counted: of instructions alone, and nothing runs again.

For reports. No estimate has seen its network's family: a calibration without it makes it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from seaformer.core import zoo
from seaformer.core.counts import typical
from seaformer.core.errors import SeaFormerError
from seaformer.core.estimate import Estimate
from seaformer.core.measurement import EMULATED, Measurement
from seaformer.core.memory import no_collections
from seaformer.estimate.calibration import calibrate, shipped
from seaformer.estimate.evidence import family_of
from seaformer.estimate.figures import FORWARD, LOGITS
from seaformer.estimate.run import CORE, Estimator
from seaformer.report import ReportFiles, write_report
from seaformer.report.zoo import zoo_rows
from seaformer.store.results import ResultStore
from seaformer.store.summaries import load_summarised


def counted_estimates(
    measurements: Iterable[Measurement], core: str = CORE
) -> tuple[Estimate, ...]:
    """The newest count of each network, engine and precision as an estimate for one core.

    What the core's calibration does not cover (engines, versions, other emulated cores, runs that
    failed) has none.
    """
    newest: dict[tuple[object, ...], Measurement] = {}
    for one in sorted(measurements, key=lambda one: (one.created_at, one.id), reverse=True):
        if one.source == EMULATED and one.scope == LOGITS and one.failure is None:
            newest.setdefault((one.model, one.input_shape, one.runtime, one.precision), one)
    ordered = sorted(newest.items(), key=lambda pair: tuple(map(str, pair[0])))
    made = (_estimate(one, core) for _, one in ordered)
    return tuple(each for each in made if each is not None)


def report_store(root: Path) -> ReportFiles:
    """Rebuild the report of a results folder, with the estimates of what it counted.

    Raises ``UsageError`` when the folder cannot be written to.
    """
    with no_collections():
        runs = load_summarised(ResultStore(root))
        return write_report(root, runs, zoo_rows(), counted_estimates(runs.measurements))


def _estimate(one: Measurement, core: str) -> Estimate | None:
    run = one.methods.get(FORWARD)
    counts = typical(run.counts) if run else None
    if counts is None:
        return None
    entry = zoo.entries().get(one.model)
    estimator = _unseen(core, family_of(entry.spec) if entry else "")
    operators, delegation = {}, None
    if one.facts is not None:
        operators, delegation = dict(one.facts.operators), one.facts.delegation
    try:
        return estimator.estimate_counts(one, counts.instructions, operators, delegation)
    except SeaFormerError:
        return None


@functools.cache
def _unseen(core: str, family: str) -> Estimator:
    """Of a calibration without the family, where it has any row of it."""
    whole = shipped(core)
    if family in {row.family for row in whole.rows}:
        return Estimator(calibrate(core, (family,)), None)
    return Estimator(whole, None)
