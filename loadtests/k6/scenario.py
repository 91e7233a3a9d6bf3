"""A phase as k6 takes it: the executor that comes nearest to it."""

import math
from fractions import Fraction
from typing import Any, Literal

from runs.recipe import Phase

Schedule = Literal["k6", "dashcam"]
NAME = "load"
LEAD = 0.2
"""Seconds between the start of k6's users and the first time of a schedule of ours: they must stand ready."""
_FINEST = 1000


def own(phase: Phase, wanted: Schedule) -> bool:
    """Tell whether the times of an open loop are ours: k6 itself knows evenly spaced ones only."""
    even = phase.arrival == "constant" and phase.trace is None and (phase.ramp is None or phase.ramp.start > 0)
    return phase.users is None and (wanted == "dashcam" or not even or phase.requests is not None)


def scenario(phase: Phase, *, vus: int, drain: float, requests: int | None) -> dict[str, Any]:
    """Return the one scenario of a phase. `requests`: how many times of ours there are; None: k6's own executor.

    `vus` bounds how many requests an open loop may have open; they are all made before the start, because making one
    takes the time of those that run.
    """
    graceful = {"gracefulStop": f"{max(1, round(drain * 1000))}ms"}
    length = f"{max(1, round(phase.duration * 1000))}ms"
    if phase.users is not None and phase.requests is not None:
        return {"executor": "shared-iterations", "vus": min(phase.users, phase.requests), "iterations": phase.requests,
                "maxDuration": length, **graceful}  # fmt: skip
    if phase.users is not None:
        return {"executor": "constant-vus", "vus": phase.users, "duration": length, **graceful}
    if requests is not None:
        whole = f"{max(1, round((phase.duration + LEAD + drain) * 1000))}ms"
        users = min(vus, max(1, requests))
        return {"executor": "shared-iterations", "vus": users, "iterations": max(1, requests), "maxDuration": whole,
                "gracefulStop": "1ms"}  # fmt: skip
    pool = {"preAllocatedVUs": vus, "maxVUs": vus, **graceful}
    if phase.ramp is not None:
        start, end, unit = _whole(phase.ramp.start, phase.ramp.end)
        stages = [{"duration": length, "target": end}]
        return {"executor": "ramping-arrival-rate", "startRate": start, "stages": stages, "timeUnit": unit, **pool}
    rate, _, unit = _whole(phase.rate or 0.0, phase.rate or 0.0)
    return {"executor": "constant-arrival-rate", "rate": rate, "timeUnit": unit, "duration": length, **pool}


def _whole(start: float, end: float) -> tuple[int, int, str]:
    """Return two rates as whole numbers in the same unit of time, since k6 takes no others: 12.5/s is 25 in 2s."""
    first, last = (Fraction(rate).limit_denominator(_FINEST) for rate in (start, end))
    seconds = math.lcm(first.denominator, last.denominator)
    return int(first * seconds), int(last * seconds), f"{seconds}s"
