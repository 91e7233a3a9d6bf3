"""`poisson`: exponential gaps of mean 1/rate. The number of requests varies as in a true Poisson process."""

from collections.abc import Iterator

import numpy as np

from loadtests.schedules.base import CHUNK, Arrival, Times, summed


def _units(random: np.random.Generator, _burstiness: float) -> Iterator[Times]:
    return summed(lambda: random.exponential(1.0, size=CHUNK))


ARRIVAL = Arrival("poisson", _units)
