"""Estimates on a terminal: a table of their own, with intervals, and why a network is outside.

A published figure is in a column apart; an estimate is in no column of measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from seaformer.core.estimate import (
    INSTRUCTIONS,
    Estimate,
    OperatorEstimate,
    PartEstimate,
    ScaleRow,
    ScaleSummary,
)
from seaformer.report import words
from seaformer.report.terminal import Block, Column, Line, Table

NOTE = (
    "Computed from the code that an emulated {emulated} executes: nothing ran on a {core}. "
    "The interval is to hold 90 of 100 networks of families that the calibration has not seen."
)
TOP = 15
DOMAINS = {True: "inside", False: "outside"}
BY_INSTRUCTIONS = "Without LLVM, estimates are made of instructions alone."


def size(row: Estimate) -> str:
    """``512x512``, or a dash where the input is not an image."""
    shape = row.input_shape
    return f"{shape[2]}x{shape[3]}" if len(shape) == 4 else words.NOTHING


def interval(row: Estimate) -> str:
    """``low–high`` in milliseconds."""
    return "–".join(words.ms(bound) for bound in row.interval_ms)


_COLUMNS: tuple[Column[Estimate], ...] = (
    Column("model", lambda row: words.clean(row.model), key=True),
    Column("engine", lambda row: words.clean(row.engine), shared=True),
    Column("precision", lambda row: words.clean(row.precision), shared=True),
    Column("size", size, rank=3, shared=True),
    Column("estimate", lambda row: words.ms(row.estimate_ms), "ms", right=True, style="bold"),
    Column("90 % interval", interval, "ms", right=True),
    Column("instr", lambda row: words.instructions(row.instructions), "M", rank=1, right=True),
    Column("cycles", lambda row: cycles(row.cycles), "M", rank=2, right=True),
    Column("domain", lambda row: DOMAINS[row.inside]),
    Column(
        "published", lambda row: words.published(row.published_ms), "ms", right=True, apart=True
    ),
)
_Part = tuple[Estimate, PartEstimate]
_PART_COLUMNS: tuple[Column[_Part], ...] = (
    Column("component", lambda pair: words.clean(pair[1].name), key=True),
    Column("estimate", lambda pair: words.ms(pair[1].estimate_ms), "ms", right=True),
    Column("share", lambda pair: words.percent(share(*pair)), right=True),
    Column("instr", lambda pair: words.instructions(pair[1].instructions), "M", right=True),
    Column("cycles", lambda pair: cycles(pair[1].cycles), "M", right=True),
)
_Operator = tuple[Estimate, OperatorEstimate]
_KIND_COLUMNS: tuple[Column[_Operator], ...] = (
    Column("kind", lambda pair: words.clean(pair[1].name), key=True),
    Column("estimate", lambda pair: words.ms(pair[1].estimate_ms), "ms", right=True),
    Column("share", lambda pair: words.percent(share(*pair)), right=True),
    Column("instr", lambda pair: f"{pair[1].instructions / 1e6:.2f}", "M", right=True),
    Column("cycles", lambda pair: cycles(pair[1].cycles), "M", right=True),
)
_OPERATOR_COLUMNS: tuple[Column[_Operator], ...] = (
    Column("operator", lambda pair: words.clean(pair[1].name), key=True),
    Column("module", lambda pair: words.clean(words.module(pair[1])), rank=1),
    *_KIND_COLUMNS[1:],
)
_SCALE_COLUMNS: tuple[Column[ScaleSummary], ...] = (
    Column("engine", lambda row: words.clean(row.engine)),
    Column("precision", lambda row: words.clean(row.precision)),
    Column("by", lambda row: row.by),
    Column("scale", lambda row: f"{row.ns:.4f}", "ns each", right=True),
    Column("rows", lambda row: str(row.rows), right=True),
    Column("mean", lambda row: error(row.mean), "error", right=True),
    Column("worst", lambda row: error(row.worst), "error", right=True),
    Column("90 %", lambda row: f"/ × {row.factor:.2f}", "interval", right=True),
)
_ROW_COLUMNS: tuple[Column[ScaleRow], ...] = (
    Column("model", lambda row: words.clean(row.model), key=True),
    Column("engine", lambda row: words.clean(f"{row.engine} {row.precision}"), key=True),
    Column("by cycles", lambda row: signed(row.by_cycles), "error", right=True),
    Column("by instr", lambda row: signed(row.by_instructions), "error", rank=1, right=True),
    Column("domain", lambda row: DOMAINS[row.inside], rank=3),
    Column("time", lambda row: words.published(row.ms), "ms", right=True, apart=True),
    Column("from", lambda row: words.clean(row.source), rank=2),
)
_LEFT_OUT = "Errors are of each row with its whole family left out; a dash: no scale."


def calibration_page(
    title: str, scales: Sequence[ScaleSummary], rows: Sequence[ScaleRow]
) -> list[Block]:
    """The scales, and how wrong each row is where its family is left out."""
    return [
        Line(title, "italic", hang=2),
        Table(_SCALE_COLUMNS, scales),
        Line(""),
        Table(_ROW_COLUMNS, rows),
        Line(_LEFT_OUT, "dim"),
    ]


def error(value: float) -> str:
    """A size of an error in percent; a dash where it is unknown."""
    return words.NOTHING if math.isnan(value) else f"{100 * value:.1f} %"


def signed(value: float | None) -> str:
    """An error in percent, with its sign."""
    return words.NOTHING if value is None else f"{100 * value:+.1f} %"


def operator_tables(row: Estimate, top: int = TOP) -> Iterator[Block]:
    """The dearest operators, and all kinds; every line with its share of the whole."""
    if not row.operators:
        return
    ordered = sorted(row.operators, key=lambda each: -each.estimate_ms)
    shown, rest = ordered[:top], ordered[top:]
    yield Line(f"Operators of {name(row)}, the first {len(shown)} of {len(ordered)}:", "italic")
    lines = [*shown, *([_together(f"{len(rest)} more", "", rest)] if rest else [])]
    yield Table(_OPERATOR_COLUMNS, [(row, each) for each in lines])
    yield Line("By kind:", "italic")
    kinds = dict.fromkeys(each.kind for each in ordered)
    sums = [_together(kind, "", [o for o in ordered if o.kind == kind]) for kind in kinds]
    sums.sort(key=lambda each: -each.estimate_ms)
    yield Table(_KIND_COLUMNS, [(row, each) for each in sums])


def _together(title: str, module: str, some: Sequence[OperatorEstimate]) -> OperatorEstimate:
    counts = [each.cycles for each in some if each.cycles is not None]
    return OperatorEstimate(
        name=title,
        kind=title,
        module=module,
        exact=True,
        instructions=sum(each.instructions for each in some),
        cycles=sum(counts) if counts else None,
        estimate_ms=sum(each.estimate_ms for each in some),
    )


def estimate_page(estimates: Sequence[Estimate]) -> list[Block]:
    """A table per core, the components of each row, what is outside and why, what to try first."""
    blocks: list[Block] = []
    for core in dict.fromkeys(each.core for each in estimates):
        rows = [each for each in estimates if each.core == core]
        blocks += [Line(f"Estimated, not measured: {core}", "italic"), Table(_COLUMNS, rows)]
        blocks += [Line(sentence, hang=2) for sentence in _outside(rows)]
        for row in rows:
            blocks += _parts(row)
            blocks += operator_tables(row)
        blocks += [Line(sentence, hang=2) for sentence in _first(rows)]
        note = NOTE.format(emulated=rows[0].emulated, core=core)
        blocks.append(Line(note, "dim"))
        if rows[0].by == INSTRUCTIONS:
            blocks.append(Line(BY_INSTRUCTIONS, "dim"))
        if rows[0].left_out:
            left_out = ", ".join(map(words.clean, rows[0].left_out))
            blocks.append(Line(f"The calibration leaves out: {left_out}.", "dim"))
    return blocks


def cycles(count: float | None) -> str:
    """Millions of cycles with two decimals."""
    return words.NOTHING if count is None else f"{count / 1e6:.2f}"


def share(row: Estimate, part: PartEstimate | OperatorEstimate) -> float:
    """The part's estimate over that of the whole."""
    return part.estimate_ms / row.estimate_ms


