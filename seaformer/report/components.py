"""The parts of a network beside the whole: shares, their sum, what is left, and figure 10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seaformer.core import paper
from seaformer.core.table import ResultRow, ResultTable
from seaformer.report.table import FORWARD, is_part


@dataclass(frozen=True)
class Component:
    """A part of a network and its share of the whole. ``sum`` and ``remainder`` are not methods.

    Shares are of time where it was measured, of instructions where they were counted instead.
    ``paper_percent`` is what figure 10 of the paper gives for SeaFormer-T on a Snapdragon 865.
    """

    name: str
    median_ms: float | None
    ci95_low_ms: float | None
    ci95_high_ms: float | None
    share: float
    instructions: int | None = None
    paper_percent: float | None = None


def components(rows_of_one: Sequence[ResultRow]) -> tuple[Component, ...]:
    """The methods of one measurement beside ``forward``, their sum and the remainder.

    The remainder is what the whole takes beyond its parts run alone; below zero, what the parts
    pay for beginning and ending on their own. Empty when the measurement has no components or no
    whole to compare them with.
    """
    whole = next((row for row in rows_of_one if row.method == FORWARD), None)
    parts = [row for row in rows_of_one if is_part(row) and _figure(row)]
    if whole is None or not _figure(whole) or not parts:
        return ()
    published = _figure10([row.method for row in parts])
    each = [_part(row, whole, published.get(row.method)) for row in parts]
    total = sum(_figure(row) for row in parts)
    share = total / _figure(whole)
    known = sum(published.values()) if published else None
    return (
        *each,
        _sum("sum", total, whole, share, known),
        _sum("remainder", _figure(whole) - total, whole, 1 - share, None),
    )


def with_components(table: ResultTable) -> list[list[ResultRow]]:
    """The rows of each measurement that has components, newest of its key only."""
    parts = ResultTable(tuple(row for row in table.rows if is_part(row)))
    current = {row.measurement_id for row in parts.newest.rows}
    groups: dict[str, list[ResultRow]] = {}
    for row in table.rows:
        if row.measurement_id in current:
            groups.setdefault(row.measurement_id, []).append(row)
    return [rows for rows in groups.values() if components(rows)]


def _figure(row: ResultRow) -> float:
    """What shares are taken of: milliseconds or instructions; 0 where there is neither."""
    return row.median_ms or row.instructions or 0


def _part(row: ResultRow, whole: ResultRow, percent: float | None) -> Component:
    return Component(
        name=row.method,
        median_ms=row.median_ms,
        ci95_low_ms=row.ci95_low_ms,
        ci95_high_ms=row.ci95_high_ms,
        share=_figure(row) / _figure(whole),
        instructions=row.instructions,
        paper_percent=percent,
    )


def _sum(
    name: str, figure: float, whole: ResultRow, share: float, percent: float | None
) -> Component:
    timed = whole.median_ms is not None
    executed = None if timed else round(figure)
    return Component(name, figure if timed else None, None, None, share, executed, percent)


def _figure10(methods: Sequence[str]) -> dict[str, float]:
    """The paper's shares in percent by method; nothing for a network with other parts."""
    if set(methods) != set(paper.COMPONENTS):
        return {}
    shares = paper.component_shares()
    return {method: shares[paper.COMPONENTS[method]] for method in methods}
