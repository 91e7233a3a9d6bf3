"""What is counted in one phase, by intended time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from loadtests.histogram import Histogram
from loadtests.progress import Span, Stop
from loadtests.schedules.base import Times
from loadtests.schedules.profile import Profile
from runs.recipe import Phase


@dataclass
class Tally:
    """Times are seconds of `time.monotonic`. `ended` may still be brought forward; `stopped` says by what.

    `scheduled` counts the schedule's requests, those of other processes included, up to the piece `tail` (seconds from
    the start) that is being sent. `limit` is how many requests of a closed loop this process may begin.
    """

    phase: Phase
    started: float
    ended: float
    limit: float = float("inf")
    stopped: Stop = "time"
    over: bool = False
    scheduled: int = 0
    tail: Times = field(default_factory=lambda: np.empty(0))
    intended: int = 0
    sent: int = 0
    ok: int = 0
    failed: int = 0
    lags: Histogram = field(default_factory=Histogram)
    cpu: float | None = None
    waited: float | None = None
    loop_lag: float = 0.0

    def settle(self) -> None:
        """Close the phase: its end is known for good."""
        self.over = True
        self.scheduled += int((self.tail < self.ended - self.started).sum())
        self.tail = self.tail[:0]

    def span(self, utc: Callable[[float], datetime], *, with_lags: bool) -> Span:
        """Return the phase as others read it. Lags cost some milliseconds: they are for the end of a run."""
        phase, length, lags = self.phase, self.ended - self.started, self.lags
        told = with_lags and lags.total
        return Span(
            name=phase.name,
            measured=phase.in_window,
            started=utc(self.started),
            ended=utc(self.ended),
            rate=self._rate(length),
            users=phase.users,
            arrival=None if phase.users is not None else "trace" if phase.trace is not None else phase.arrival,
            think=phase.think,
            batch=phase.batch,
            stopped=self.stopped if self.over else None,
            burstiness=phase.burstiness if phase.users is None and phase.arrival == "gamma" else None,
            scheduled=self.scheduled if self.over and phase.users is None else None,
            intended=self.intended,
            sent=self.sent,
            ok=self.ok,
            failed=self.failed,
            lag_p50=lags.quantile(0.5) if told else None,
            lag_p99=lags.quantile(0.99) if told else None,
            lag_max=lags.longest if told else None,
            cpu_seconds=None if self.cpu is None else round(self.cpu, 4),
            cpu_waited_seconds=None if self.waited is None else round(self.waited, 4),
            cpu_share=None if self.cpu is None or length <= 0 else round(self.cpu / length, 4),
            loop_lag_max=round(self.loop_lag, 6),
        )

    def _rate(self, length: float) -> float | None:
        """Return the mean rate that is asked for over the phase as it lasted."""
        phase = self.phase
        if phase.trace is not None:
            return self.scheduled / length if self.over and length > 0 else None
        profile = Profile.of(phase)
        if profile is None or phase.ramp is None:
            return phase.rate
        return profile.count(length) / length if length > 0 else profile.start
