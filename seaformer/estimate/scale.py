"""``Scale``: nanoseconds for a cycle or an instruction of one engine, and how wrong they may be.

One number per engine and precision: the median of published over counted; and one of the rows of
networks that attend, which is theirs where there are enough. The interval is of rows whose whole
family was left out. Families are the independent units, models of one family
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
_ENOUGH = 3  # rows of a scale


@dataclass(frozen=True)
class Point:
    """One row: ``count`` cycles or instructions took ``ms``; ``attends``: it has attention."""

    model: str
    family: str
    count: float
    ms: float
    attends: bool = False


@dataclass(frozen=True)
class Scale:
    """What turns counts into milliseconds.

    ``ns`` is for one count, ``attending_ns`` of networks that attend, where enough are known; a
    time lies between the estimate over ``factor`` and the estimate times it in 90 of 100 cases.
    ``errors`` are relative, of each row with its family left out.
    """

    engine: str
    precision: str
    by: str
    ns: float
    factor: float
    families: tuple[str, ...]
    errors: Mapping[str, float]
    attending_ns: float | None = None

    def ms(self, count: float, *, attends: bool = False) -> float:
        """The estimate."""
        own = self.attending_ns if attends else None
        return count * (self.ns if own is None else own) / 1e6


def fit(points: Sequence[Point]) -> float:
    """Nanoseconds for one count: the median, because some published rows are far off."""
    return 1e6 * math.exp(statistics.median(math.log(each.ms / each.count) for each in points))


def basis(attends: bool, points: Sequence[Point]) -> Sequence[Point]:
    """The rows that a network is estimated by: those that attend as it does, where there are
    enough, else all."""
    kin = [each for each in points if each.attends] if attends else []
    return kin if len(kin) >= _ENOUGH else points


def left_out_errors(points: Sequence[Point], kin: bool | None = None) -> dict[str, float]:
    """The relative error of each row, estimated by the other families; empty where none is left.

    ``kin``: whether networks that attend are estimated by such; absent: where that helps here.
    """
    return _errors(points, kin_helps(points) if kin is None else kin)


def kin_helps(points: Sequence[Point]) -> bool:
    """Whether rows of networks that attend are estimated at least as well by such rows alone."""
    sums = (sum(map(abs, _errors(points, kin).values())) for kin in (True, False))
    return next(sums) <= next(sums)


def _errors(points: Sequence[Point], kin: bool) -> dict[str, float]:
    errors = {}
    for point in points:
        if others := _others(point, points):
            ns = fit(basis(kin and point.attends, others))
            errors[point.model] = ns * point.count / 1e6 / point.ms - 1
    return errors


def _others(point: Point, points: Sequence[Point]) -> list[Point]:
    group = _group(point, points)
    return [each for each in points if _group(each, points) != group]


def interval_factor(
    points: Sequence[Point], like: Sequence[Point] = (), kin: bool | None = None
) -> float:
    """The factor of a 90 % interval, from errors of families that were left out.

    One or two families show little of how families differ: the interval is then no narrower than
    that of ``like``, the rows of the same engine in single precision.
    """
    few = len({each.family for each in points}) <= _FEW_FAMILIES
    least = interval_factor(like, kin=kin) if few and like else 1.0
    return max(least, _own_factor(points, kin))


def _own_factor(points: Sequence[Point], kin: bool | None) -> float:
    errors = left_out_errors(points, kin)
    if not errors:
        return WIDEST
    rms = math.sqrt(sum(math.log1p(each) ** 2 for each in errors.values()) / len(errors))
    freedom = max(1, len({each.family for each in points}) - 1)
    quantile = _T[freedom - 1] if freedom <= len(_T) else _NORMAL
    return min(math.exp(quantile * rms), WIDEST)


def held(points: Sequence[Point], like: Sequence[Point] = ()) -> frozenset[str]:
    """The rows that lie in the interval of a scale that was made without their family."""
    found, kin = set(), kin_helps(points)
    errors = left_out_errors(points, kin)
    for point in points:
        if others := _others(point, points):
            alike = [each for each in like if each.family != point.family]
            error = math.log1p(errors[point.model])
            if abs(error) <= math.log(interval_factor(others, alike, kin)):
                found.add(point.model)
    return frozenset(found)


def make_scale(
    key: tuple[str, str, str],
    points: Sequence[Point],
    like: Sequence[Point] = (),
    kin: bool | None = None,
) -> Scale:
    """The scale of rows that one engine ran in one precision; there is at least one.

    ``key`` is the engine, the precision and what is counted; ``like`` and ``kin`` as elsewhere.
    """
    engine, precision, by = key
    kin = kin_helps(points) if kin is None else kin
    return Scale(
        engine=engine,
        precision=precision,
        by=by,
        ns=fit(points),
        factor=interval_factor(points, like, kin),
        families=tuple(sorted({each.family for each in points})),
        errors=left_out_errors(points, kin),
        attending_ns=fit(basis(True, points)) if kin else None,
    )


def _group(point: Point, points: Sequence[Point]) -> str:
    single = len({each.family for each in points}) == 1
    return point.model if single else point.family
