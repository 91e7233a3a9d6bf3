"""When requests shall leave: computed in advance from the seed, so that a run can be repeated exactly."""

import numpy as np
from numpy.typing import NDArray

from runs.recipe import Phase


def offsets(phase: Phase, index: int, seed: int) -> NDArray[np.float64]:
    """Return the intended times of an open-loop phase, in seconds from its start, ascending.

    constant: one request each 1/rate seconds, from 0. poisson: exponential gaps of mean 1/rate, cut at the phase's
    end and never rescaled, so that the number of requests varies as in a true Poisson process. The sequence depends
    on (seed, index of the phase) only. Raises ValueError for a closed-loop phase.
    """
    if phase.rate is None:
        raise ValueError(f"phase {phase.name} is a closed loop: it has no schedule")
    if phase.arrival == "constant":
        return np.arange(round(phase.duration * phase.rate + 0.5 - 1e-9), dtype=np.float64) / phase.rate
    generator = np.random.default_rng([seed, index])
    times: list[NDArray[np.float64]] = []
    reached = 0.0
    while reached < phase.duration:
        gaps = generator.exponential(1.0 / phase.rate, size=4096)
        part = reached + np.cumsum(gaps)
        reached = float(part[-1])
        times.append(part)
    merged = np.concatenate(times)
    return merged[merged < phase.duration]
