"""Order statistics of latencies: quantiles, the bootstrap interval of a median, outliers.

The bootstrap needs no resampling loop over the samples. Which ranks the median of a resample
falls on depends on n alone: the k-th smallest of n draws with replacement is at most the j-th
sample when at least k draws are, a binomial probability (Efron 1979, section 3). The ranks are
drawn from exactly that distribution, once per n, and kept.
"""

from __future__ import annotations

import functools
import math
import operator
import random
import statistics
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; the unit is that of the samples it was made from."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """One method's samples over all processes, in milliseconds.

    ``median_ms`` is the median of the processes' medians and ``ci95_ms`` its bootstrap interval
    (processes resampled, then samples within them); ``spread`` is (largest - smallest) process
    median over the median; ``cv`` the standard deviation over the mean of all samples;
    ``outliers`` counts modified z-scores above 3.5 (Iglewicz and Hoaglin 1993): counted, kept.
    """

    n: int
    median_ms: float
    ci95_ms: Interval
    min_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    cv: float
    spread: float
    outliers: int


def quantile(ordered: Sequence[float], q: float) -> float:
    """Linear interpolation between order statistics of an ascending sequence."""
    if not ordered:
        raise ValueError("no samples")
    position = q * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def bootstrap_median(ordered: Sequence[float], rng: random.Random) -> float:
    """The median of one bootstrap resample of an ascending sequence."""
    (low,), (high,) = median_ranks(len(ordered), 1, rng)
    return (ordered[low] + ordered[high]) / 2


def median_ranks(n: int, count: int, rng: random.Random) -> tuple[array[int], array[int]]:
    """The ranks, from 0, whose mean is the median of a bootstrap resample of n samples.

    ``count`` resamples: all lower ranks and all upper ones, which are the same for an odd n.
    """
    ranks, cumulative, alone = _rank_table(n)
    drawn = rng.choices(range(len(ranks)), cum_weights=cumulative, k=count)
    lows = array("I", map(ranks.__getitem__, drawn))
    if n % 2:
        return lows, lows
    highs = array("I", lows)
    for at, which in enumerate(drawn):
        if rng.random() < alone[which]:  # the next draw lies above: the least of n - k others
            above = n - 1 - lows[at]
            highs[at] += 1 + int(above * (1.0 - (1.0 - rng.random()) ** (2.0 / n)))
    return lows, highs


@functools.lru_cache(maxsize=2048)
def _rank_table(n: int) -> tuple[range, tuple[float, ...], tuple[float, ...]]:
    """The ranks the k-th smallest of n draws can fall on, and how likely, up to each of them.

    Third, for an even n: how likely exactly k draws are at or below that rank, when it is the
    k-th smallest's. Ranks beyond 8 standard deviations (p < 1e-14) are left out.
    """
    k = (n + 1) // 2
    reach = 4 * math.isqrt(n) + 8
    ranks = range(max(k - 1 - reach, 0), min(k + reach, n))
    at_most = [_tail(n, k, (rank + 1) / n) for rank in ranks]
    below = [_tail(n, k, ranks.start / n), *at_most[:-1]]
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    alone = []
    for rank, upto, less in zip(ranks, at_most, below, strict=True):
        share = (rank + 1) / n
        gained = 1.0 - (rank / (rank + 1)) ** k  # at least one of the k is this very rank
        beyond = (n - k) * math.log1p(-share) if share < 1 else -math.inf
        exactly = math.exp(ways + k * math.log(share) + beyond) * gained
        alone.append(exactly / (upto - less) if upto > less else 0.0)
    return ranks, tuple(at_most), tuple(alone)


def _tail(n: int, k: int, share: float) -> float:
    """The probability that at least k of n draws fall into a ``share`` of the samples."""
    if share <= 0 or share >= 1:
        return float(share >= 1)
    odds, first = share / (1 - share), max(math.floor(n * share), k)
    ways = math.lgamma(n + 1) - math.lgamma(first + 1) - math.lgamma(n - first + 1)
    term = peak = math.exp(ways + first * math.log(share) + (n - first) * math.log1p(-share))
    terms = [peak]
    for i in range(first, n):
        term *= (n - i) / (i + 1) * odds
        terms.append(term)
        if term < 1e-18:
            break
    term = peak
    for i in range(first, k, -1):
        term *= i / ((n - i + 1) * odds)
        terms.append(term)
        if term < 1e-18:
            break
    return min(math.fsum(terms), 1.0)


def median_interval(
    processes: Sequence[Sequence[float]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The 95 % bootstrap interval of the median of process medians (see ``resampled``)."""
    estimates = sorted(resampled(processes, resamples=resamples, seed=seed))
    return Interval(quantile(estimates, 0.025), quantile(estimates, 0.975))


