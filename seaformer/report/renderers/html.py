"""``report.html``: one file that holds everything, for reading offline, in any browser.

No request leaves it: styles and script are inside (``report/html/assets/``), and a content
security policy lets only that very script run. Without a script the tables and pictures are still
complete; with it they sort, filter and open. The same runs give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from importlib import resources

from seaformer.core.measurement import EMULATED, MEASURED
from seaformer.core.table import ResultRow
from seaformer.report import words
from seaformer.report.components import with_components
from seaformer.report.html import runs, sections, tables
from seaformer.report.html.markup import NOTHING, Markup, data_island, lines, tag
from seaformer.report.html.pictures import (
    accuracy,
    components,
    history,
    instructions,
    precision,
    ratio,
    samples,
)
from seaformer.report.html.pictures.picture import Picture
from seaformer.report.html.tables import sign
from seaformer.report.renderers import _emulated, _estimated
from seaformer.report.table import Report, newest, standing_alone

FILES = ("report.html",)
MOST_ROWS = 1000
_PICTURES = (
    accuracy,
    ratio,
    components,
    precision,
    instructions,
    samples,
    history,
)


def render(report: Report) -> dict[str, str]:
    """``report.html``."""
    return {"report.html": page(report)}


def page(report: Report) -> str:
    """The whole document, ending with a newline."""
    style, script = _asset("report.css"), _asset("report.js")
    pictures = [module.draw(report) for module in _PICTURES]
    rows = _shown(report)
    parts = _sections(report, rows, pictures)
    body = tag(
        "body",
        tag("a", "Skip to the report", href="#main", class_="skip"),
        _header(report, parts),
        tag(
            "main",
            Markup("\n"),
            lines(*(made for _, _, made in parts)),
            id="main",
            tabindex="-1",
        ),
        _dialog(),
        data_island("runs", _opened(report, rows)),
        tag("script", Markup(f"\n{script}")),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(f"\n{script}")),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "Latency report"),
        tag("style", Markup(f"\n{style}")),
    )
    return f'<!doctype html>\n<html lang="en">{head}\n{body}</html>\n'


def _asset(name: str) -> str:
    return (resources.files("seaformer.report.html") / "assets" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"{allowed}; base-uri 'none'; form-action 'none'"


def _shown(report: Report) -> list[ResultRow]:
    """Rows of the tables: all current ones, and the newest of the older ones up to the limit."""
    every = standing_alone(report.table).rows
    current = {id(row) for row in newest(report.table).rows}
    first = [row for row in every if id(row) in current]
    older = [row for row in every if id(row) not in current]
    older.sort(key=lambda row: row.created_at, reverse=True)
    kept = {id(row) for row in [*first, *older][:MOST_ROWS]}
    return [row for row in every if id(row) in kept]


def _opened(report: Report, rows: Sequence[ResultRow]) -> dict[str, object]:
    """Records of every run that something in the page opens: those of the tables and pictures."""
    wanted = {row.measurement_id for row in rows}
    chosen = [run for run in report.measurements if run.id in wanted]
    current = {row.measurement_id for row in newest(report.table).rows}
    chosen.sort(key=lambda run: run.id not in current)  # the newest of each row get room first
    return runs.records(chosen, report.table.rows)


_Section = tuple[str, str, Markup]


def _sections(
    report: Report, rows: Sequence[ResultRow], pictures: Sequence[Picture]
) -> list[_Section]:
    """(id, name in the navigation, section) in reading order."""
    found: list[_Section] = [("overview", "Overview", sections.overview(report, len(rows)))]
    accuracy, *others = pictures
    found.append((accuracy.slug, "Accuracy", _pictured(report, accuracy)))
    if rows:
        found.append(("rows", "Rows", _rows(report, rows)))
    found += [(p.slug, p.title, _pictured(report, p)) for p in others]
    if report.devices:
        found.append(("devices", "Devices", sections.devices(report)))
    found += sections.failures(report) + sections.skipped(report)
    found.append(("reading", "How to read this", sections.reading(report)))
    return found


def _header(report: Report, listed: Sequence[_Section]) -> Markup:
    links = (tag("li", tag("a", name, href=f"#{slug}")) for slug, name, _ in listed)
    theme = tag(
        "button", "Theme: system", type="button", id="theme", hidden=True, aria_live="polite"
    )
    return tag(
        "header",
        tag("div", tag("h1", "Latency report"), theme, class_="title"),
        tag("p", sections.summary(report), class_="lead"),
        tag("nav", tag("ul", *links), aria_label="Sections"),
    )


def _pictured(report: Report, picture: Picture) -> Markup:
    if picture.drawing is None:
        said, _, command = picture.missing.partition("seaformer ")
        told = tag("p", said, tag("code", f"seaformer {command}"), class_="missing")
        return sections.section(picture.slug, picture.title, told)
    legend = tag("p", *(sign(source) for source in picture.legend), class_="legend")
    figure = tag(
        "figure",
        tag(
            "div",
            picture.drawing,
            class_="drawing",
            role="region",
            tabindex="0",
            aria_label=f"{picture.title}, picture",
        ),
        tag("figcaption", picture.note),
    )
    parts: list[str] = [legend if picture.legend else NOTHING, figure]
    if picture.slug == "components":
        parts += [_component_tables(report)]
    return sections.section(picture.slug, picture.title, *parts)


def _component_tables(report: Report) -> Markup:
    groups = with_components(report.table)[:MOST_ROWS]
    found = [tables.parts(report, rows) for rows in groups]
    summary = tag("summary", f"The figures of {words.counted(len(found), 'network')}")
    return tag("details", summary, tag("p", words.REMAINDER), *found)


def _rows(report: Report, rows: Sequence[ResultRow]) -> Markup:
    current = {id(row) for row in newest(report.table).rows}
    timed = [row for row in rows if row.source == MEASURED]
    counted = [row for row in rows if row.source == EMULATED]
    guessed = [row for row in rows if row.source not in (MEASURED, EMULATED)]
    parts = [_filters(report, rows)]
    if timed:
        caption = "Latency of one inference, model by model. Each median opens its run."
        parts.append(tables.latency(report, timed, current, caption))
    if counted:
        caption = _emulated.caption(counted)
        parts.append(tables.counts(report, counted, current, caption))
    if guessed:
        caption = f"{_estimated.TITLE}: {_estimated.NOTE}"
        parts.append(tables.estimates(report, guessed, current, caption))
    return sections.section("rows", "Rows", *parts)


def _filters(report: Report, rows: Sequence[ResultRow]) -> Markup:
    """Shown by the script, which does the filtering."""
    devices = [(found.device.id, found.device) for found in report.devices]
    device_options = [(known, f"{device.model} ({known})") for known, device in devices]
    search = tag(
        "input", type="search", id="search", autocomplete="off", placeholder="model, runtime"
    )
    return tag(
        "form",
        tag("label", "Search ", search),
        _select("source", "Source", _same(row.source for row in rows)),
        _select("device", "Device", list(dict(device_options).items())),
        _select("precision", "Precision", _same(row.precision for row in rows)),
        _select("state", "State", _same(("valid", "not valid", "failed"))),
        _select("newest", "Runs", [("yes", "newest of each row")], every="all runs"),
        tag("button", "Reset", type="reset"),
        tag("output", "", id="count", aria_live="polite"),
        id="filters",
        hidden=True,
        aria_label="Filter the tables",
    )


def _same(values: Iterable[str]) -> list[tuple[str, str]]:
    return [(value, value) for value in dict.fromkeys(values)]


def _select(name: str, said: str, options: Sequence[tuple[str, str]], every: str = "all") -> Markup:
    chosen = name == "newest"
    made = [tag("option", every, value="", selected=not chosen)]
    made += [tag("option", shown, value=value, selected=chosen) for value, shown in options]
    return tag("label", f"{said} ", tag("select", *made, id=f"by-{name}", data_by=name))


def _dialog() -> Markup:
    """Empty until a number is opened."""
    close = tag("button", "Close", type="button", id="close")
    top = tag("div", tag("h2", "Run", id="run-title"), close, class_="title")
    return tag("dialog", top, tag("div", "", id="run-body"), id="run", aria_labelledby="run-title")
