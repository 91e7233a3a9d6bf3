"""When requests shall leave: computed in advance from the seed, so that a run can be repeated exactly."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from runs.recipe import Phase

_CHUNK = 4096
"""Times made at once. Part of what makes a schedule reproducible to the last bit: sums depend on it."""


def chunks(phase: Phase, index: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield the intended times of an open-loop phase piece by piece: seconds from its start, ascending, < duration.

    constant: one request each 1/rate seconds, from 0. poisson: exponential gaps of mean 1/rate, cut at the phase's
    end and never rescaled, so that the number of requests varies as in a true Poisson process. The sequence depends
    on (seed, index of the phase) only. Memory does not grow with the phase. Raises ValueError for a closed loop.
    """
    if phase.rate is None:
        raise ValueError(f"phase {phase.name} is a closed loop: it has no schedule")
    times = _constant(phase.duration, phase.rate)
    if phase.arrival == "poisson":
        times = _poisson(phase.rate, np.random.default_rng([seed, index]))
    for part in times:
        yield part[part < phase.duration]
        if part[-1] >= phase.duration:
            return


def offsets(phase: Phase, index: int, seed: int) -> NDArray[np.float64]:
    """Return the same times in one array."""
    return np.concatenate([np.empty(0), *chunks(phase, index, seed)])


def _constant(duration: float, rate: float) -> Iterator[NDArray[np.float64]]:
    count = max(1, math.ceil(duration * rate * (1 - 1e-12)))  # 0.3 s at 10/s are 3 requests, whatever floats say
    for start in range(0, count, _CHUNK):
        yield np.arange(start, min(start + _CHUNK, count), dtype=np.float64) / rate


def _poisson(rate: float, generator: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    reached = 0.0
    while True:
        times = reached + np.cumsum(generator.exponential(1.0 / rate, size=_CHUNK))
        reached = float(times[-1])
        yield times
