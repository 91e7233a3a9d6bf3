"""Figures from samples, with what is needed to trust them.

What the load needs as well stands in `runs.samples`.

Source: J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9 (1961).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runs.samples import (
    ALPHA,
    SIGMAS,
    Floats,
    interval_ranks,
    lower_bound,
    nearest_rank,
    needed,
    noise,
    open_at,
)

__all__ = [
    "ALPHA",
    "NEVER",
    "SIGMAS",
    "Counts",
    "Flags",
    "Floats",
    "Quantile",
    "interval_ranks",
    "lower_bound",
    "mean_in_system",
    "nearest_rank",
    "needed",
    "noise",
    "open_at",
    "poisson_odd",
    "quantile",
    "quantiles",
]

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

NEVER = 1e-6
"""A clean run may look like a faulty one this often, rule by rule and phase by phase."""
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


def poisson_odd(count: int, mean: float) -> bool:
    """Tell whether a Poisson count is so far from its mean that a clean run shows it once in a million (NEVER).

    Exact sums of the Poisson distribution up to a mean of 10,000, the normal approximation above.
    """
    if mean >= _EXACT_BELOW:
        return abs(count - mean) > SIGMAS * math.sqrt(mean)
    if count <= mean:
        return _poisson_below(count, mean) < NEVER / 2
    return 1.0 - _poisson_below(count - 1, mean) < NEVER / 2


def mean_in_system(starts: Floats, ends: Floats, begin: float, end: float) -> float:
    """Return the mean number of requests in progress in [begin, end], seconds: N of Little's law.

    N = X R holds for a finite window exactly when each request counts with that part of its time that lies inside:
    then requests that straddle the edges, and a load that is still ramping up, do not distort it.
    """
    inside = np.minimum(ends, end) - np.maximum(starts, begin)
    return float(np.maximum(inside, 0.0).sum() / max(1e-9, end - begin))


def _poisson_below(count: int, mean: float) -> float:
    """Return P(N <= count)."""
    if mean <= 0.0 or count < 0:
        return 1.0 if count >= 0 else 0.0
    k = np.arange(1, count + 1, dtype=np.float64)
    terms = -mean + np.concatenate([[0.0], np.cumsum(math.log(mean) - np.log(k))])
    return float(min(1.0, np.exp(terms).sum()))