def resampled(
    processes: Sequence[Sequence[float]], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[float]:
    """The median of process medians in each of ``resamples`` bootstrap resamples.

    Processes are resampled first and samples within each second, so that a difference between
    processes widens the interval as it should. Raises ``ValueError`` without samples.
    """
    ordered = [sorted(samples) for samples in processes if samples]
    if not ordered:
        raise ValueError("no samples")
    slots = [_slot(ordered, resamples, seed, slot) for slot in range(len(ordered))]
    low, high = (len(ordered) - 1) // 2, len(ordered) // 2
    drawn = [sorted(medians) for medians in zip(*slots, strict=True)]
    return [(medians[low] + medians[high]) / 4 for medians in drawn]


def _slot(ordered: Sequence[Sequence[float]], resamples: int, seed: int, slot: int) -> list[float]:
    """Twice what stands in one of the places for a process: each time one at random, resampled.

    Twice, because halving thousands of sums takes longer than everything else here, and halving
    them at the very end gives the same bits.
    """
    times, order = _choices(len(ordered), resamples, seed, slot)
    sums: list[float] = []
    for process, (samples, count) in enumerate(zip(ordered, times, strict=True)):
        lows, highs = _ranks(len(samples), count, seed, f"{slot}.{process}")
        if len(samples) % 2:
            sums += lows([2 * sample for sample in samples])
        else:
            sums += map(operator.add, lows(samples), highs(samples))
    return list(order(sums))


_Pick = Callable[[Sequence[float]], Sequence[float]]


def _picker(places: Sequence[int]) -> _Pick:
    """Takes the elements at these places, in this order: ten times as fast as asking for each."""
    if len(places) > 1:
        return operator.itemgetter(*places)
    return lambda values: [values[place] for place in places]


@functools.lru_cache(maxsize=2048)
def _ranks(n: int, count: int, seed: int, place: str) -> tuple[_Pick, _Pick]:
    lows, highs = median_ranks(n, count, random.Random(f"ranks {n} {seed} {place}"))
    return _picker(lows), _picker(highs)


@functools.lru_cache(maxsize=64)
def _choices(processes: int, resamples: int, seed: int, slot: int) -> tuple[tuple[int, ...], _Pick]:
    """How often each process stands in this place, and in which order they take turns."""
    drawn = random.Random(f"processes {processes} {seed} {slot}").choices(
        range(processes), k=resamples
    )
    times = tuple(drawn.count(process) for process in range(processes))
    following = [sum(times[:process]) for process in range(processes)]
    order = array("I")
    for process in drawn:
        order.append(following[process])
        following[process] += 1
    return times, _picker(order)


def count_outliers(samples: Sequence[float]) -> int:
    """How many samples have a modified z-score above 3.5."""
    center = statistics.median(samples)
    deviation = statistics.median(abs(value - center) for value in samples)
    if deviation == 0:
        return 0
    return sum(0.6745 * abs(value - center) / deviation > 3.5 for value in samples)


def _deviation(samples: Sequence[float], mean: float) -> float:
    """The standard deviation; ``statistics.pstdev`` is exact in fractions and 50 times slower."""
    return math.sqrt(math.fsum((value - mean) ** 2 for value in samples) / len(samples))


def summarise(processes_ns: Sequence[Sequence[int]]) -> Summary | None:
    """Summarise raw samples in nanoseconds, one sequence per process; ``None`` without any."""
    processes = [[ns / 1e6 for ns in samples] for samples in processes_ns if samples]
    if not processes:
        return None
    medians = [statistics.median(samples) for samples in processes]
    every = sorted(value for samples in processes for value in samples)
    median = statistics.median(medians)
    mean = statistics.fmean(every)
    return Summary(
        n=len(every),
        median_ms=median,
        ci95_ms=median_interval(processes),
        min_ms=every[0],
        p90_ms=quantile(every, 0.90),
        p99_ms=quantile(every, 0.99),
        max_ms=every[-1],
        cv=_deviation(every, mean) / mean if mean else 0.0,
        spread=(max(medians) - min(medians)) / median if median else 0.0,
        outliers=count_outliers(every),
    )
