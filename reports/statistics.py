"""Figures from samples, with what is needed to trust them.

Percentiles are nearest-rank (the inverse of the empirical distribution): the smallest sample that at least p of all
samples do not exceed. It is a latency that a request really had, not a point between two; and the confidence interval,
whose ends are samples too, then belongs to it. Interpolated percentiles (numpy's default) differ by less than the
interval is wide.

Sources: G. J. Hahn, W. Q. Meeker, *Statistical Intervals*, Wiley 1991, 5.2 (order statistics as limits of a quantile);
J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9 (1961).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

ALPHA = 0.05
"""1 - confidence of an interval; each end gets half of it."""
NEVER = 1e-6
"""A clean run may look like a faulty one this often, rule by rule and phase by phase."""
_SIGMAS = 4.9
"""Standard deviations that a normal variable exceeds on either side with probability NEVER."""
_EXACT_BELOW = 10_000.0


@dataclass(frozen=True)
class Quantile:
    """Quantile `p` (0 to 1) of `n` samples, with the ends of its distribution-free 95 % confidence interval."""

    p: float
    value: float
    low: float
    high: float
    n: int

    @property
    def name(self) -> str:
        """The percentile as people write it: p50, p99.9."""
        return f"p{100 * self.p:g}"


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


def quantile(samples: Floats, p: float) -> Quantile | None:
    """Return quantile `p` of `samples`, or None where they are too few to bound it (`needed`)."""
    found = quantiles(samples, (p,))
    return found[0] if found else None


def quantiles(samples: Floats, ps: tuple[float, ...]) -> list[Quantile]:
    """Return those of the quantiles that the samples are enough for."""
    n = len(samples)
    possible = [p for p in ps if n >= needed(p)]
    if not possible:
        return []
    ordered = np.sort(samples)
    found = []
    for p in possible:
        low, high = interval_ranks(n, p)
        value = nearest_rank(ordered, p)
        found.append(Quantile(p, value, float(ordered[low - 1]), float(ordered[high - 1]), n))
    return found


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


def poisson_odd(count: int, mean: float) -> bool:
    """Tell whether a Poisson count is so far from its mean that a clean run shows it once in a million (NEVER).

    Exact sums of the Poisson distribution up to a mean of 10,000, the normal approximation above.
    """
    if mean >= _EXACT_BELOW:
        return abs(count - mean) > _SIGMAS * math.sqrt(mean)
    if count <= mean:
        return _poisson_below(count, mean) < NEVER / 2
    return 1.0 - _poisson_below(count - 1, mean) < NEVER / 2


def noise(variance: float) -> float:
    """Return what a count of this variance may be off by (4.9 standard deviations: once in a million)."""
    return _SIGMAS * math.sqrt(max(1.0, variance))


def mean_in_system(starts: Floats, ends: Floats, begin: float, end: float) -> float:
    """Return the mean number of requests in progress in [begin, end], seconds: N of Little's law.

    N = X R holds for a finite window exactly when each request counts with that part of its time that lies inside:
    then requests that straddle the edges, and a load that is still ramping up, do not distort it.
    """
    inside = np.minimum(ends, end) - np.maximum(starts, begin)
    return float(np.maximum(inside, 0.0).sum() / max(1e-9, end - begin))


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


def _poisson_below(count: int, mean: float) -> float:
    """Return P(N <= count)."""
    if mean <= 0.0 or count < 0:
        return 1.0 if count >= 0 else 0.0
    k = np.arange(1, count + 1, dtype=np.float64)
    terms = -mean + np.concatenate([[0.0], np.cumsum(math.log(mean) - np.log(k))])
    return float(min(1.0, np.exp(terms).sum()))
