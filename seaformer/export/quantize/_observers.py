"""Observers: from the values of a tensor on the calibration images to the range it is coded in.

The four mean the same in every engine, because each is computed here. They share a histogram with
zero at an edge of a bin, whose limit doubles when a value lies beyond it: pairs of bins are added,
so that no image has to be seen twice and no count is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from seaformer.core.errors import ExportError
from seaformer.core.quantization import check_observer

Array = npt.NDArray[Any]
Range = tuple[float, float]

BINS = 2048  # from -limit to limit
LEVELS = 256  # codes of 8 bits
PERCENTILE = 99.99  # of the values are inside
_FRACTIONS = np.linspace(0.3, 1.0, 29)  # of the range seen, tried by ``mse`` and ``histogram``


class Spread:
    """Every value that a tensor had: the least, the greatest, and how often each size."""

    def __init__(self) -> None:
        self.least, self.greatest = 0.0, 0.0  # zero always has a code, for padding
        self.limit = 0.0
        self.counts = np.zeros(BINS, dtype=np.int64)

    def see(self, values: Array) -> None:
        """Add the values of one image, all finite."""
        if not values.size:
            return
        least, greatest = float(values.min()), float(values.max())
        if not (math.isfinite(least) and math.isfinite(greatest)):
            raise ExportError(
                "int8 requires finite values in the network: one has infinity or NaN."
            )
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)
        size = max(-least, greatest)
        if size == 0.0:
            return
        if self.limit == 0.0:
            self.limit = size
        while self.limit < size:
            self._double()
        counts, _ = np.histogram(values, BINS, (-self.limit, self.limit))
        self.counts += counts

    def mirrored(self) -> Spread:
        """Every value and its negative: ranges of it are those of codes without a zero point."""
        both = Spread()
        both.greatest = max(-self.least, self.greatest)
        both.least, both.limit = -both.greatest, self.limit
        both.counts = self.counts + self.counts[::-1]
        return both

    def _double(self) -> None:
        quarter = BINS // 4
        pairs = self.counts.reshape(-1, 2).sum(axis=1)
        self.counts = np.zeros(BINS, dtype=np.int64)
        self.counts[quarter : BINS - quarter] = pairs
        self.limit *= 2

    @property
    def centres(self) -> Array:
        """The value in the middle of each bin."""
        width = 2 * self.limit / BINS
        middles: Array = -self.limit + width * (np.arange(BINS) + 0.5)
        return middles


def minmax(spread: Spread) -> Range:
    """From the least to the greatest value seen."""
    return spread.least, spread.greatest


def percentile(spread: Spread) -> Range:
    """What ``PERCENTILE`` of the values lie in, the same share left out at both ends."""
    if spread.limit == 0.0:
        return minmax(spread)
    share = np.cumsum(spread.counts) / spread.counts.sum()
    outside = (1 - PERCENTILE / 100) / 2
    width = 2 * spread.limit / BINS
    low = -spread.limit + width * int(np.searchsorted(share, outside))
    high = -spread.limit + width * (int(np.searchsorted(share, 1 - outside)) + 1)
    return min(max(low, spread.least), 0.0), max(min(high, spread.greatest), 0.0)


def mse(spread: Spread) -> Range:
    """The range in which the codes have the least mean squared error, clipping included."""
    return _best(spread, _squared_error)


def histogram(spread: Spread) -> Range:
    """The range whose codes diverge least (Kullback-Leibler) from the histogram of the values."""
    return _best(spread, _divergence)


def _best(spread: Spread, error: Callable[[Spread, Range], float]) -> Range:
    ranges = [(spread.least * f, spread.greatest * f) for f in _FRACTIONS]
    return min(ranges, key=lambda each: error(spread, each)) if spread.limit else minmax(spread)


def _squared_error(spread: Spread, ends: Range) -> float:
    low, high = ends
    step = (high - low) / (LEVELS - 1) or 1.0
    values = spread.centres
    codes = np.clip(np.round(values / step), round(low / step), round(high / step))
    return float(np.sum(spread.counts * (values - codes * step) ** 2))


def _divergence(spread: Spread, ends: Range) -> float:
    low, high = ends
    values, counts = spread.centres, spread.counts.copy()
    counts[BINS // 2 - 1 : BINS // 2 + 1] = 0  # zero has a code of its own
    inside = (values >= low) & (values <= high)
    kept = counts[inside].astype(np.float64)
    reference = kept.copy()  # what lies outside is counted at the end that it is coded as
    reference[0] += counts[values < low].sum()
    reference[-1] += counts[values > high].sum()
    step = (high - low) / (LEVELS - 1)
    code = np.round(values[inside] / step).astype(np.int64)
    code -= code.min()
    filled = kept > 0
    shared = np.bincount(code, kept) / np.maximum(np.bincount(code, filled), 1.0)
    coded = np.where(filled, shared[code], 0.0)
    p, q = reference / reference.sum(), coded / max(coded.sum(), 1.0)
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-9))))


_RULES: dict[str, Callable[[Spread], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "mse": mse,
    "histogram": histogram,
}
DEFAULT_OBSERVER = "mse"


def find_observer(name: str) -> Callable[[Spread], Range]:
    """The observer of that name. Raises ``UnknownName`` with the nearest."""
    check_observer(name)
    return _RULES[name]
