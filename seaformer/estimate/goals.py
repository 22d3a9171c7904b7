"""``goals``: what errors of estimates were to be, and are; ``uncounted``: rows without counts."""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterator

from seaformer.core.precision import BASE
from seaformer.estimate.calibration import Calibration, Row, shipped
from seaformer.estimate.domain import attends
from seaformer.estimate.evidence import evidence
from seaformer.estimate.published import published, published_cores
from seaformer.estimate.worth import ENGINE, error_of, held_rows
from seaformer.report.zoo import markdown_table

# The rows that SeaFormer was compared with its rivals by.
SEGMENTATION = re.compile(r"seaformer_[tsbl]\.(ade20k|cityscapes)")
_LEAST, _MOST = 0.85, 0.95  # of rows in a 90 % interval


def goals() -> str:
    """Each goal, whether it is met, and the rows that it is about."""
    head = ("errors, families left out", "to be", "are", "", "rows")
    return markdown_table(head, _goals(shipped("sd865"), shipped("sd855")))


def uncounted() -> str:
    """The published rows of models of the zoo that nothing is counted for, by name."""
    counted = {(e.model, e.precision) for e in evidence() if e.engine == ENGINE.name}
    rows = [(each.model, each.precision) for core in published_cores() for each in published(core)]
    missing = sorted(set(rows) - counted)
    names = (f"`{model}`{f' {p.upper()}' * (p != BASE.name)}" for model, p in missing)
    return f"Not counted are {len(missing)} of {len(set(rows))} rows: {', '.join(names)}.\n"


def _goals(paper: Calibration, widths: Calibration) -> Iterator[tuple[str, ...]]:
    rows = _rows(paper, BASE.name)
    seen = [row for row in rows if SEGMENTATION.match(row.model)]
    yield _line("SeaFormer's segmentation rows, from rivals alone", paper, seen, (0.02, 0.04))
    yield _line(f"all rows inside, {BASE.name.upper()}", paper, rows, (0.04,))
    plain = [row for row in rows if not attends(row.operators)]
    yield _line("of these, networks that do not attend", paper, plain, (0.04,))
    for precision in sorted({row.precision for row in paper.rows} - {BASE.name}):
        yield _line(precision.upper(), paper, _rows(paper, precision), (0.05,))
    yield _line("MobileNets by width, Snapdragon 855", widths, _rows(widths, BASE.name), (0.08,))
    kept = held_rows(paper, (ENGINE.name, BASE.name))
    share = len(kept) / len(rows)
    met = _met(_LEAST <= round(share, 2) <= _MOST)
    goal = f"{100 * _LEAST:.0f} to {100 * _MOST:.0f} of 100"
    yield "all rows inside, in a 90 % interval", goal, f"{100 * share:.0f}", met, str(len(rows))
    other = [row for row in paper.rows if not row.inside and row.engine == ENGINE.name]
    errors = sorted(error_of(paper, row) for row in other)
    spread = f"{100 * errors[0]:+.0f} to {100 * errors[-1]:+.0f} %"
    goal = "10 %, or outside"
    yield "norms, GELU, SiLU and others outside", goal, spread, "met: outside", str(len(other))


def _rows(calibration: Calibration, precision: str) -> list[Row]:
    key = (ENGINE.name, precision)
    return [row for row in calibration.rows if row.inside and (row.engine, row.precision) == key]


def _line(
    what: str, calibration: Calibration, rows: Collection[Row], most: tuple[float, ...]
) -> tuple[str, ...]:
    """``most``: of the mean, and of the largest where that has a goal, too."""
    sizes = [abs(error_of(calibration, row)) for row in rows]
    reached = (statistics.fmean(sizes), max(sizes))
    met = all(size <= limit for size, limit in zip(reached, most, strict=False))
    names = ("on average", "at most")
    goal = ", ".join(
        f"{100 * limit:.0f} % {name}" for limit, name in zip(most, names, strict=False)
    )
    shown = ", ".join(f"{100 * size:.1f} %" for size in reached)
    return what, goal, shown, _met(met), str(len(sizes))


def _met(met: bool) -> str:
    return "met" if met else "not met"
