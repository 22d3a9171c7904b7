"""``tried``: what else was made of the same counts, and how wrong it is with a family left out.

A table of docs/estimate.md, which gives the reasons. An estimate is a scale times cycles; whatever
is here was to be better.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from seaformer.core import zoo
from seaformer.core.precision import BASE
from seaformer.estimate.calibration import shipped
from seaformer.estimate.domain import attends
from seaformer.estimate.evidence import Evidence, evidence
from seaformer.estimate.goals import SEGMENTATION
from seaformer.estimate.published import CLOCK_GHZ
from seaformer.estimate.scale import Point, basis, fit
from seaformer.estimate.worth import ENGINE
from seaformer.report.zoo import markdown_table

_CORES = ("sd865", "sd855")
_LINES = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0)  # cycles for a line, to be chosen from
_BOUND = "a scale for each family, made of its own rows: no trial, a bound"
_GHZ = CLOCK_GHZ[_CORES[0]]  # of both cores
_PENALTY = 5.0  # of a slope, in rows


@dataclass(frozen=True)
class Known:
    """A row: what was counted, and the published time."""

    counted: Evidence
    family: str
    ms: float

    @property
    def name(self) -> str:
        """The model."""
        return self.counted.model


Count = Callable[[Evidence], float]
Always = Callable[[Sequence[Known], Known], float]
Predict = Callable[[Sequence[Known], Known], float | None]  # none: needs more counts than it has


def tried() -> str:
    """Mean and worst error of each trial on each core, and on segmentation with SeaFormer."""
    lines = []
    for name, predict in all_trials():
        errors = {core: errors_of(rows_of(core), predict) for core in _CORES}
        seen = {m: e for m, e in errors[_CORES[0]].items() if _is_seen(m)}
        figures = (errors[_CORES[0]], seen, errors[_CORES[1]])
        lines.append((name, *map(_figures, figures)))
    lines.append((_BOUND, *map(_figures, _bounds())))
    head = ("tried", f"{_CORES[0]}: mean, worst", "SeaFormer of these", f"{_CORES[1]}: mean, worst")
    return markdown_table(head, lines)


def all_trials() -> Iterator[tuple[str, Predict]]:
    """Each trial: what it is, and the milliseconds that it predicts for a row from others."""
    yield (
        "cycles at the clock; networks that attend by rows of such (used)",
        _at_the_clock(_by_kin(_cycles)),
    )
    yield "cycles at the clock; networks that attend by all rows", _at_the_clock(_scaled(_cycles))
    yield "cycles by all rows; networks that attend by rows of such", _by_kin(_cycles)
    yield "cycles at the clock alone", lambda _, row: _clocked(row)
    yield "cycles, by all rows", _scaled(_cycles)
    yield "instructions", _scaled(lambda e: e.instructions)
    both = _scaled(lambda e: math.sqrt(e.cycles * e.instructions))
    yield "geometric mean of cycles and instructions", both
    yield "the geometric mean of all rows as the scale", _scaled(_cycles, statistics.fmean)
    yield "every family with the same weight", _by_family
    yield "of rows whose lines of memory are counted: cycles", _of_lines(_scaled(_cycles))
    for each in _LINES[1:]:
        yield f"of these, {each:g} cycles more for a line", _of_lines(_scaled(_with_lines(each)))
    yield "of these, 3 cycles and by rows of such", _of_lines(_by_kin(_with_lines(3)))
    yield "of these, the number chosen without the family", _of_lines(_chosen)
    lines = _regressed(lambda e: (e.memory_lines or 0) / e.cycles)
    yield "of these, regression of the rest on lines a cycle", _of_lines(lines)
    for each in (0.5, 1.0):
        yield f"{each:g} cycles more for a parameter", _scaled(_with_parameters(each))
    yield "5000 cycles more for an operator", _scaled(_with_operators)
    other = next(iter(_rival().values())).engine
    yield f"geometric mean with cycles of {other}, each by its scale", _with_rival
    yield f"cycles of {other} where nothing attends, with the scale of all", _rival_of_convolutions
    yield "where nothing attends, by rows of such, too", _by_kind
    yield "regression of the rest on size", _regressed(lambda e: math.log(e.cycles))
    yield "on instructions a cycle", _regressed(lambda e: math.log(e.instructions / e.cycles))
    yield "on MACs a cycle", _regressed(lambda e: math.log(e.macs / e.cycles))


def _cycles(counted: Evidence) -> float:
    return counted.cycles


def _with_lines(each: float) -> Count:
    return lambda counted: counted.cycles + each * (counted.memory_lines or 0)


def _with_parameters(each: float) -> Count:
    return lambda counted: counted.cycles + each * zoo.entries()[counted.model].params


def _with_operators(counted: Evidence) -> float:
    return counted.cycles + 5000 * sum(counted.operators.values())


def _scaled(count: Count, middle: Callable[[list[float]], float] = statistics.median) -> Always:
    def predict(rows: Sequence[Known], row: Known) -> float:
        return count(row.counted) * math.exp(middle([_rest(each, count) for each in rows]))

    return predict


def _of_lines(predict: Predict) -> Predict:
    """Of the rows whose misses were counted alone."""

    def predicted(rows: Sequence[Known], row: Known) -> float | None:
        counted = [each for each in rows if each.counted.memory_lines is not None]
        return predict(counted, row) if row.counted.memory_lines is not None else None

    return predicted


def _by_family(rows: Sequence[Known], row: Known) -> float:
    families = {each.family for each in rows}
    means = [
        statistics.fmean(_rest(each, _cycles) for each in rows if each.family == family)
        for family in families
    ]
    return row.counted.cycles * math.exp(statistics.fmean(means))


def _with_rival(rows: Sequence[Known], row: Known) -> float:
    """Of rows that were counted with both engines; of others with the first alone."""
    ours, theirs = _scaled(_cycles)(rows, row), _rivals(rows, row)
    return ours if theirs is None else math.sqrt(ours * theirs)


def _rival_of_convolutions(rows: Sequence[Known], row: Known) -> float:
    theirs = None if _attends(row) else _rivals(rows, row)
    return _scaled(_cycles)(rows, row) if theirs is None else theirs


def _bounds() -> Iterator[dict[str, float]]:
    """Errors of rows by a scale of their own family, that no other family can give."""
    for core in _CORES:
        errors = {}
        for row in rows_of(core):
            kin = [each for each in rows_of(core) if each.family == row.family]
            errors[row.name] = _scaled(_cycles)(kin, row) / row.ms - 1
        yield errors
        if core == _CORES[0]:
            yield {model: error for model, error in errors.items() if _is_seen(model)}


def _by_kin(count: Count) -> Always:
    def predict(rows: Sequence[Known], row: Known) -> float:
        points = [Point(r.name, r.family, count(r.counted), r.ms, _attends(r)) for r in rows]
        return fit(basis(_attends(row), points)) * count(row.counted) / 1e6

    return predict


def _clocked(row: Known) -> float:
    return row.counted.cycles / (_GHZ * 1e6)


def _at_the_clock(attending: Predict) -> Predict:
    """Of networks that attend what another trial predicts, of others cycles at the clock."""
    return lambda rows, row: attending(rows, row) if _attends(row) else _clocked(row)


def _by_kind(rows: Sequence[Known], row: Known) -> float:
    alike = [each for each in rows if _attends(each) == _attends(row)]
    return _scaled(_cycles)(alike or rows, row)


def _rivals(rows: Sequence[Known], row: Known) -> float | None:
    counted = _rival()
    both = [Known(counted[r.name], r.family, r.ms) for r in rows if r.name in counted]
    if row.name not in counted or not both:
        return None
    return _scaled(_cycles)(both, Known(counted[row.name], row.family, row.ms))


@functools.cache
def _rival() -> dict[str, Evidence]:
    """What another engine executes, by model."""
    some = (e for e in evidence() if e.precision == BASE.name and e.engine != ENGINE.name)
    return {e.model: e for e in some}


def _attends(row: Known) -> bool:
    return attends(row.counted.operators)


def _chosen(rows: Sequence[Known], row: Known) -> float:
    def error(each: float) -> float:
        return _mean(errors_of(rows, _scaled(_with_lines(each))))

    several = len({known.family for known in rows}) > 1
    best = min(_LINES, key=error) if several else 0.0
    return _scaled(_with_lines(best))(rows, row)


def _regressed(feature: Callable[[Evidence], float]) -> Always:
    def predict(rows: Sequence[Known], row: Known) -> float:
        values = [feature(each.counted) for each in rows]
        rest = [_rest(each, _cycles) for each in rows]
        middle, spread = statistics.fmean(values), statistics.pstdev(values) or 1.0
        level = statistics.fmean(rest)
        places = [(value - middle) / spread for value in values]
        slope = sum(p * (r - level) for p, r in zip(places, rest, strict=True))
        slope /= sum(p * p for p in places) + _PENALTY
        place = (feature(row.counted) - middle) / spread
        return row.counted.cycles * math.exp(level + slope * place)

    return predict


def _rest(row: Known, count: Count) -> float:
    """The logarithm of the published time over what was counted."""
    return math.log(row.ms / count(row.counted))


def errors_of(rows: Sequence[Known], predict: Predict) -> dict[str, float]:
    """The relative error of each row that the trial predicts, by the other families."""
    errors = {}
    for row in rows:
        others = [each for each in rows if each.family != row.family]
        if others and (ms := predict(others, row)) is not None:
            errors[row.name] = ms / row.ms - 1
    return errors


def _mean(errors: dict[str, float]) -> float:
    return statistics.fmean(map(abs, errors.values()))


def _figures(errors: dict[str, float]) -> str:
    worst = max(map(abs, errors.values()))
    return f"{100 * _mean(errors):.1f} %, {100 * worst:.1f} %"


def _is_seen(model: str) -> bool:
    return SEGMENTATION.match(model) is not None


@functools.cache
def rows_of(core: str) -> tuple[Known, ...]:
    """The rows of a core's calibration that are in a scale."""
    key = (ENGINE.name, BASE.name)
    counted = {e.model: e for e in evidence() if (e.engine, e.precision) == key}
    rows = (r for r in shipped(core).rows if r.inside and (r.engine, r.precision) == key)
    return tuple(Known(counted[row.model], row.family, row.ms) for row in rows)
