"""``Scale``: nanoseconds for a cycle or an instruction of one engine, and how wrong they may be.

One number per engine and precision: the median of published over counted; and one of the rows of
networks that attend, which is theirs where there are enough. Where the core's clock is known, and
better for networks that do not attend, a cycle of theirs is one of that clock. The interval is of
rows whose whole family was left out. Families are the independent units, models of one family
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
_MANY = 20  # rows that show by themselves what 9 of 10 do not exceed
_ENOUGH = 3  # rows of a scale
_EQUAL = 1.1  # errors of two rules, of which six families cannot say which is lower


@dataclass(frozen=True)
class Point:
    """One row: ``count`` cycles or instructions took ``ms``; ``attends``: it has attention."""

    model: str
    family: str
    count: float
    ms: float
    attends: bool = False


@dataclass(frozen=True)
class Rule:
    """How rows become a scale.

    ``kin``: networks that attend are estimated by rows of such. ``clock_ns``: others take so many
    nanoseconds for a cycle, and the rows have no part in it; absent: those of the rows.
    """

    kin: bool = False
    clock_ns: float | None = None


@dataclass(frozen=True)
class Scale:
    """What turns counts into milliseconds.

    ``ns`` is for one count, ``attending_ns`` of networks that attend, where the ``rule`` has a
    number of its own for such; a time lies between the estimate over ``factor`` and the estimate
    times it in 90 of 100 cases. ``errors`` are relative, of each row with its family left out.
    """

    engine: str
    precision: str
    by: str
    ns: float
    factor: float
    families: tuple[str, ...]
    errors: Mapping[str, float]
    attending_ns: float | None = None
    rule: Rule = Rule()

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


def best_rule(points: Sequence[Point], clock_ns: float | None = None) -> Rule:
    """The rule with the lowest errors of rows whose family was left out.

    Of equal ones rows of networks that attend are used for such, and the clock is not. Families
    are few: errors of such rows count as equal up to a tenth more.
    """
    rules = [Rule(kin, ns) for ns in dict.fromkeys((None, clock_ns)) for kin in (True, False)]
    errors = {rule: sum(map(abs, _errors(points, rule).values())) for rule in rules}
    best = min(rules, key=errors.__getitem__)
    kin = Rule(kin=True, clock_ns=best.clock_ns)
    return kin if errors[kin] <= _EQUAL * errors[best] else best


def left_out_errors(points: Sequence[Point], rule: Rule | None = None) -> dict[str, float]:
    """The relative error of each row, estimated by the other families; empty where none is left.

    Without a ``rule`` the best one that needs no clock.
    """
    return _errors(points, rule or best_rule(points))


def _errors(points: Sequence[Point], rule: Rule) -> dict[str, float]:
    errors = {}
    for point in points:
        if others := _others(point, points):
            ns = ns_of(point.attends, others, rule)
            errors[point.model] = ns * point.count / 1e6 / point.ms - 1
    return errors


def ns_of(attends: bool, points: Sequence[Point], rule: Rule) -> float:
    """Nanoseconds for one count of a network, from rows by a rule."""
    if rule.clock_ns is not None and not attends:
        return rule.clock_ns
    return fit(basis(rule.kin and attends, points))


def _others(point: Point, points: Sequence[Point]) -> list[Point]:
    group = _group(point, points)
    return [each for each in points if _group(each, points) != group]


def interval_factor(
    points: Sequence[Point], like: Sequence[Point] = (), rule: Rule | None = None
) -> float:
    """The factor of a 90 % interval, from errors of families that were left out.

    Of many rows it is the error that 9 of 10, and one row more, do not exceed; of fewer the root
    mean square times Student's t of as many families as there are.
    One or two families show little of how families differ: the interval is then no narrower than
    that of ``like``, the rows of the same engine in single precision.
    """
    few = len({each.family for each in points}) <= _FEW_FAMILIES
    least = interval_factor(like, rule=rule) if few and like else 1.0
    return max(least, _own_factor(points, rule))


def _own_factor(points: Sequence[Point], rule: Rule | None) -> float:
    errors = left_out_errors(points, rule)
    if not errors:
        return WIDEST
    if len(errors) >= _MANY:
        sizes = sorted(abs(math.log1p(error)) for error in errors.values())
        return min(math.exp(sizes[math.ceil(0.9 * (len(sizes) + 1)) - 1]), WIDEST)
    rms = math.sqrt(sum(math.log1p(each) ** 2 for each in errors.values()) / len(errors))
    freedom = max(1, len({each.family for each in points}) - 1)
    quantile = _T[freedom - 1] if freedom <= len(_T) else _NORMAL
    return min(math.exp(quantile * rms), WIDEST)


def held(
    points: Sequence[Point], like: Sequence[Point] = (), rule: Rule | None = None
) -> frozenset[str]:
    """The rows that lie in the interval of a scale that was made without their family."""
    models, rule = set(), rule or best_rule(points)
    errors = left_out_errors(points, rule)
    for point in points:
        if others := _others(point, points):
            alike = [each for each in like if each.family != point.family]
            error = math.log1p(errors[point.model])
            if abs(error) <= math.log(interval_factor(others, alike, rule)):
                models.add(point.model)
    return frozenset(models)


def make_scale(
    key: tuple[str, str, str],
    points: Sequence[Point],
    like: Sequence[Point] = (),
    rule: Rule | None = None,
) -> Scale:
    """The scale of rows that one engine ran in one precision; there is at least one.

    ``key`` is the engine, the precision and what is counted; ``like`` and ``rule`` as elsewhere.
    """
    engine, precision, by = key
    rule = rule or best_rule(points)
    return Scale(
        engine=engine,
        precision=precision,
        by=by,
        ns=ns_of(False, points, rule),
        factor=interval_factor(points, like, rule),
        families=tuple(sorted({each.family for each in points})),
        errors=left_out_errors(points, rule),
        attending_ns=None if rule == Rule() else ns_of(True, points, rule),
        rule=rule,
    )


def _group(point: Point, points: Sequence[Point]) -> str:
    single = len({each.family for each in points}) == 1
    return point.model if single else point.family
