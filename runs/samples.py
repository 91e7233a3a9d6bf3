"""Order statistics of samples, by one definition for the load that searches and for the report that judges.

Percentiles are nearest-rank (the inverse of the empirical distribution): the smallest sample that at least p of all
samples do not exceed. It is a latency that a request really had, not a point between two; and the confidence interval,
whose ends are samples too, then belongs to it. Interpolated percentiles (numpy's default) differ by less than the
interval is wide.

Source: G. J. Hahn, W. Q. Meeker, *Statistical Intervals*, Wiley 1991, 5.2 (order statistics as limits of a quantile).
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALPHA = 0.05
"""1 - confidence of an interval; each end gets half of it."""
SIGMAS = 4.9
"""Standard deviations that a normal variable exceeds on either side once in a million."""


def needed(p: float) -> int:
    """Return from how many samples on quantile `p` (strictly between 0 and 1) has a two-sided 95 % interval.

    All n samples lie below the quantile with probability p**n, and all above it with (1-p)**n. Each must be at most
    2.5 %, or an end of the interval is missing: n >= ln(0.025) / ln(max(p, 1-p)). That gives 6 for p50, 36 for p90, 72
    for p95, 368 for p99 and 3688 for p99.9 (Hahn & Meeker 5.2.2).
    """
    return math.ceil(math.log(ALPHA / 2) / math.log(max(p, 1.0 - p)) - 1e-9)


def nearest_rank(ordered: Floats, p: float) -> float:
    """Return quantile `p` of samples in rising order: the one of rank ceil(n p). At least one sample."""
    return float(ordered[_rank(len(ordered), p) - 1])


def interval_ranks(n: int, p: float) -> tuple[int, int]:
    """Return the ranks (from 1) of the samples that bound quantile `p` of `n` samples with 95 % confidence.

    The number B of samples below the quantile is binomial (n, p). The lower end is the highest rank l with
    P(B < l) <= 2.5 %, the upper the lowest rank u with P(B >= u) <= 2.5 % (Hahn & Meeker 5.2.1); where there is no such
    rank it is 1 or n.
    """
    first, below = _binomial(n, p)  # P(B <= first), P(B <= first + 1) and so on
    low = first + int(np.searchsorted(below, ALPHA / 2, side="right"))
    high = first + int(np.searchsorted(below, 1.0 - ALPHA / 2, side="left")) + 1
    return min(max(low, 1), n), max(min(high, n), 1)


def lower_bound(samples: Floats, p: float) -> float:
    """Return the lower end of the 95 % interval of quantile `p`; the smallest sample where they are too few."""
    low, _high = interval_ranks(len(samples), p)
    return float(np.partition(samples, low - 1)[low - 1])


def noise(variance: float) -> float:
    """Return what a count of this variance may be off by (4.9 standard deviations: once in a million)."""
    return SIGMAS * math.sqrt(max(1.0, variance))


def open_at(starts: Floats, ends: Floats, moment: float) -> int:
    """Return how many requests are in progress at `moment`."""
    return int(((starts <= moment) & (ends > moment)).sum())


def _rank(n: int, p: float) -> int:
    return min(n, max(1, math.ceil(n * p - 1e-9)))


def _binomial(n: int, p: float) -> tuple[int, Floats]:
    """Return the distribution function of a binomial from a first value on, as far as it is not 0 or 1."""
    reach = 10.0 * math.sqrt(n * p * (1.0 - p)) + 10.0
    first, last = max(0, math.floor(n * p - reach)), min(n, math.ceil(n * p + reach))
    ways = math.lgamma(n + 1) - math.lgamma(first + 1) - math.lgamma(n - first + 1)
    start = ways + first * math.log(p) + (n - first) * math.log1p(-p)
    k = np.arange(first, last, dtype=np.float64)
    steps = np.log((n - k) / (k + 1.0)) + math.log(p / (1.0 - p))
    return first, np.cumsum(np.exp(start + np.concatenate([[0.0], np.cumsum(steps)])))
