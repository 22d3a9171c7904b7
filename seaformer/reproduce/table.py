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
from seaformer.reproduce.plan import PERCENT, PaperTable, PlannedRow, Work
from seaformer.reproduce.run import Answer

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
        return ReproducedRow(line, reason=reason or "not measured")
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


def header(table: PaperTable, rows: Sequence[ReproducedRow]) -> tuple[str, ...]:
    """The columns' names; ours is named after the device."""
    device = next((row.device for row in rows if row.device), "ours")
    names = [column.replace("_", " ") for column in table.identity]
    if table.components:
        return (*names, "paper %", f"{device} %", *_ours_header(rows, device), "scope", "note")
    return (
        *(*names, "precision", *(name for name, _ in _about(table, rows)), "paper ms"),
        *_ours_header(rows, device),
        *("ratio to paper", "paper, relative", "ours, relative", "scope", "note"),
    )


def cells(table: PaperTable, row: ReproducedRow, rows: Sequence[ReproducedRow]) -> tuple[str, ...]:
    """One line as text, in the order of ``header``."""
    line, ours = row.planned, _ours(row, rows)
    end = (row.scope or _NOTHING, row.reason)
    if table.components:
        return _clean(*line.label, _number(line.published), _number(row.share, 1), *ours, *end)
    values = (getattr(line, field) for _, field in _about(table, rows))
    about = (line.precision, *map(_number, values))
    relative = (_number(row.relative_paper, 2), _number(row.relative_ours, 2))
    return _clean(*line.label, *about, _number(line.published), *ours, _ratio(row), *relative, *end)


def notes(table: PaperTable, rows: Sequence[ReproducedRow]) -> list[str]:
    """What the table is and is not, below it."""
    done = [row for row in rows if row.measurement_id]
    lines = [f"{len(done)} of {words.counted(len(rows), 'line')} measured."]
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


def markdown(table: PaperTable, rows: Sequence[ReproducedRow]) -> str:
    """The whole table as Markdown."""
    lines = [header(table, rows), tuple("---" for _ in header(table, rows))]
    lines += [cells(table, row, rows) for row in rows]
    grid = "\n".join(f"| {' | '.join(c.replace('|', '/') for c in line)} |" for line in lines)
    listed = "\n".join(f"- {note}" for note in notes(table, rows))
    return f"## {table.title}\n\n{grid}\n\n{listed}\n"


def _about(table: PaperTable, rows: Sequence[ReproducedRow]) -> list[tuple[str, str]]:
    """Columns of the paper beside the latency, and our fields for them; none that is empty."""
    columns = (
        *(("paper M", "params_m"), ("paper G", "flops_g")),
        (f"paper {table.metric_name}", "metric"),
    )
    return [
        (name, field)
        for name, field in columns
        if any(getattr(row.planned, field) is not None for row in rows)
    ]


def _ours_header(rows: Sequence[ReproducedRow], device: str) -> tuple[str, ...]:
    counted = any(row.instructions is not None for row in rows)
    timed = any(row.median_ms is not None for row in rows) or not counted
    names = (f"{device} ms", "95 % interval ms") if timed else ()
    return (*names, *((f"{device} instructions M",) if counted else ()))


def _ours(row: ReproducedRow, rows: Sequence[ReproducedRow]) -> tuple[str, ...]:
    counted = any(other.instructions is not None for other in rows)
    timed = any(other.median_ms is not None for other in rows) or not counted
    span = words.span(row.ci95_low_ms, row.ci95_high_ms)
    times = (words.ms(row.median_ms), span) if timed else ()
    return (*times, *((words.instructions(row.instructions),) if counted else ()))


def _ratio(row: ReproducedRow) -> str:
    if row.ratio is None or row.ratio_low is None or row.ratio_high is None:
        return _NOTHING
    return f"{row.ratio:.3f} ({row.ratio_low:.3f}–{row.ratio_high:.3f})"


def _number(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"


def _clean(*texts: str) -> tuple[str, ...]:
    return tuple(map(words.clean, texts))