def name(row: Estimate) -> str:
    """``seaformer_t.ade20k executorch fp32``."""
    return words.clean(f"{row.model} {row.engine} {row.precision}")


def _outside(rows: Sequence[Estimate]) -> Iterator[str]:
    for row in rows:
        if not row.inside:
            yield words.clean(f"{name(row)} is outside: {'; '.join(row.outside_because)}.")


def _parts(row: Estimate) -> Iterator[Block]:
    if row.components:
        yield Line(f"Components of {name(row)}, each run alone:", "italic")
        yield Table(_PART_COLUMNS, [(row, part) for part in row.components])


def _first(rows: Sequence[Estimate]) -> Iterator[str]:
    """Of each model with several rows the one with the lowest estimate, and what may be faster."""
    for model in dict.fromkeys(row.model for row in rows):
        some = sorted((r for r in rows if r.model == model), key=lambda row: row.estimate_ms)
        if len(some) == 1:
            continue
        best, *others = some
        what = f"{_kind(best)}, {words.ms(best.estimate_ms)} ms"
        near = [row for row in others if row.interval_ms[0] <= best.interval_ms[1]]
        then = f" Intervals overlap: {', '.join(map(_kind, near))} may be faster." if near else ""
        yield words.clean(f"Lowest estimate of {model}: {what}. Try it first on the phone.{then}")


def _kind(row: Estimate) -> str:
    """``executorch fp16``."""
    return f"{row.engine} {row.precision}"
