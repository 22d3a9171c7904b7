"""Order statistics against brute force, with seeds; no timing decides."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

from seaformer.core import stats


def brute_force(processes: list[list[float]], resamples: int, seed: int) -> list[float]:
    """The bootstrap as a textbook has it: processes with replacement, then samples within."""
    rng = np.random.default_rng(seed)
    pool = [np.array(samples) for samples in processes]
    found = []
    for _ in range(resamples):
        chosen = rng.integers(len(pool), size=len(pool))
        drawn = [np.median(rng.choice(pool[i], size=pool[i].size)) for i in chosen]
        found.append(float(np.median(drawn)))
    return found


def lognormal(n: int, seed: int, scale: float = 20.0) -> list[float]:
    rng = random.Random(seed)
    return [scale * rng.lognormvariate(0, 0.05) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 2, 5, 30, 31])
def test_quantiles_are_numpys_linear_ones(n: int) -> None:
    samples = sorted(lognormal(n, seed=n))
    for q in (0.0, 0.1, 0.5, 0.9, 0.99, 1.0):
        assert stats.quantile(samples, q) == pytest.approx(np.quantile(samples, q))


def test_a_quantile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        stats.quantile([], 0.5)
    with pytest.raises(ValueError, match="no samples"):
        stats.median_interval([[], []])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 10, 60, 201])
def test_drawn_ranks_have_the_distribution_of_a_resampled_median(n: int) -> None:
    ordered = sorted(lognormal(n, seed=n))
    rng = random.Random(1)
    lows, highs = stats.median_ranks(n, 20_000, rng)
    ours = np.sort([(ordered[i] + ordered[j]) / 2 for i, j in zip(lows, highs, strict=True)])
    drawn = np.random.default_rng(2).choice(ordered, size=(20_000, n))
    theirs = np.sort(np.median(drawn, axis=1))
    points = np.unique(np.concatenate([ours, theirs]))
    # Means of two equal samples may differ in the last bit, depending on who adds them.
    below = [np.searchsorted(side, points + 1e-9, side="right") / 20_000 for side in (ours, theirs)]
    assert np.abs(below[0] - below[1]).max() < 0.02  # Kolmogorov-Smirnov, p = 0.0007


@pytest.mark.parametrize(
    "processes",
    [
        [lognormal(60, 1)],
        [lognormal(61, 1)],
        [lognormal(40, 1), lognormal(40, 2), lognormal(40, 3)],
        [lognormal(40, 1, 20.0), lognormal(30, 2, 21.0), lognormal(51, 3, 19.5)],
    ],
    ids=["even", "odd", "three alike", "three that differ"],
)
def test_the_interval_is_the_brute_force_bootstraps(processes: list[list[float]]) -> None:
    drawn = np.array(brute_force(processes, resamples=4000, seed=5))
    found = stats.median_interval(processes, resamples=40_000)
    # An odd sample's medians are samples: an end may be one sample further without being wrong.
    for end, share in ((found.low, 0.025), (found.high, 0.975)):
        assert np.mean(drawn < end - 1e-9) - 0.01 <= share <= np.mean(drawn <= end + 1e-9) + 0.01


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    trials, hits = 200, 0
    for seed in range(trials):
        rng = random.Random(1000 + seed)
        samples = [20.0 + rng.expovariate(1.0) for _ in range(60)]
        found = stats.median_interval([samples], resamples=400, seed=seed)
        hits += found.low <= 20.0 + 0.6931471805599453 <= found.high
    assert 0.90 <= hits / trials <= 0.99


def test_a_difference_between_processes_widens_the_interval() -> None:
    alike = stats.median_interval([lognormal(50, i) for i in range(3)])
    apart = stats.median_interval([lognormal(50, i, 20.0 + i) for i in range(3)])
    assert apart.high - apart.low > 5 * (alike.high - alike.low)


def test_the_interval_is_the_same_every_time_and_holds_the_median() -> None:
    processes = [lognormal(50, i) for i in range(3)]
    found = stats.median_interval(processes)
    assert found == stats.median_interval(processes)
    assert found.low <= statistics.median(map(statistics.median, processes)) <= found.high


@pytest.mark.parametrize("resamples", [1, 2, 19, 40, 41, 100, 101, 2000])
def test_an_interval_is_two_quantiles_of_all_resampled_medians(resamples: int) -> None:
    for processes in ([lognormal(30, 1), lognormal(31, 2), lognormal(8, 3)], [[5.0] * 9]):
        low, high = np.quantile(stats.resampled(processes, resamples=resamples), [0.025, 0.975])
        interval = stats.median_interval(processes, resamples=resamples)
        assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-12)


def test_a_summary_is_in_milliseconds_and_drops_no_sample() -> None:
    found = stats.summarise([(1_000_000, 2_000_000, 3_000_000), (), (5_000_000,) * 3])
    assert found is not None
    assert found.n == 6
    assert found.median_ms == 3.5
    assert (found.min_ms, found.max_ms) == (1.0, 5.0)
    assert found.spread == pytest.approx(3.0 / 3.5)
    assert found.cv == pytest.approx(np.std([1, 2, 3, 5, 5, 5]) / 3.5)


def test_the_median_is_that_of_process_medians_and_not_of_all_samples() -> None:
    found = stats.summarise([(1_000_000,) * 100, (2_000_000,), (3_000_000,)])
    assert found is not None
    assert found.median_ms == 2.0


def test_no_samples_have_no_summary() -> None:
    assert stats.summarise([]) is None
    assert stats.summarise([(), ()]) is None


def test_outliers_are_counted_by_modified_z_score() -> None:
    assert stats.count_outliers([10, 11, 9, 10, 12, 8, 100]) == 1
    assert stats.count_outliers([10, 11, 9, 10, 12, 8]) == 0
    assert stats.count_outliers([10, 10, 10]) == 0


def test_samples_of_zero_do_not_divide_by_zero() -> None:
    found = stats.summarise([(0, 0, 0)])
    assert found is not None
    assert (found.cv, found.spread) == (0.0, 0.0)
