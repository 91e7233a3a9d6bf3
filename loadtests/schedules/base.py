"""What a way of spacing gives: arrivals at a mean rate of one a unit of time, which a rate profile then stretches.

Stretching unit arrivals by the inverse of the cumulated rate gives, for Poisson arrivals, exactly the Poisson process
of that rate, constant or not (E. Cinlar, Introduction to Stochastic Processes, 1975, 4.7); for constant ones, requests
between any two of which the rate integrates to 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

CHUNK = 4096
"""Times made at once. Part of what makes a schedule reproducible to the last bit: sums depend on it."""


@dataclass(frozen=True)
class Arrival:
    """One file of the folder offers one as `ARRIVAL`.

    `units` takes a generator of random numbers and the burstiness, and yields ascending arrival times, CHUNK at once
    and without end.
    """

    name: str
    units: Callable[[np.random.Generator, float], Iterator[Times]]


def summed(draw: Callable[[], Times]) -> Iterator[Times]:
    """Turn gaps, CHUNK at each call of `draw`, into times."""
    reached = 0.0
    while True:
        times = reached + np.cumsum(draw())
        reached = float(times[-1])
        yield times
