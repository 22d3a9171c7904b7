"""A table of the paper with estimates beside it: nothing is measured, and nothing is stored.

``--device estimate[:CORE]``, or ``estimate:FILE.json`` of a calibration. A line has the estimate,
its interval, the difference from the paper's figure, and why its network is outside, if it is.
Exports and what they execute are in the cache, so that an interrupted reproduction continues.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from seaformer.core.errors import SeaFormerError
from seaformer.core.estimate import Estimate
from seaformer.core.files import expanded
from seaformer.estimate.run import CORE, Estimator, open_estimator
from seaformer.report import words
from seaformer.report.estimate import DOMAINS, interval
from seaformer.report.terminal import Column
from seaformer.reproduce.page import Page
from seaformer.reproduce.plan import PERCENT, PaperTable, PlannedRow, Work
from seaformer.reproduce.run import Factory, Progress
from seaformer.reproduce.table import MISSING

Columns = tuple[Column["EstimatedRow"], ...]
DEVICE = "estimate"
_FIXED_S, _PER_GMAC_S = 60.0, 85.0  # to export and emulate one file, for the time left


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


@dataclass
class Estimates:
    """One run over all work; ``answers`` are estimates, ``reasons`` of what has none."""

    estimator: Estimator
    factory: Factory
    progress: Callable[[Progress], None]
    answers: dict[Work, Estimate] = field(default_factory=dict)
    reasons: dict[Work, str] = field(default_factory=dict)
    exit_code: int = 0
    interrupted: bool = False

    def run(self, works: Sequence[Work]) -> None:
        """Answer each work; Ctrl-C keeps the answers there are."""
        try:
            for number, work in enumerate(works):
                self._answer(work, self._step(works, number))
        except KeyboardInterrupt:
            self.interrupted = True

    def _answer(self, work: Work, step: Callable[[str], None]) -> None:
        try:
            artifact = self.factory.make(work, step)
            self.answers[work] = self.estimator.estimate(
                artifact, components=work.components, progress=step
            )
        except SeaFormerError as error:
            self.reasons[work] = f"not estimated: {error.message}"
            self.exit_code = self.exit_code or error.exit_code

    def _step(self, works: Sequence[Work], number: int) -> Callable[[str], None]:
        work = works[number]
        left_s = sum(_FIXED_S + _PER_GMAC_S * each.macs / 1e9 for each in works[number:])
        name = f"{work.model} {work.precision}"
        return lambda what: self.progress(Progress(f"{name}: {what}", number, len(works), left_s))


def is_estimate(device: str) -> bool:
    """Whether a device is none but an estimate of one."""
    return device.partition(":")[0] == DEVICE


def estimate_works(
    works: Sequence[Work],
    device: str,
    factory: Factory,
    *,
    progress: Callable[[Progress], None],
    say: Callable[[str], None],
) -> Estimates:
    """Answer every work for ``estimate:CORE`` or ``estimate:FILE.json``, a calibration.

    Raises the error of what cannot be opened.
    """
    name = device.partition(":")[2] or CORE
    file = expanded(name) if name.endswith(".json") else None
    estimates = Estimates(open_estimator(name, file, factory.engines, say), factory, progress)
    estimates.run(works)
    return estimates


def estimate_states(works: Sequence[Work], factory: Factory) -> dict[Work, str]:
    """What is left to do for each file."""
    return {work: "estimate" if factory.find(work) else "export, estimate" for work in works}


def estimated_rows(
    planned: Sequence[PlannedRow], answers: Mapping[Work, Estimate], reasons: Mapping[Work, str]
) -> tuple[EstimatedRow, ...]:
    """Every planned line with its estimate."""
    return tuple(_row(line, answers, reasons) for line in planned)


def estimate_columns(
    table: PaperTable, rows: Sequence[EstimatedRow]
) -> tuple[Column[EstimatedRow], ...]:
    """The paper's columns, then ours, which are named after the core."""
    core = next((row.estimate.core for row in rows if row.estimate), CORE)
    names = tuple(
        Column[EstimatedRow](name.replace("_", " "), _label(place), key=True)
        for place, name in enumerate(table.identity)
    )
    unit = PERCENT if table.components else "ms"
    ours: Columns = (
        Column("estimate,", _figure, unit, (core,), right=True, apart=True),
        Column("90 % interval", _interval, unit, rank=2, right=True),
        Column("difference", _difference, rank=3, right=True),
        Column("domain", _domain, rank=4),
    )
    return (
        *names,
        Column("precision", lambda row: row.planned.precision, key=True, shared=True),
        Column("paper", lambda row: words.published(row.planned.published), unit, right=True),
        *(ours[:1] if table.components else ours),
        Column("note", _note, below="{}"),
    )


def estimate_page(
    table: PaperTable, planned: Sequence[PlannedRow], estimates: Estimates
) -> Page[EstimatedRow]:
    """The table with its estimates."""
    rows = estimated_rows(planned, estimates.answers, estimates.reasons)
    return Page(table.title, estimate_columns(table, rows), rows, estimate_notes(rows))


def estimate_notes(rows: Sequence[EstimatedRow]) -> list[str]:
    """What the table is and is not, and how far it is from the paper's."""
    done = [row for row in rows if row.estimate]
    notes = [f"{len(done)} of {words.counted(len(rows), 'line')} estimated; nothing was measured."]
    sizes = [abs(r.difference) for r in done if r.difference is not None and r.ms and _inside(r)]
    if sizes:
        mean, worst = 100 * sum(sizes) / len(sizes), 100 * max(sizes)
        notes.append(
            f"Inside the domain the difference is {mean:.1f} % on average, {worst:.1f} % at most. "
            "The calibration may contain these very lines: see estimate calibrate --leave-out."
        )
    return notes


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


def _label(place: int) -> Callable[[EstimatedRow], str]:
    return lambda row: row.planned.label[place]


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


def _note(row: EstimatedRow) -> str:
    return row.reason
