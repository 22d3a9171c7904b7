"""Order statistics of latencies: quantiles, the bootstrap interval of a median, outliers.

The bootstrap needs no resampling loop over the samples. Which ranks the median of a resample
falls on depends on n alone: the k-th smallest of n draws with replacement is at most the j-th
sample when at least k draws are, a binomial probability (Efron 1979, section 3). The ranks are
drawn from exactly that distribution, once per n, and kept; what is left per measurement is to
gather samples at those ranks, which numpy does for all resamples at once.
"""

from __future__ import annotations

import functools
import itertools
import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000

_Floats = NDArray[np.float64]
_Ranks = NDArray[np.intp]


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


def quantile(ordered: Sequence[float] | _Floats, q: float) -> float:
    """Linear interpolation between order statistics of an ascending sequence."""
    if not len(ordered):
        raise ValueError("no samples")
    return _quantile_of_part(ordered, 0, q, len(ordered) - 1)


def _quantile_of_part(part: Sequence[float] | _Floats, first: int, q: float, last: int) -> float:
    """As ``quantile`` of a sequence from rank 0 to ``last``, of which ``part`` begins at
    ``first``."""
    position = q * last
    low = math.floor(position)
    below, above = float(part[low - first]), float(part[min(low + 1, last) - first])
    return below + (above - below) * (position - low)


def bootstrap_median(ordered: Sequence[float], rng: random.Random) -> float:
    """The median of one bootstrap resample of an ascending sequence."""
    lows, highs = median_ranks(len(ordered), 1, rng)
    return (ordered[int(lows[0])] + ordered[int(highs[0])]) / 2


def median_ranks(n: int, count: int, rng: random.Random) -> tuple[_Ranks, _Ranks]:
    """The ranks, from 0, whose mean is the median of a bootstrap resample of n samples.

    ``count`` resamples: all lower ranks and all upper ones, which are the same for an odd n.
    """
    first, cumulative, alone = _rank_table(n)
    draw = rng.random
    drawn = np.array([draw() for _ in range(count)]) * cumulative[-1]
    which = np.minimum(cumulative.searchsorted(drawn, side="right"), len(cumulative) - 1)
    lows = (which + first).astype(np.intp)
    if n % 2:
        return lows, lows
    # Where the next draw lies above, it is the least of n - k others.
    beyond = [
        1 + int((n - 1 - low) * (1.0 - (1.0 - draw()) ** (2.0 / n))) if draw() < share else 0
        for low, share in zip(lows.tolist(), alone[which].tolist(), strict=True)
    ]
    return lows, lows + np.array(beyond, dtype=np.intp)


@functools.lru_cache(maxsize=2048)
def _rank_table(n: int) -> tuple[int, _Floats, _Floats]:
    """The ranks the k-th smallest of n draws can fall on, and how likely, up to each of them.

    First the lowest such rank, then the probabilities. Third, for an even n: how likely exactly
    k draws are at or below that rank, when it is the k-th smallest's. Ranks beyond 8 standard
    deviations (p < 1e-14) are left out.
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
    return ranks.start, np.array(at_most), np.array(alone)


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
    return _interval(resampled(processes, resamples=resamples, seed=seed))


def _interval(estimates: _Floats) -> Interval:
    """The 2.5 % and the 97.5 % quantile, as ``quantile`` finds them in the sorted estimates."""
    last = len(estimates) - 1
    below = math.floor(0.025 * last), math.floor(0.975 * last)
    count = max(min(below[0] + 1, last), last - below[1]) + 1
    least, greatest = _ends(estimates, count)
    low = _quantile_of_part(least, 0, 0.025, last)
    return Interval(low, _quantile_of_part(greatest, last + 1 - count, 0.975, last))


def _ends(values: _Floats, count: int) -> tuple[_Floats, _Floats]:
    """The ``count`` least and the ``count`` greatest of the values, both in ascending order.

    A sample of the values gives bounds for them, so that few are left to sort.
    """
    thinned = np.sort(values[:: max(len(values) // 100, 1)])
    place = min(2 * count * len(thinned) // len(values), len(thinned) - 1)
    low, high = values[values <= thinned[place]], values[values >= thinned[-1 - place]]
    if min(len(low), len(high)) < count:
        low = high = values.copy()
    low.sort()
    high.sort()
    return low[:count], high[-count:]


def resampled(
    processes: Sequence[Sequence[float]], *, resamples: int = RESAMPLES, seed: int = 0
) -> _Floats:
    """The median of process medians in each of ``resamples`` bootstrap resamples.

    Processes are resampled first and samples within each second, so that a difference between
    processes widens the interval as it should. Raises ``ValueError`` without samples.
    """
    ordered = [np.sort(np.array(one, dtype=np.float64)) for one in processes if len(one)]
    if not ordered:
        raise ValueError("no samples")
    return _resampled(np.concatenate(ordered), tuple(map(len, ordered)), resamples, seed)


def _resampled(samples: _Floats, sizes: tuple[int, ...], resamples: int, seed: int) -> _Floats:
    """As ``resampled``, of samples one process after another, each process's in order."""
    lows, highs = _places(sizes, resamples, seed)
    # All places are inside. With "clip" numpy does not check each of them again.
    below = samples.take(lows, mode="clip")
    # Twice the median of each resampled process: halving once, at the end, gives the same bits.
    twice = below + (below if lows is highs else samples.take(highs, mode="clip"))
    return _middle(list(twice)) * 0.25


