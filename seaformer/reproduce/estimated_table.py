"""A table of the paper with estimates beside it: lines, columns and notes.

A line has the estimate, its interval, the difference from the paper's figure, and why its network
is outside, if it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seaformer.core.estimate import Estimate
from seaformer.estimate.run import CORE
from seaformer.report import words
from seaformer.report.estimate import DOMAINS, interval
from seaformer.report.terminal import Column
from seaformer.reproduce.page import MISSING, Page
from seaformer.reproduce.plan import PERCENT, PaperTable, Plan, PlannedRow, Work


@dataclass(frozen=True)
class EstimatedRow:
    """A line of the paper and its estimate, or the reason why there is none.

    ``ms`` and ``difference`` (over the paper's figure, less 1) are of a latency; ``share`` is a
    component's, in percent.
    """

    planned: PlannedRow
    estimate: Estimate | None = None
    reason: str = ""
    ms: float | None = None
    difference: float | None = None
    share: float | None = None

    @property
    def label(self) -> tuple[str, ...]:
        return self.planned.label


Columns = tuple[Column[EstimatedRow], ...]


def estimated_page(
    planned: Plan, answers: Mapping[Work, Estimate], reasons: Mapping[Work, str]
) -> Page[EstimatedRow]:
    """The table with its estimates; ``reasons`` are of works that have none."""
    rows = tuple(_row(line, answers, reasons) for line in planned.rows)
    return Page(planned.table, rows, figures(planned.table, rows), notes(rows))


def figures(table: PaperTable, rows: Sequence[EstimatedRow]) -> tuple[Column[EstimatedRow], ...]:
    """The paper's figure, then ours, which is named after the core."""
    core = next((row.estimate.core for row in rows if row.estimate), CORE)
    unit = PERCENT if table.components else "ms"
    ours: Columns = (
        Column("estimate,", _figure, unit, (core,), right=True, apart=True),
        Column("90 % interval", _interval, unit, rank=2, right=True),
        Column("difference", _difference, rank=3, right=True),
        Column("domain", _domain, rank=4),
    )
    return (
        Column("precision", lambda row: row.planned.precision, key=True, shared=True),
        Column("paper", lambda row: words.published(row.planned.published), unit, right=True),
        *(ours[:1] if table.components else ours),
        Column("note", lambda row: row.reason, below="{}"),
    )


def notes(rows: Sequence[EstimatedRow]) -> list[str]:
    """What the table is and is not, and how far it is from the paper's."""
    done = [row for row in rows if row.estimate]
    lines = [f"{len(done)} of {words.counted(len(rows), 'line')} estimated; nothing was measured."]
    sizes = [abs(r.difference) for r in done if r.difference is not None and r.ms and _inside(r)]
    if sizes:
        mean, worst = 100 * sum(sizes) / len(sizes), 100 * max(sizes)
        lines.append(
            f"Inside the domain the difference is {mean:.1f} % on average, {worst:.1f} % at most. "
            "The calibration may contain these very lines: see estimate calibrate --leave-out."
        )
    return lines


def _row(
    line: PlannedRow, answers: Mapping[Work, Estimate], reasons: Mapping[Work, str]
) -> EstimatedRow:
    if line.work is None:
        return EstimatedRow(line, reason=line.absent or MISSING)
    estimate = answers.get(line.work)
    if estimate is None:
        return EstimatedRow(line, reason=reasons.get(line.work, "not estimated"))
    reason = "; ".join(estimate.outside_because)
    if line.unit == PERCENT:
        parts = (part for part in estimate.components if part.name == line.method)
        share = next((100 * part.estimate_ms / estimate.estimate_ms for part in parts), None)
        return EstimatedRow(line, estimate, reason, share=share)
    difference = estimate.estimate_ms / line.published - 1 if line.published else None
    return EstimatedRow(line, estimate, reason, ms=estimate.estimate_ms, difference=difference)


def _figure(row: EstimatedRow) -> str:
    return words.ms(row.ms) if row.share is None else f"{row.share:.1f}"


def _interval(row: EstimatedRow) -> str:
    return interval(row.estimate) if row.estimate else words.NOTHING


def _difference(row: EstimatedRow) -> str:
    return words.NOTHING if row.difference is None else f"{100 * row.difference:+.1f} %"


def _domain(row: EstimatedRow) -> str:
    return DOMAINS[row.estimate.inside] if row.estimate else words.NOTHING


def _inside(row: EstimatedRow) -> bool:
    return row.estimate is not None and row.estimate.inside
