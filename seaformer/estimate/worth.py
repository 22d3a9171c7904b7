"""``worth``: what calibrations are worth, a family left out; the tables of docs/estimate.md."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from seaformer.core import zoo
from seaformer.core.engine import DEFAULT_FORMAT, engine_of
from seaformer.core.estimate import CYCLES
from seaformer.core.precision import BASE
from seaformer.estimate.calibration import Calibration, Row, calibrate, shipped, shipped_cores
from seaformer.estimate.domain import attends
from seaformer.estimate.figures import measured_figures
from seaformer.estimate.scale import (
    WIDEST,
    Point,
    Rule,
    best_rule,
    fit,
    held,
    interval_factor,
    left_out_errors,
    ns_of,
)
from seaformer.report.estimate import DOMAINS
from seaformer.report.estimate_picture import Dot, picture
from seaformer.report.zoo import markdown_table
from seaformer.store.results import ResultStore

ENGINE = engine_of(DEFAULT_FORMAT)
BASES: dict[str, Callable[[Row], float]] = {
    CYCLES: lambda row: row.cycles,
    "instructions": lambda row: row.instructions,
    "MACs": lambda row: zoo.entries()[row.model].macs,
}
_CHOSEN = (1, 2, 3, 5)
_MOST_CHOICES = 5000
_NEAR = 0.1  # what nn-Meter counts as right
_HEAD = ("core", "engine", "precision", "by", "rows", "mean", "worst", "within 10 %", "held")
_Key = tuple[str, str]


def worth() -> str:
    """Each scale of the package: mean and worst error, and how many rows its intervals held."""
    cells = [
        _worth(calibration, key, by)
        for calibration in _calibrations()
        for key in _keys(calibration)
        for by in BASES
    ]
    return markdown_table(_HEAD, cells)


def families() -> str:
    """Each family of ``sd865``, estimated by the others: the first engine, in single precision."""
    calibration, key = shipped("sd865"), (ENGINE.name, BASE.name)
    kept = held_rows(calibration, key)
    groups: dict[tuple[bool, str], list[Row]] = {}
    for row in (each for each in calibration.rows if (each.engine, each.precision) == key):
        groups.setdefault((not row.inside, row.family), []).append(row)
    head = ("family", "domain", "rows", "mean", "worst", "held")
    return markdown_table(head, [_family(calibration, groups[k], kept) for k in sorted(groups)])


def _family(calibration: Calibration, rows: Sequence[Row], kept: Collection[str]) -> list[str]:
    """Of rows outside those are held that lie between half and twice the estimate."""
    errors = {row.model: error_of(calibration, row) for row in rows}
    sizes, inside = [abs(error) for error in errors.values()], rows[0].inside
    if not inside:
        kept = [model for model, e in errors.items() if 1 / WIDEST <= 1 + e <= WIDEST]
    figures = (f"{100 * size:.1f} %" for size in (statistics.fmean(sizes), max(sizes)))
    share = f"{sum(model in kept for model in errors)} of {len(rows)}"
    return [rows[0].family, DOMAINS[inside], str(len(rows)), *figures, share]


def errors() -> str:
    """Each row of the package's calibrations."""
    cells = [
        _errors(calibration, row) for calibration in _calibrations() for row in calibration.rows
    ]
    return markdown_table(
        ("core", "model", "engine", "precision", "domain", "published ms", *BASES), cells
    )


def phones() -> str:
    """How the error falls with measured models: choices of so many rows of ``sd865``."""
    calibration = shipped("sd865")
    points = _points(calibration, (ENGINE.name, BASE.name), CYCLES)
    cells = []
    for count in _CHOSEN:
        sizes = sorted(_sizes(points, count))
        most = sizes[math.ceil(0.9 * len(sizes)) - 1]
        figures = (statistics.fmean(sizes), most, sizes[-1])
        cells.append((str(count), *(f"{100 * size:.1f} %" for size in figures)))
    return markdown_table(("measured models", "mean", "9 of 10 below", "worst"), cells)


def drawing() -> str:
    """Each row of ``sd865`` with its family left out, as a picture."""
    calibration = shipped("sd865")
    key = (ENGINE.name, BASE.name)
    points, rule = _points(calibration, key, CYCLES), _rule(calibration, key, CYCLES)
    dots = []
    for row in (r for r in calibration.rows if (r.engine, r.precision) == key):
        others = [each for each in points if each.family != row.family]
        ms = row.ms * (1 + error_of(calibration, row))
        factor = interval_factor(others, rule=rule) if row.inside else WIDEST
        dots.append(Dot(row.model, row.ms, ms, ms / factor, ms * factor, row.inside))
    what = f"{ENGINE.title} {BASE.name.upper()}"
    title = f"Estimates of a Snapdragon 865, each with its family left out ({what})"
    return picture(title, dots)


