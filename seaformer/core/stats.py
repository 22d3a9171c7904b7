"""Order statistics of latencies: quantiles, the bootstrap interval of a median, outliers.

The bootstrap needs no resampling loop over the samples: the k-th smallest of n draws with
replacement is ``x[floor(n * B)]`` with B ~ Beta(k, n - k + 1), so one beta variate replaces n
draws and the distribution is exactly the bootstrap's (Efron 1979, section 3).
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
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
    n = len(ordered)
    k = (n + 1) // 2
    u = rng.betavariate(k, n - k + 1)
    low = ordered[min(int(u * n), n - 1)]
    if n % 2:
        return low
    above = u + (1.0 - u) * rng.betavariate(1, n - k)
    return (low + ordered[min(int(above * n), n - 1)]) / 2


def median_interval(
    processes: Sequence[Sequence[float]], *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The 95 % bootstrap interval of the median of process medians.

    Processes are resampled first and samples within each second, so that a difference between
    processes widens the interval as it should.
    """
    ordered = [sorted(samples) for samples in processes if samples]
    if not ordered:
        raise ValueError("no samples")
    rng = random.Random(seed)
    estimates = sorted(
        statistics.median(bootstrap_median(rng.choice(ordered), rng) for _ in ordered)
        for _ in range(resamples)
    )
    return Interval(quantile(estimates, 0.025), quantile(estimates, 0.975))


def count_outliers(samples: Sequence[float]) -> int:
    """How many samples have a modified z-score above 3.5."""
    center = statistics.median(samples)
    deviation = statistics.median(abs(value - center) for value in samples)
    if deviation == 0:
        return 0
    return sum(0.6745 * abs(value - center) / deviation > 3.5 for value in samples)


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
        cv=statistics.pstdev(every) / mean if mean else 0.0,
        spread=(max(medians) - min(medians)) / median if median else 0.0,
        outliers=count_outliers(every),
    )
