"""Figures from samples, with what is needed to trust them.

Percentiles are nearest-rank (NIST handbook 7.2.6.2 calls it the empirical quantile): the smallest sample that at least
p of all samples do not exceed. It is a latency that a request really had, and not a point between two.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quantile:
    """A percentile with its confidence interval (95 %, distribution-free). `n` samples."""

    p: float
    value: float
    low: float
    high: float
    n: int


def needed(p: float) -> int:
    """Return how many samples bound quantile `p` from above with 95 % confidence, and from below likewise.

    The largest of n samples exceeds the quantile with probability 1 - p**n. A two-sided interval at 95 % exists when
    p**n + (1-p)**n <= 5 %; for p95, p99, p99.9 that is 59, 299, 2995. Asking the upper end for 97.5 % gives the
    72, 368 and 3688 that are in common use, and are asked here (Hahn & Meeker, Statistical Intervals, 5.2).
    """
    tail = min(p, 1 - p)
    return math.ceil(math.log(0.025) / math.log(1 - tail))


def quantile(samples: Floats, p: float) -> Quantile | None:
    """Return quantile `p` (0..1) of `samples`, or None where they are too few to say anything.

    The interval's ends are order statistics whose ranks are binomial (normal approximation with continuity).
    """
    n = len(samples)
    if n < needed(p):
        return None
    ordered = np.sort(samples)
    spread = 1.959964 * math.sqrt(n * p * (1 - p))
    low = max(1, math.floor(n * p - spread))
    high = min(n, math.ceil(n * p + spread) + 1)
    rank = max(1, math.ceil(n * p - 1e-9))
    return Quantile(p, float(ordered[rank - 1]), float(ordered[low - 1]), float(ordered[high - 1]), n)


def poisson_tolerance(expected: float) -> float:
    """Return by how much a Poisson count may miss its mean with probability 1e-6 (4.9 standard deviations)."""
    return 4.9 * math.sqrt(max(1.0, expected))


def users_in_system(starts: Floats, ends: Floats, begin: float, end: float) -> float:
    """Return the mean number of requests in progress in [begin, end]: Little's law, N = X R, without its edges.

    Each request counts with the share of its time that lies in the window, so that requests that straddle the window's
    ends do not distort the mean. Times in seconds.
    """
    inside = np.clip(ends, begin, end) - np.clip(starts, begin, end)
    return float(np.maximum(inside, 0.0).sum() / max(1e-9, end - begin))