def here(results: Path) -> str:
    """The same with latencies of the counted engine itself: those of a results folder."""
    figures = measured_figures(ResultStore(results).load().measurements)
    calibration = calibrate("here", figures=figures)
    cells = [_worth(calibration, key, by)[1:] for key in _keys(calibration) for by in BASES]
    return markdown_table(_HEAD[1:], cells)


def _calibrations() -> list[Calibration]:
    """Those of cores that latencies are known of."""
    every = [shipped(core) for core in reversed(shipped_cores())]
    return [calibration for calibration in every if not calibration.derived_from]


def _keys(calibration: Calibration) -> list[_Key]:
    return list(dict.fromkeys((s.engine, s.precision) for s in calibration.scales))


def _points(calibration: Calibration, key: _Key, by: str) -> list[Point]:
    rows = (r for r in calibration.rows if r.inside and (r.engine, r.precision) == key)
    return [
        Point(row.model, row.family, BASES[by](row), row.ms, attends(row.operators)) for row in rows
    ]


def held_rows(calibration: Calibration, key: _Key) -> frozenset[str]:
    """The rows that lie in the interval by cycles of a calibration without their family."""
    return held(_points(calibration, key, CYCLES), rule=_rule(calibration, key, CYCLES))


def error_of(calibration: Calibration, row: Row) -> float:
    """The error of a row by cycles, estimated by other families."""
    return _error(calibration, row, CYCLES) or 0.0


def _rule(calibration: Calibration, key: _Key, by: str) -> Rule:
    """How the calibration was made; of what it has no scale by, the best rule."""
    scale = calibration.scale(*key, by)
    return scale.rule if scale else best_rule(_points(calibration, key, by))


def _worth(calibration: Calibration, key: _Key, by: str) -> tuple[str, ...]:
    points, rule = _points(calibration, key, by), _rule(calibration, key, by)
    sizes = [abs(error) for error in left_out_errors(points, rule).values()]
    mean, worst = (f"{100 * size:.1f} %" for size in (statistics.fmean(sizes), max(sizes)))
    base = (key[0], BASE.name)
    like = _points(calibration, base, by) if key != base else []
    kept = f"{len(held(points, like, rule))} of {len(points)}"
    near = f"{sum(size <= _NEAR for size in sizes)} of {len(sizes)}"
    return (calibration.core, *key, by, str(len(points)), mean, worst, near, kept)


def _errors(calibration: Calibration, row: Row) -> tuple[str, ...]:
    errors = [_error(calibration, row, by) for by in BASES]
    cells = ("-" if error is None else f"{100 * error:+.1f} %" for error in errors)
    head = (calibration.core, row.model, row.engine, row.precision)
    return (*head, DOMAINS[row.inside], f"{row.ms:g}", *cells)


def _error(calibration: Calibration, row: Row, by: str) -> float | None:
    """Of a row that has no part in a scale, the error of the scale that it would be given."""
    key, other = (row.engine, row.precision), (row.engine, BASE.name)
    if row.inside and key in _keys(calibration):
        points, rule = _points(calibration, key, by), _rule(calibration, key, by)
        return left_out_errors(points, rule).get(row.model)
    if other not in _keys(calibration):
        return None
    points, rule = _points(calibration, other, by), _rule(calibration, other, by)
    return ns_of(attends(row.operators), points, rule) * BASES[by](row) / 1e6 / row.ms - 1


def _sizes(points: Sequence[Point], count: int) -> list[float]:
    """Sizes of the errors of all rows that were not chosen, over every choice, or over many."""
    sizes = []
    for chosen in _choices(points, count):
        ns = fit(chosen)
        others = (each for each in points if each not in chosen)
        sizes += [abs(ns * each.count / 1e6 / each.ms - 1) for each in others]
    return sizes


def _choices(points: Sequence[Point], count: int) -> Iterable[Sequence[Point]]:
    if math.comb(len(points), count) <= _MOST_CHOICES:
        return itertools.combinations(points, count)
    draw = random.Random(0)
    return (draw.sample(points, count) for _ in range(_MOST_CHOICES))
