"""The summary of a CI job: GitHub Markdown for ``$GITHUB_STEP_SUMMARY``, never too large for it.

GitHub refuses a step's summary above 1 MiB as a whole, so this one stops early with a sentence that
names the rest. Its text is in ``templates/summary.md.j2``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seaformer.core.estimate import Estimate
from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.estimate import DOMAINS, NOTE, interval, size
from seaformer.report.renderers import STDOUT, _emulated, _estimated
from seaformer.report.renderers.markdown import accuracy_grid, overview
from seaformer.report.table import FORWARD, Report, standing_alone
from seaformer.report.templates import Grid, markdown

FILES: tuple[str, ...] = ()
LIMIT_BYTES = 1024 * 1024
_LEFT_OUT = "\n\n*The summary ends here: GitHub takes no more than 1 MiB. {}*\n"
_CLOSED = "\n</details>\n"
_NAMED = ("model", "HxW", "runtime", "precision", "scope", "device")
_LATENCY = (*_NAMED, "core", "median ms", "95 % interval ms", "valid", f"{words.PAPER_SIDE} ms")
_COUNTS = (*_NAMED, "million instructions", "size MB", "valid")
_ESTIMATES = (*_NAMED[:-1], "core", "estimate ms", "90 % interval ms", "domain", "published ms")
_NO_GATE = "Computed from the instructions above and not measured: nothing is gated on it. "


@dataclass(frozen=True)
class Trouble:
    """What went wrong in one way, folded below its title, a line each."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """What ``summary.md.j2`` prints; ``overview`` is empty where no row is stored."""

    overview: str
    measured: Grid
    emulated: Grid
    emulated_caption: str
    estimated: Grid
    troubles: tuple[Trouble, ...]
    accuracy: Grid | None = None
    predicted: Grid | None = None
    predicted_note: str = ""
    estimated_title: str = _estimated.TITLE
    estimated_note: str = _estimated.NOTE


def render(report: Report) -> dict[str, str]:
    """The summary of a job that has written none yet, for stdout."""
    return {STDOUT: summary(report)}


def summary(report: Report, room: int = LIMIT_BYTES) -> str:
    """At most ``room`` bytes of UTF-8: newest rows, what failed, what was skipped."""
    table = standing_alone(report.table).newest
    shown = [row for row in table.rows if row.failure is None]
    counted = [row for row in shown if row.source == EMULATED]
    estimated = [row for row in shown if row.source not in (MEASURED, EMULATED)]
    page = Summary(
        overview=overview(report) if table.rows else "",
        measured=Grid(_LATENCY, [_timed(row) for row in shown if row.source == MEASURED]),
        emulated=Grid(_COUNTS, [_counted(row) for row in counted]),
        emulated_caption=_emulated.caption(counted),
        estimated=Grid(_estimated.HEADER, [_estimated.cells(row) for row in estimated]),
        troubles=tuple(_troubles(report)) if table.rows else (),
        accuracy=accuracy_grid(report),
        predicted=Grid(_ESTIMATES, list(map(_predicted, report.estimates))),
        predicted_note=_predicted_note(report),
    )
    return fitted(markdown("seaformer.report", "summary.md.j2", page), room)


def fitted(text: str, room: int = LIMIT_BYTES, rest: str = "The report has all.") -> str:
    """``text``, cut after its last whole line that leaves room for a sentence about the rest."""
    if len(text.encode()) <= room:
        return text
    end = _LEFT_OUT.format(rest)
    kept, left = [], room - len((_CLOSED + end).encode())
    for line in text.splitlines(keepends=True):
        left -= len(line.encode())
        if left < 0:
            break
        kept.append(line)
    shown = "".join(kept)
    folded = shown.count("<details>") > shown.count("</details>")  # or the sentence is folded too
    return f"{shown}{_CLOSED * folded}{end}" if kept else ""


def _timed(row: ResultRow) -> list[str]:
    figures = [words.ms(row.median_ms), words.interval(row), words.validity(row)]
    return [*_named(row), words.core(row), *figures, words.published(row.paper_ms)]


def _counted(row: ResultRow) -> list[str]:
    figures = [words.instructions(row.instructions), words.mb(row.size_mb), words.validity(row)]
    return [*_named(row), *figures]


def _predicted(row: Estimate) -> list[str]:
    shown = (row.model, size(row), row.engine, row.precision, row.scope, row.core)
    figures = (words.ms(row.estimate_ms), interval(row), DOMAINS[row.inside])
    return [words.clean(cell) for cell in (*shown, *figures, words.published(row.published_ms))]


def _predicted_note(report: Report) -> str:
    if not report.estimates:
        return ""
    cores = ", ".join(dict.fromkeys(row.core for row in report.estimates))
    return _NO_GATE + NOTE.format(emulated=report.estimates[0].emulated, core=cores)


def _named(row: ResultRow) -> list[str]:
    return [words.model(row), row.size, words.runtime(row), row.precision, row.scope, row.device]


def _troubles(report: Report) -> Iterator[Trouble]:
    """Rows that are not valid or failed, with the reason, and files that were skipped."""
    rows = report.table.newest.method(FORWARD).rows
    failures = [f"{_name(row)}: {row.failure}" for row in rows if row.failure is not None]
    doubts = [
        f"{_name(row)}: {flag.name}: {flag.detail}"
        for row in rows
        for flag in row.flags
        if flag.fatal
    ]
    skipped = [f"{file.path}: {file.reason}" for file in report.damaged]
    for title, lines in (("Failed", failures), ("Not valid", doubts), ("Files skipped", skipped)):
        if lines:
            yield Trouble(title, tuple(lines))


def _name(row: ResultRow) -> str:
    return f"{row.model}, {words.runtime(row)}, {row.precision} on {row.device}"
