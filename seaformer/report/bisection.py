"""A bisection as a page: every module with its error before and after, and what departs."""

from __future__ import annotations

from seaformer.core.bisection import Bisection, Gap, ModuleGap
from seaformer.core.precision import BASE
from seaformer.report.terminal import Block, Cell, Column, Line, Table


def bisection_page(bisection: Bisection) -> list[Block]:
    """The table in the order of execution, then the first module that departs, if any."""
    least = bisection.least_db
    columns: tuple[Column[ModuleGap], ...] = (
        Column("module", lambda row: row.module, key=True),
        Column("before", lambda row: _shown(row.before), "dB", right=True, key=True),
        Column("after", lambda row: _shown(row.after), "dB", right=True, key=True),
        Column("largest", _largest, about=("value",), rank=1, right=True),
        Column("", lambda row: _verdict(row, least), key=True),
    )
    file = f"{bisection.model} {bisection.format} {bisection.precision}"
    title = f"{file}: SQNR of modules, in execution order"
    page: list[Block] = [Line(title), Table(columns, bisection.rows)]
    if bisection.rewritten.departs(BASE.inner_sqnr_db):
        shown = _shown(bisection.rewritten)
        page.append(Line(f"The rewritten network itself departs: {shown} dB."))
    if bisection.first is None:
        return [*page, Line(f"No module departs: {least:g} dB or more everywhere.")]
    page.append(Line(f"The first module that departs is {bisection.first}: {bisection.reason}."))
    if bisection.folder:
        page.append(Line(f"Smallest model that fails: {bisection.smallest}, in {bisection.folder}"))
    else:
        page.append(Line("No part of the network, exported by itself, fails; nothing was written."))
    return page


def _shown(gap: Gap) -> str:
    if not gap.finite:
        return "not finite"
    return "equal" if gap.sqnr_db is None else f"{gap.sqnr_db:.1f}"


def _largest(row: ModuleGap) -> str:
    return "" if row.largest is None else f"{row.largest:.4g}"


def _verdict(row: ModuleGap, least: float) -> Cell:
    if row.overflows:
        return Cell("overflows", style="red")
    if row.after.departs(least):
        return Cell("departs", style="red")
    return Cell("departs before", style="red") if row.before.departs(least) else Cell("")
