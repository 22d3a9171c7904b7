"""A table of the paper with our column beside it: what was measured, where, and what is missing.

The paper's latencies stay in the paper's column. Ours are in a column named after the device; of an
emulated core it holds instructions and never milliseconds. Lines that cannot be measured have the
reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seaformer.core.measurement import MEASURED, Measurement
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.components import Component, components
from seaformer.report.table import rows as rows_of
from seaformer.reproduce.plan import PERCENT, PlannedRow, Work
from seaformer.reproduce.run import NOT_MEASURED, Answer

MISSING = "no model of that name in the zoo"
_NOTHING = words.NOTHING


@dataclass(frozen=True)
class ReproducedRow:
    """A line of the paper and our figures.

    ``median_ms`` and its interval are measured ones; ``instructions`` are counted on an emulated
    core. ``ratio`` is ours over the paper's, with the interval of ours; ``relative_*`` is the
    line over the reference line, the one figure that two machines should agree on. For a share,
    ``share`` is ours in percent.
    """

    planned: PlannedRow
    median_ms: float | None = None
    ci95_low_ms: float | None = None
    ci95_high_ms: float | None = None
    instructions: int | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    relative_paper: float | None = None
    relative_ours: float | None = None
    share: float | None = None
    scope: str = ""
    runtime: str = ""
    device: str = ""
    target: str = ""
    measurement_id: str = ""
    reason: str = ""


def reproduce_rows(
    planned: Sequence[PlannedRow], answers: Mapping[Work, Answer]
) -> tuple[ReproducedRow, ...]:
    """Every planned line with our figures; the reference is the first line that has both."""
    rows = [_row(line, answers.get(line.work) if line.work else None) for line in planned]
    reference = next((row for row in rows if row.planned.published and _figure(row)), None)
    return tuple(_relative(row, reference) for row in rows)


def reference_of(rows: Sequence[ReproducedRow]) -> str:
    """The line that the relative columns are over; nothing when there is none."""
    return next((row.planned.name for row in rows if row.relative_ours == 1.0), "")


def _row(line: PlannedRow, answer: Answer | None) -> ReproducedRow:
    if not line.model:
        return ReproducedRow(line, reason=line.absent or MISSING)
    if answer is None or answer.measurement is None:
        reason = answer.reason if answer else ""
        return ReproducedRow(line, reason=reason or NOT_MEASURED)
    one = answer.measurement
    by_method = rows_of(one)
    whole = next((row for row in by_method if row.method == line.method), None)
    plain = ReproducedRow(
        line,
        scope=one.scope,
        runtime=f"{one.runtime} {one.runtime_version}".strip(),
        device=one.device.model,
        target=one.target,
        measurement_id=one.id,
        reason=answer.reason or _doubts(one),
    )
    if whole is None or one.failure is not None:
        return plain
    return _with_figures(plain, whole, components(by_method))


def _with_figures(
    row: ReproducedRow, whole: ResultRow, parts: Sequence[Component]
) -> ReproducedRow:
    figures = replace(row, instructions=whole.instructions)
    if whole.source == MEASURED:
        figures = replace(
            figures,
            median_ms=whole.median_ms,
            ci95_low_ms=whole.ci95_low_ms,
            ci95_high_ms=whole.ci95_high_ms,
        )
    if row.planned.unit == PERCENT:
        share = next((p.share for p in parts if p.name == row.planned.method), None)
        return replace(figures, share=None if share is None else 100 * share)
    paper = row.planned.published
    if paper and figures.median_ms and figures.ci95_low_ms and figures.ci95_high_ms:
        ratios = [v / paper for v in (figures.median_ms, figures.ci95_low_ms, figures.ci95_high_ms)]
        figures = replace(figures, ratio=ratios[0], ratio_low=ratios[1], ratio_high=ratios[2])
    return figures


def _doubts(one: Measurement) -> str:
    """The names of the flags that qualify the number."""
    return "; ".join(flag.name for flag in one.flags if flag.name != one.source)


def _figure(row: ReproducedRow) -> float | None:
    return row.median_ms if row.median_ms is not None else row.instructions


def _relative(row: ReproducedRow, reference: ReproducedRow | None) -> ReproducedRow:
    if reference is None or row.planned.unit == PERCENT:
        return row
    base, ours, mine = reference.planned.published, _figure(reference), _figure(row)
    return replace(
        row,
        relative_paper=row.planned.published / base if row.planned.published and base else None,
        relative_ours=mine / ours if mine and ours else None,
    )
