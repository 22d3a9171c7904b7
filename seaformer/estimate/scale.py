"""``Scale``: nanoseconds for a cycle or an instruction of one engine, and how wrong they may be.

One number per engine and precision: the median of published over counted. The interval is
of rows whose whole family was left out. Families are the independent units, models of one family
are near copies. Of a single family its models are left out one by one, and its interval is as wide
as that of two families with such errors: how far families differ is then unknown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDEST = 2.0  # the factor of networks outside the domain, and the most of any interval
# Student's t, 95 %, for 1, 2, ... degrees of freedom: a 90 % interval has 5 % on each side.
_T = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
_NORMAL = 1.645
_FEW_FAMILIES = 2


@dataclass(frozen=True)
class Point:
    """One row: ``count`` cycles or instructions took ``ms``."""

    model: str
    family: str
    count: float
    ms: float


@dataclass(frozen=True)
class Scale:
    """What turns counts into milliseconds.

    ``ns`` is for one count; a time lies between the estimate over ``factor`` and the estimate times
    it in 90 of 100 cases. ``errors`` are relative, of each row with its family left out.
    """

    engine: str
    precision: str
    by: str
    ns: float
    factor: float
    families: tuple[str, ...]
    errors: Mapping[str, float]

    def ms(self, count: float) -> float:
        """The estimate."""
        return count * self.ns / 1e6


def fit(points: Sequence[Point]) -> float:
    """Nanoseconds for one count: the median, because some published rows are far off."""
    return 1e6 * math.exp(statistics.median(math.log(each.ms / each.count) for each in points))


def left_out_errors(points: Sequence[Point]) -> dict[str, float]:
    """The relative error of each row, estimated by the other families; empty where none is left."""
    errors = {}
    for point in points:
        group = _group(point, points)
        others = [each for each in points if _group(each, points) != group]
        if others:
            errors[point.model] = fit(others) * point.count / 1e6 / point.ms - 1
    return errors


def interval_factor(points: Sequence[Point], like: Sequence[Point] = ()) -> float:
    """The factor of a 90 % interval, from errors of families that were left out.

    One or two families show little of how families differ: the interval is then no narrower than
    that of ``like``, the rows of the same engine in single precision.
    """
    few = len({each.family for each in points}) <= _FEW_FAMILIES
    least = interval_factor(like) if few and like else 1.0
    return max(least, _own_factor(points))


def _own_factor(points: Sequence[Point]) -> float:
    errors = left_out_errors(points)
    if not errors:
        return WIDEST
    rms = math.sqrt(sum(math.log1p(each) ** 2 for each in errors.values()) / len(errors))
    freedom = max(1, len({each.family for each in points}) - 1)
    quantile = _T[freedom - 1] if freedom <= len(_T) else _NORMAL
    return min(math.exp(quantile * rms), WIDEST)


def held(points: Sequence[Point], like: Sequence[Point] = ()) -> int:
    """How many rows lie in the interval of a scale that was made without their family."""
    count = 0
    for point in points:
        group = _group(point, points)
        others = [each for each in points if _group(each, points) != group]
        if others:
            error = math.log(fit(others) * point.count / 1e6 / point.ms)
            alike = [each for each in like if each.family != point.family]
            count += abs(error) <= math.log(interval_factor(others, alike))
    return count


def make_scale(
    engine: str, precision: str, by: str, points: Sequence[Point], like: Sequence[Point] = ()
) -> Scale:
    """The scale of rows that one engine ran in one precision; there is at least one.

    ``like`` as in ``interval_factor``.
    """
    return Scale(
        engine=engine,
        precision=precision,
        by=by,
        ns=fit(points),
        factor=interval_factor(points, like),
        families=tuple(sorted({each.family for each in points})),
        errors=left_out_errors(points),
    )


def _group(point: Point, points: Sequence[Point]) -> str:
    single = len({each.family for each in points}) == 1
    return point.model if single else point.family
