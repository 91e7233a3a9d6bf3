"""`constant`: one request each 1/rate seconds, from 0."""

from collections.abc import Iterator

import numpy as np

from loadtests.schedules.base import CHUNK, Arrival, Times


def _units(_random: np.random.Generator, _burstiness: float) -> Iterator[Times]:
    start = 0
    while True:
        yield np.arange(start, start + CHUNK, dtype=np.float64)
        start += CHUNK


ARRIVAL = Arrival("constant", _units)
