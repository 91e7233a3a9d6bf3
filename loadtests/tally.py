"""What is counted in one phase, by intended time."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from loadtests.progress import Span
from runs.recipe import Phase


@dataclass
class Tally:
    """Times are seconds of `time.monotonic`. The lags take 8 bytes a request: their quantiles are exact."""

    phase: Phase
    started: float
    ended: float
    intended: int = 0
    sent: int = 0
    ok: int = 0
    failed: int = 0
    lags: "array[float]" = field(default_factory=lambda: array("d"))
    cpu: float | None = None
    loop_lag: float = 0.0

    def span(self, utc: Callable[[float], datetime], *, with_lags: bool) -> Span:
        """Return the phase as others read it. Lags are sorted for that, which is for the end of a run only."""
        phase, length = self.phase, self.ended - self.started
        lag: dict[str, float] = {}
        if with_lags and self.lags:
            p50, p99, worst = np.percentile(np.frombuffer(self.lags), (50, 99, 100))
            lag = {"lag_p50": float(p50), "lag_p99": float(p99), "lag_max": float(worst)}
        return Span(
            name=phase.name,
            measured=phase.in_window,
            started=utc(self.started),
            ended=utc(self.ended),
            rate=phase.rate,
            users=phase.users,
            arrival=phase.arrival if phase.rate is not None else None,
            think=phase.think,
            intended=self.intended,
            sent=self.sent,
            ok=self.ok,
            failed=self.failed,
            **lag,
            cpu_seconds=None if self.cpu is None else round(self.cpu, 4),
            cpu_share=None if self.cpu is None or length <= 0 else round(self.cpu / length, 4),
            loop_lag_max=round(self.loop_lag, 6),
        )