def _middle(rows: list[_Floats]) -> _Floats:
    """The sum of the two middle values of every column (twice the one, of an odd number of rows).

    Whole rows are compared with each other. There are as many as there were processes, three as a
    rule, and thousands of columns: 20 times as fast as ``np.sort(axis=0)``.
    """
    if len(rows) == 3:
        one, two, three = rows
        middle = np.maximum(np.minimum(one, two), np.minimum(np.maximum(one, two), three))
        return middle + middle
    even = len(rows) % 2 == 0
    for _ in range((len(rows) - 1) // 2):
        rows = _without_least(rows)
    low = functools.reduce(np.minimum, rows)
    return low + (functools.reduce(np.minimum, _without_least(rows)) if even else low)


def _without_least(rows: Sequence[_Floats]) -> list[_Floats]:
    """The rows of a table whose columns have lost their smallest value each."""
    least, kept = rows[0], []
    for row in rows[1:]:
        kept.append(np.maximum(least, row))
        least = np.minimum(least, row)
    return kept


@functools.lru_cache(maxsize=32)
def _places(sizes: tuple[int, ...], resamples: int, seed: int) -> tuple[_Ranks, _Ranks]:
    """Where the two middle samples of each resampled process lie among the samples of all.

    A row for each place of a process in a resample, a column for each resample.
    """
    starts = [0, *itertools.accumulate(sizes)]
    _, chosen = _choices(len(sizes), resamples, seed)
    ranks = [_ranks(n, len(sizes), i, resamples, seed) for i, n in enumerate(sizes)]
    pairs = list(zip(ranks, starts, strict=False))
    lows = np.concatenate([low + start for (low, _), start in pairs]).take(chosen)
    if all(low is high for low, high in ranks):
        return lows, lows
    return lows, np.concatenate([high + start for (_, high), start in pairs]).take(chosen)


@functools.lru_cache(maxsize=1024)
def _ranks(
    n: int, processes: int, process: int, resamples: int, seed: int
) -> tuple[_Ranks, _Ranks]:
    """The median's ranks of every resample of one process, one place it can take after another."""
    times, _ = _choices(processes, resamples, seed)
    pairs = [
        median_ranks(n, count[process], random.Random(f"ranks {n} {seed} {place}.{process}"))
        for place, count in enumerate(times)
    ]
    lows = np.concatenate([low for low, _ in pairs])
    return lows, lows if n % 2 else np.concatenate([high for _, high in pairs])


@functools.lru_cache(maxsize=64)
def _choices(
    processes: int, resamples: int, seed: int
) -> tuple[tuple[tuple[int, ...], ...], NDArray[np.intp]]:
    """Which process fills each place of every resample.

    First how often, for each place and process. Then where it lies among the resampled medians
    of all processes (those of ``_ranks``, one process after another): a row for each place, a
    column for each resample.
    """
    drawn = np.array(
        [
            random.Random(f"processes {processes} {seed} {place}").choices(
                range(processes), k=resamples
            )
            for place in range(processes)
        ]
    )
    times = tuple(tuple(np.bincount(row, minlength=processes).tolist()) for row in drawn)
    places = np.empty(drawn.size, dtype=np.intp)
    places[np.argsort(drawn, axis=None, kind="stable")] = np.arange(drawn.size)
    return times, places.reshape(drawn.shape)


def count_outliers(samples: Sequence[float]) -> int:
    """How many samples have a modified z-score above 3.5."""
    return _outliers(np.sort(np.array(samples, dtype=np.float64)))


def _outliers(ordered: _Floats) -> int:
    distances = np.abs(ordered - _median(ordered))
    distances.sort()
    deviation = _median(distances)
    if not deviation or 0.6745 * float(distances[-1]) / deviation <= 3.5:
        return 0
    return int(np.count_nonzero(0.6745 * distances / deviation > 3.5))


def _variation(samples: _Floats) -> float:
    """The standard deviation over the mean. ``samples.std()`` takes five times as long."""
    mean = float(samples.sum()) / len(samples)
    centred = samples - mean
    return math.sqrt(float(centred.dot(centred)) / len(samples)) / mean if mean else 0.0


def _median(ordered: _Floats) -> float:
    return (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2


def _milliseconds(samples_ns: Sequence[int]) -> _Floats:
    try:
        # From ints, by way of an array, in half of the time that numpy takes.
        return np.frombuffer(array("q", samples_ns), dtype=np.int64) / 1e6
    except OverflowError:  # more than 292 years: absurd, and still a number
        return np.array(samples_ns, dtype=np.float64) / 1e6


def summarise(processes_ns: Sequence[Sequence[int]]) -> Summary | None:
    """Summarise raw samples in nanoseconds, one sequence per process; ``None`` without any."""
    samples = tuple(itertools.chain.from_iterable(processes_ns))
    return summarise_samples(samples, tuple(map(len, processes_ns)))


def summarise_samples(samples_ns: Sequence[int], counts: Sequence[int]) -> Summary | None:
    """As ``summarise``, of samples one process after another, of which ``counts`` each has."""
    if not samples_ns:
        return None
    samples = _milliseconds(samples_ns)
    ends = zip(itertools.accumulate(counts), counts, strict=True)
    processes = [samples[end - count : end] for end, count in ends if count]
    for process in processes:
        process.sort()
    medians = sorted(map(_median, processes))
    every = np.sort(samples)
    median = (medians[(len(medians) - 1) // 2] + medians[len(medians) // 2]) / 2
    return Summary(
        n=len(every),
        median_ms=median,
        ci95_ms=_interval(_resampled(samples, tuple(map(len, processes)), RESAMPLES, 0)),
        min_ms=float(every[0]),
        p90_ms=quantile(every, 0.90),
        p99_ms=quantile(every, 0.99),
        max_ms=float(every[-1]),
        cv=_variation(every),
        spread=(medians[-1] - medians[0]) / median if median else 0.0,
        outliers=_outliers(every),
    )
