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
from seaformer.report.terminal import Column
from seaformer.reproduce.page import MISSING, Page
from seaformer.reproduce.plan import PERCENT, PaperTable, Plan, PlannedRow, Work
from seaformer.reproduce.run import NOT_MEASURED, Answer

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

    @property
    def label(self) -> tuple[str, ...]:
        return self.planned.label


Columns = tuple[Column[ReproducedRow], ...]


def measured_page(planned: Plan, answers: Mapping[Work, Answer]) -> Page[ReproducedRow]:
    """The table with what was measured or counted of it."""
    rows = reproduce_rows(planned.rows, answers)
    return Page(planned.table, rows, figures(planned.table, rows), notes(rows))


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


def figures(table: PaperTable, rows: Sequence[ReproducedRow]) -> Columns:
    """The paper's figures and ours, which are named after the device; none that is empty."""
    end: Columns = (
        Column("scope", lambda row: row.scope or _NOTHING, key=True, shared=True),
        Column("note", lambda row: row.reason, below="{}"),
    )
    if table.components:
        return (*_shares(rows), *_ours(rows), *end)
    return (*_papers(table, rows), *_ours(rows), *_RATIOS, *end)


def notes(rows: Sequence[ReproducedRow]) -> list[str]:
    """What the table is and is not, below it."""
    done = [row for row in rows if row.measurement_id]
    absent = sum(not row.planned.model for row in rows)
    lines = [f"{len(done)} of {words.counted(len(rows), 'line')} measured."]
    if absent:
        without = words.counted(absent, "line has", "lines have")
        lines[0] += f" {without} no model, for the reason in the note."
    targets = {row.target for row in done}
    if "emulator" in targets:
        lines.append(
            "An emulated core gives instructions, which are counted, and no time: nothing of it "
            "is to be divided by the paper's milliseconds."
        )
    if "host" in targets:
        lines.append(
            "This computer is not the paper's Snapdragon 865: the ratio compares machines. What "
            "can be compared are the relative columns."
        )
    reference = reference_of(rows)
    if reference:
        lines.append(f"Relative figures are over {reference}.")
    lines.append("How the paper measured, and what differs here: docs/reproduce.md.")
    return lines


def _published(row: ReproducedRow) -> str:
    return words.published(row.planned.published)


def _shares(rows: Sequence[ReproducedRow]) -> Columns:
    return (
        Column("paper", _published, "%", right=True, style="cyan"),
        Column(_device(rows), lambda row: _number(row.share, 1), "%", right=True),
    )


def _papers(table: PaperTable, rows: Sequence[ReproducedRow]) -> Columns:
    """What the paper has of a line; a column that would be empty is left out."""
    columns: Columns = (
        Column("paper", lambda row: words.published(row.planned.params_m), "M", rank=6),
        Column("paper", lambda row: words.published(row.planned.flops_g), "G", rank=7),
        Column(
            "paper",
            lambda row: words.published(row.planned.metric),
            about=(table.metric_name,),
            rank=5,
        ),
    )
    filled = (c for c in columns if any(c.text(row) != _NOTHING for row in rows))
    return (
        Column("precision", lambda row: row.planned.precision, key=True, shared=True),
        *(replace(column, right=True, style="cyan") for column in filled),
        Column("paper", _published, "ms", right=True, style="cyan"),
    )


def _ours(rows: Sequence[ReproducedRow]) -> Columns:
    device = _device(rows)
    counted = any(row.instructions is not None for row in rows)
    timed = any(row.median_ms is not None for row in rows) or not counted
    times: Columns = (
        Column(device, lambda row: words.ms(row.median_ms), "ms", right=True),
        Column("95 % interval", words.interval, "ms", rank=4, right=True),
    )
    count: Column[ReproducedRow] = Column(
        device,
        lambda row: words.instructions(row.instructions),
        "M",
        ("instructions",),
        right=True,
    )
    return (*(times if timed else ()), *((count,) if counted else ()))


def _device(rows: Sequence[ReproducedRow]) -> str:
    return next((row.device for row in rows if row.device), "ours")


def _ratio(row: ReproducedRow) -> str:
    if row.ratio is None or row.ratio_low is None or row.ratio_high is None:
        return _NOTHING
    return f"{row.ratio:.3f} ({row.ratio_low:.3f}–{row.ratio_high:.3f})"


def _number(value: float | None, digits: int) -> str:
    return _NOTHING if value is None else f"{value:.{digits}f}"


_RATIOS: Columns = (
    Column("ratio", _ratio, about=("to paper",), rank=3, right=True),
    Column(
        "paper,",
        lambda row: _number(row.relative_paper, 2),
        about=("relative",),
        rank=1,
        right=True,
    ),
    Column(
        "ours,", lambda row: _number(row.relative_ours, 2), about=("relative",), rank=2, right=True
    ),
)
