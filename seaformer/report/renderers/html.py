"""``report.html``: one file that holds everything, for reading offline, in any browser.

No request leaves it: styles and scripts are inside (``report/html/assets/``), and a content
security policy lets only that very script run. Without a script the page still has its pictures and
the first rows of each table; with it rows are drawn as they scroll into view, tables sort and
filter, and figures open. The same runs give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from markupsafe import Markup

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow
from seaformer.report.html import runs, sections, tables
from seaformer.report.html.pictures import (
    accuracy,
    components,
    engines,
    estimates,
    history,
    instructions,
    precision,
    ratio,
    samples,
)
from seaformer.report.html.sections import Section
from seaformer.report.html.tables import Table
from seaformer.report.renderers import _emulated, _estimated
from seaformer.report.table import Report, standing_alone
from seaformer.report.templates import html

FILES = ("report.html",)
MOST_ROWS = 10_000
_PICTURES = (
    accuracy,
    ratio,
    components,
    precision,
    engines,
    instructions,
    estimates,
    samples,
    history,
)
_SCRIPTS = ("page.js", "rows.js", "run.js")


@dataclass(frozen=True)
class Page:
    """What ``page.html`` prints. Of ``Markup`` nothing is escaped again."""

    policy: str
    style: Markup
    script: Markup
    summary: str
    sections: tuple[Section, ...]
    rows: Markup
    runs: Markup


def render(report: Report) -> dict[str, str]:
    """``report.html``."""
    return {"report.html": page(report)}


def page(report: Report) -> str:
    """The whole document, ending with a newline."""
    script = "\n" + "".join(map(_asset, _SCRIPTS))
    current = report.table.newest.rows
    rows = _shown(report, current)
    made = _tables(report, rows, {id(row) for row in current})
    pictures = [module.draw(report) for module in _PICTURES]
    return html(
        "page.html",
        Page(
            policy=_policy(script),
            style=Markup("\n" + _asset("report.css")),
            script=Markup(script),
            summary=sections.summary(report),
            sections=sections.of(report, pictures, made, len(rows)),
            rows=tables.island_of(made),
            runs=_runs(report, rows, current),
        ),
    )


def _asset(name: str) -> str:
    return (resources.files("seaformer.report.html") / "assets" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"{allowed}; base-uri 'none'; form-action 'none'"


def _shown(report: Report, current: Sequence[ResultRow]) -> list[ResultRow]:
    """Rows of the tables: all current ones, and the newest of the older ones up to the limit."""
    every = standing_alone(report.table).rows
    if len(every) <= MOST_ROWS:
        return list(every)
    newest_of_key = {id(row) for row in current}
    ordered = sorted(every, key=lambda row: row.created_at, reverse=True)
    ordered.sort(key=lambda row: id(row) not in newest_of_key)
    kept = {id(row) for row in ordered[:MOST_ROWS]}
    return [row for row in every if id(row) in kept]


def _tables(report: Report, rows: Sequence[ResultRow], current: set[int]) -> list[Table]:
    """A table for each source there is a row of."""
    measured = [row for row in rows if row.source == MEASURED]
    counted = [row for row in rows if row.source == EMULATED]
    estimated = [row for row in rows if row.source not in (MEASURED, EMULATED)]
    latency = "Latency of one inference, model by model. Each median opens its run."
    estimates = f"{_estimated.TITLE}: {_estimated.NOTE}"
    made = (
        tables.latency(report, measured, current, latency),
        tables.counts(report, counted, current, _emulated.caption(counted)),
        tables.estimates(report, estimated, current, estimates),
    )
    return [table for table in made if table.lines]


def _runs(report: Report, rows: Sequence[ResultRow], current: Sequence[ResultRow]) -> Markup:
    """Records of every run that something in the page opens: those of the tables and pictures."""
    shown = {row.measurement_id for row in rows}
    opened = [run for run in report.measurements if run.id in shown]
    first = {row.measurement_id for row in current}
    opened.sort(key=lambda run: run.id not in first)  # the newest of each row get room first
    return runs.records(opened, report.table.rows)
