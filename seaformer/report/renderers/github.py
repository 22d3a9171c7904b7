"""The summary of a CI job: GitHub Markdown for ``$GITHUB_STEP_SUMMARY``, never too large for it.

GitHub refuses a step's summary above 1 MiB as a whole, so this one stops early and says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.renderers import STDOUT, _emulated, _estimated
from seaformer.report.renderers._markdown import cell, grid
from seaformer.report.renderers.markdown import overview
from seaformer.report.table import FORWARD, Report, newest, standing_alone

FILES: tuple[str, ...] = ()
LIMIT_BYTES = 1024 * 1024
_LEFT_OUT = "\n\n*The summary ends here: GitHub takes no more than 1 MiB. {}*\n"
_CLOSED = "\n</details>\n"
_LATENCY = (
    *("model", "HxW", "runtime", "precision", "scope", "device", "core"),
    *("median ms", "95 % interval ms", "valid", f"{words.PAPER_SIDE} ms"),
)
_COUNTS = (
    *("model", "HxW", "runtime", "precision", "scope", "device"),
    *("million instructions", "size MB", "valid"),
)


def render(report: Report) -> dict[str, str]:
    """The summary of a job that has written none yet, for stdout."""
    return {STDOUT: summary(report)}


def summary(report: Report, room: int = LIMIT_BYTES) -> str:
    """At most ``room`` bytes of UTF-8: newest rows, what failed, what was skipped."""
    if not report.table.rows:
        begin = (
            "No measurement is stored yet. Begin with `seaformer bench --variant t --threads 1`."
        )
        return fitted(f"## Latency report\n\n{begin}\n", room)
    table = newest(standing_alone(report.table))
    rows = table.rows
    guessed = [row for row in _estimated.rows_of(table).rows if row.failure is None]
    timed = [row for row in rows if row.source == MEASURED and row.failure is None]
    counted = [row for row in rows if row.source == EMULATED and row.failure is None]
    parts = ["## Latency report", overview(report)]
    if timed:
        parts += ["### Measured", grid(_LATENCY, [_timed(row) for row in timed])]
    if counted:
        cells = [_counted(row) for row in counted]
        parts += ["### Emulated", _emulated.caption(counted), grid(_COUNTS, cells)]
    if guessed:
        cells = [_estimated.cells(row) for row in guessed]
        title = f"### {_estimated.TITLE}"
        parts += [title, _estimated.NOTE, grid(_estimated.HEADER, cells)]
    parts += _troubles(report)
    return fitted("\n\n".join(parts) + "\n", room)


def fitted(text: str, room: int = LIMIT_BYTES, rest: str = "The report has all.") -> str:
    """``text``, cut after its last whole line that leaves room to say so, and where the rest is."""
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


def _named(row: ResultRow) -> list[str]:
    return [words.model(row), row.size, words.runtime(row), row.precision, row.scope, row.device]


def _troubles(report: Report) -> list[str]:
    """Rows that are not valid or failed, with the reason, and files that were skipped."""
    rows = newest(report.table).method(FORWARD).rows
    failed = [f"{_named_line(row)}: {row.failure}" for row in rows if row.failure is not None]
    doubts = [
        f"{_named_line(row)}: {flag.name}: {flag.detail}"
        for row in rows
        for flag in row.flags
        if flag.fatal
    ]
    skipped = [f"{found.path}: {found.reason}" for found in report.damaged]
    found = (("Failed", failed), ("Not valid", doubts), ("Files skipped", skipped))
    return [_listed(title, lines) for title, lines in found if lines]


def _named_line(row: ResultRow) -> str:
    return f"{row.model}, {words.runtime(row)}, {row.precision} on {row.device}"


def _listed(title: str, lines: Sequence[str]) -> str:
    listed = "\n".join(f"- {cell(line)}" for line in lines)
    return f"<details><summary>{title}: {len(lines)}</summary>\n\n{listed}\n\n</details>"
