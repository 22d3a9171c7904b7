"""The ratio of two latencies with its interval, from the raw samples of both sides.

Both sides are resampled as ``stats.resampled`` does it: processes first, then samples
within them, so that a difference between processes widens the interval of the ratio too.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seaformer.core import stats

RESAMPLES = 2000


@dataclass(frozen=True)
class Ratio:
    """New over base, and its 95 % bootstrap interval. 1.03 is 3 % slower."""

    value: float
    low: float
    high: float

    @property
    def excludes_one(self) -> bool:
        """Whether the interval leaves no doubt that something changed."""
        return self.low > 1.0 or self.high < 1.0


def ratio_of_medians(
    base: Sequence[Sequence[float]],
    new: Sequence[Sequence[float]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Ratio | None:
    """The ratio of the medians of process medians; ``None`` when either side has no samples.

    ``base`` and ``new`` hold one sequence of samples per process, in any unit, the same for both.
    ``None`` also where the base takes no time at all.
    """
    sides = [[sorted(samples) for samples in side if samples] for side in (base, new)]
    if not all(sides):
        return None
    old, fresh = (statistics.median(map(statistics.median, side)) for side in sides)
    if not old:
        return None
    # Each side by a seed of its own: with one, both would draw the same ranks and rise together.
    below, above = (
        stats.resampled(side, resamples=resamples, seed=2 * seed + i)
        for i, side in enumerate(sides)
    )
    taken = below != 0
    drawn = np.sort(above[taken] / below[taken])
    return Ratio(fresh / old, stats.quantile(drawn, 0.025), stats.quantile(drawn, 0.975))
