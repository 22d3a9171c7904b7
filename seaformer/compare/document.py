"""A comparison as people and programs read it: Markdown, a GitHub job, JSON, benchmark JSON.

``markdown`` is a document; ``github`` are annotations of a pull request, one line each;
``benchmark`` is what github-action-benchmark takes as ``customSmallerIsBetter``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seaformer.compare.accuracy import POINTS
from seaformer.compare.rows import ComparedRow, Comparison
from seaformer.compare.verdict import (
    BETTER,
    REGRESSION,
    SAME,
    UNKNOWN,
    WARNING,
    Finding,
    Limits,
)
from seaformer.core import codec
from seaformer.report import words
from seaformer.report.templates import Grid
from seaformer.report.templates import markdown as fill_markdown
from seaformer.report.terminal import Block, Cell, Column, Line, Table

FORMATS = ("text", "md", "json", "github", "benchmark")
_MARKS = {REGRESSION: "✗", WARNING: "!", SAME: "=", BETTER: "✓", UNKNOWN: "?"}
_ORDER = (REGRESSION, WARNING, UNKNOWN, BETTER, SAME)
_STYLES = {REGRESSION: "bold red", WARNING: "yellow", BETTER: "green", UNKNOWN: "magenta"}
_ALWAYS = ("latency", "instructions")  # shown on a terminal though they are the same
_LARGER = ("argmax agreement", "relative error")  # not a figure in which smaller is better
_PLURALS = {"latency": "latencies", "instructions": "instructions"}
Pair = tuple[ComparedRow, Finding]
_COLUMNS: tuple[Column[Pair], ...] = (
    Column("", lambda pair: Cell(_MARKS[pair[1].verdict], style=_STYLES.get(pair[1].verdict, ""))),
    Column("fact", lambda pair: pair[1].fact),
    Column("base", lambda pair: figure(pair[1].base, pair[1].unit), right=True),
    Column("new", lambda pair: figure(pair[1].new, pair[1].unit), right=True),
    Column("ratio", lambda pair: _ratio(pair[1]), right=True),
    Column("95 % interval", lambda pair: _interval(pair[1]), rank=1, right=True),
    Column("verdict", lambda pair: _verdict(pair[1]), below="{}"),
)
_HEADER = ("", "row", *(column.name for column in _COLUMNS[1:]))


@dataclass(frozen=True)
class Document:
    """What ``templates/comparison.md.j2`` prints."""

    base: str
    new: str
    headline: str
    changed: Grid
    same: Grid
    same_title: str
    remarks: tuple[str, ...]
    limits: str


def cells(comparison: Comparison) -> list[tuple[str, ...]]:
    """A line per finding, the worst first: mark, row, fact, base, new, ratio, interval, verdict."""
    pairs = [(row, finding) for row in comparison.rows for finding in row.findings]
    pairs.sort(key=lambda pair: (_ORDER.index(pair[1].verdict), pair[0].key))
    return [_cells(row, finding) for row, finding in pairs]


def page(comparison: Comparison, *, everything: bool = True) -> list[Block]:
    """For a terminal: the facts of each row below its name, the worst row first.

    Without ``everything``, facts that are the same are counted only, but for times and counts.
    """
    pairs = [(row, finding) for row in comparison.rows for finding in row.findings]
    shown = [
        (row, finding)
        for row, finding in pairs
        if everything or finding.verdict != SAME or finding.fact in _ALWAYS
    ]
    worst = {
        row.key: min(_ORDER.index(finding.verdict) for finding in row.findings)
        for row in comparison.rows
        if row.findings
    }
    shown.sort(key=lambda p: (worst[p[0].key], p[0].key, _ORDER.index(p[1].verdict)))
    unchanged = len(pairs) - len(shown)
    folded = f"{words.counted(unchanged, 'fact')} unchanged; --wide prints everything."
    return [
        Table(_COLUMNS, shown, group=lambda pair: pair[0].key.name),
        *([Line(folded, "dim")] if unchanged else []),
        Line(headline(comparison)),
        *(Line(remark, hang=2) for remark in remarks(comparison)),
    ]


def headline(comparison: Comparison) -> str:
    """One sentence: how many rows, and what became of them."""
    rows = words.counted(len(comparison.rows), "row")
    worse = len(comparison.regressions)
    warned = sum(len(row.of(WARNING)) for row in comparison.rows)
    better = sum(len(row.of(BETTER)) for row in comparison.rows)
    verdict = words.counted(worse, "regression") if worse else "no regression"
    more = f", {words.counted(warned, 'warning')}" if warned else ""
    more += f", {better} better" if better else ""
    facts = [fact for _, fact in comparison.not_judged]
    more += "".join(
        f", {words.counted(facts.count(fact), fact, _PLURALS.get(fact, ''))} not judged"
        for fact in dict.fromkeys(facts)
    )
    return f"{rows} on both sides: {verdict}{more}{': not a pass' * (bool(facts) > worse)}."


def remarks(comparison: Comparison) -> list[str]:
    """What is not on both sides, what else differs, and what was skipped."""
    lines = [f"Only in {comparison.base}: {key.name}" for key in comparison.only_base]
    lines += [f"Only in {comparison.new}: {key.name}" for key in comparison.only_new]
    for row in comparison.rows:
        lines += [f"{row.key.name}: {what}" for what in row.differs]
    lines += [f"Skipped {file.path}: {file.reason}" for file in comparison.damaged]
    return list(dict.fromkeys(map(words.clean, lines)))


def markdown(comparison: Comparison, limits: Limits | None = None) -> str:
    """The whole document: the headline, what is not the same, everything else folded away."""
    lines = cells(comparison)
    changed = [line for line in lines if not _is_same(line)]
    same = [line for line in lines if _is_same(line)]
    page = Document(
        base=comparison.base,
        new=comparison.new,
        headline=headline(comparison),
        changed=Grid(_HEADER, changed),
        same=Grid(_HEADER, same),
        same_title=f"{words.counted(len(same), 'fact')} unchanged",
        remarks=tuple(remarks(comparison)),
        limits=limits_line(limits or Limits()),
    )
    return fill_markdown("seaformer.compare", "comparison.md.j2", page)


def _is_same(line: tuple[str, ...]) -> bool:
    return line[-1].split(":")[0] == SAME


def limits_line(limits: Limits) -> str:
    """What makes a regression, in one sentence."""
    return (
        f"Regressions: latency over {100 * (limits.latency - 1):g} % with an interval that "
        f"excludes 1 (same device, pinned; a computer at two times only warns); instructions over "
        f"{100 * (limits.instructions - 1):g} %, file over {100 * (limits.size - 1):g} %, peak "
        f"memory over {100 * (limits.peak - 1):g} %; any more subgraphs, operators or operators "
        f"outside; agreement down {100 * limits.agreement:g} %; relative error "
        f"times {limits.relative_error:g}; accuracy down {limits.accuracy:g} points."
    )


def github(comparison: Comparison) -> str:
    """Annotations: an error per regression and per row not judged, a warning per warning."""
    lines = []
    for level, verdict in (("error", REGRESSION), ("warning", WARNING)):
        for row in comparison.rows:
            for finding in row.of(verdict):
                _, name, fact, base, new, ratio, *_ = _cells(row, finding)
                times = f" ({ratio})" if ratio else ""
                what = f"{fact} {base} -> {new}{times}: {finding.why} [{name}]"
                lines.append(f"::{level} title={_command(f'{fact} {verdict}')}::{_data(what)}")
    for row, fact in comparison.not_judged:
        what = f"{fact} was not judged: {_reason(row, fact)} [{words.clean(row.key.name)}]"
        lines.append(f"::error title={_command(f'{fact} not judged')}::{_data(what)}")
    lines.append(f"::notice title=seaformer compare::{_data(headline(comparison))}")
    return "\n".join(lines) + "\n"


def _reason(row: ComparedRow, fact: str) -> str:
    return next(words.clean(one.why) for one in row.of(UNKNOWN) if one.fact == fact)


def document(comparison: Comparison) -> dict[str, Any]:
    """The JSON document: the noun, and whether the gate passes."""
    data: dict[str, Any] = codec.to_json(comparison)
    passed = not (comparison.regressions or comparison.not_judged)
    return data | {"passed": passed, "headline": headline(comparison)}


def benchmark(comparison: Comparison) -> list[dict[str, Any]]:
    """One entry per figure of the new side in which smaller is better, named so that it stays."""
    entries = []
    for row in comparison.rows:
        for finding in row.findings:
            if finding.new is None or finding.fact in _LARGER or finding.unit == POINTS:
                continue
            entry = {
                "name": f"{row.key.name}: {finding.fact}",
                "unit": finding.unit or "count",
                "value": finding.new,
            }
            half = _half_width(finding)
            entries.append(entry | ({"range": f"± {half:.4g}"} if half is not None else {}))
    return entries


def _half_width(finding: Finding) -> float | None:
    """Half the interval of the ratio, in the figure's unit."""
    if finding.low is None or finding.high is None or finding.base is None:
        return None
    return (finding.high - finding.low) / 2 * finding.base


def _cells(row: ComparedRow, finding: Finding) -> tuple[str, ...]:
    mark, *others = (words.clean(column.text((row, finding))) for column in _COLUMNS)
    return (mark, words.clean(row.key.name), *others)


def _ratio(finding: Finding) -> str:
    return "" if finding.ratio is None else f"{finding.ratio:.3f}"


def _interval(finding: Finding) -> str:
    if finding.low is None or finding.high is None:
        return ""
    return f"{finding.low:.3f}–{finding.high:.3f}"


def _verdict(finding: Finding) -> str:
    return f"{finding.verdict}: {finding.why}" if finding.why else finding.verdict


def figure(value: float | None, unit: str) -> str:
    """A figure with its unit, in as few digits as distinguish it."""
    if value is None:
        return ""
    if unit == "ms":
        return f"{words.ms(value)} ms"
    if unit == "bytes":
        return f"{value / 1e6:.3f} MB"
    if unit == "instructions":
        return f"{value / 1e6:.3f} M"
    if unit == POINTS:
        return f"{value:.2f} %"
    return f"{value:.6g}"


def _data(text: str) -> str:
    """The message of a workflow command: one line, escaped for GitHub."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
