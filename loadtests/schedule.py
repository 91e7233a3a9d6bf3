"""When requests shall leave: computed in advance from the seed, so that a run can be repeated exactly."""

from collections.abc import Iterator

import numpy as np

from loadtests.schedules import registry, trace
from loadtests.schedules.base import Times
from loadtests.schedules.profile import Profile
from runs.recipe import Phase


def chunks(phase: Phase, index: int, seed: int) -> Iterator[Times]:
    """Yield the intended times of an open-loop phase piece by piece: seconds from its start, ascending, < duration.

    The way of spacing gives arrivals of mean rate 1, the phase's rate stretches them, its end cuts them; nothing is
    rescaled. The sequence depends on (seed, index of the phase) only. Memory does not grow with the phase, but for a
    trace, of which 8 bytes a request are kept. Raises ValueError for a closed loop, TraceError.
    """
    if phase.trace is not None:
        yield from trace.chunks(phase.trace, phase.column, phase.time_scale, phase.duration)
        return
    profile = Profile.of(phase)
    if profile is None:
        raise ValueError(f"phase {phase.name} is a closed loop: it has no schedule")
    total = profile.count(phase.duration) * (1 - 1e-12)  # 0.3 s at 10/s are 3 requests, whatever floats say
    for units in registry()[phase.arrival].units(np.random.default_rng([seed, index]), phase.burstiness):
        times = profile.times(units)
        yield times[(units < total) & (times < phase.duration)]
        if units[-1] >= total:
            return


def offsets(phase: Phase, index: int, seed: int) -> Times:
    """Return the same times in one array."""
    return np.concatenate([np.empty(0), *chunks(phase, index, seed)])
