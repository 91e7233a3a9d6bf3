"""How the rate goes over a phase: the cumulated rate, and its inverse, which stretches unit arrivals."""

from dataclasses import dataclass

import numpy as np

from loadtests.schedules.base import Times
from runs.recipe import Phase


@dataclass(frozen=True)
class Profile:
    """A rate that goes from `start` to `end` (requests/s) in a straight line over `duration` seconds."""

    start: float
    end: float
    duration: float

    @classmethod
    def of(cls, phase: Phase) -> "Profile | None":
        """Return the profile of a phase; None where it has none (closed loop, trace)."""
        if phase.ramp is not None:
            return cls(phase.ramp.start, phase.ramp.end, phase.duration)
        return None if phase.rate is None else cls(phase.rate, phase.rate, phase.duration)

    def rate(self, at: float) -> float:
        """Return the rate `at` seconds after the phase's start."""
        return self.start + (self.end - self.start) * min(max(at / self.duration, 0.0), 1.0)

    def count(self, until: float) -> float:
        """Return the number of requests that are expected in the first `until` seconds: the integral of the rate."""
        return until * (self.start + self.rate(until)) / 2.0

    def times(self, units: Times) -> Times:
        """Return when the integral of the rate reaches each of `units`, in seconds; inf where it never does.

        For r(t) = a + 2 c t: a t + c t² = u, hence t = 2 u / (a + sqrt(a² + 4 c u)), in the form that loses no digits
        when c is small.
        """
        if self.start == self.end:
            return units / self.start
        slope = (self.end - self.start) / (2.0 * self.duration)
        square = self.start**2 + 4.0 * slope * units
        below = self.start + np.sqrt(np.maximum(square, 0.0))
        times = np.divide(2.0 * units, below, out=np.zeros_like(units), where=below > 0.0)
        return np.where(square < 0.0, np.inf, times)
