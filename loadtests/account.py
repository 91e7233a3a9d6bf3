"""What a load process has counted so far, and how it tells others of it."""

import time
from collections import Counter

from loadtests.clock import Clock
from loadtests.histogram import Histogram
from loadtests.outcome import Outcome
from loadtests.progress import Progress, Span, State
from loadtests.steady import RunningSums, Sums
from loadtests.tally import Tally
from loadtests.window import Window


class Account:
    """All times are of `time.monotonic`. `began` is when the first phase does."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.began = time.monotonic()
        self.tallies: list[Tally] = []
        self.errors: Counter[str] = Counter()
        self.retries = 0
        self._sums = RunningSums()
        self._window = Window()

    def begin(self, tally: Tally, intended: float) -> None:
        """Count a request whose time has come."""
        tally.intended += 1
        self._sums.begin(intended - self.began)

    def end(self, tally: Tally, intended: float, done: float, outcome: Outcome) -> None:
        """Count a request that ended."""
        self._sums.end(done - self.began, done - intended if outcome.ok else None)
        if outcome.ok:
            tally.ok += 1
            self._window.add(done, done - intended)
        else:
            tally.failed += 1
            self.errors[outcome.error or "unknown"] += 1
        self.retries += outcome.retries

    def sums(self) -> Sums:
        """Return what a rule on steadiness rests on, as of now."""
        return self._sums.at(time.monotonic() - self.began)

    def progress(self, state: State, *, over: bool, planned: float) -> Progress:
        """Return how far the load is, in `state`; `over`: no phase goes on, nor the drain.

        `planned`: seconds of phases that are still to begin. It takes milliseconds that no request should wait: a
        thread beside the loop may ask, one at a time. Counts may then be some requests apart from each other.
        """
        now, phases = time.monotonic(), self.spans(with_lags=False)
        intended = sum(span.intended for span in phases)
        ok, failed = sum(span.ok for span in phases), sum(span.failed for span in phases)
        rate_intended, rate_done = self._window.rates(now, intended, ok + failed)
        p50, p99 = self._window.latencies(now)
        current = phases[-1] if phases and state == "running" and not over else None
        ends = (self.tallies[-1].ended if self.tallies else self.began) + planned
        return Progress(
            state=state,
            phase=current.name if current else "drain" if phases and not over else None,
            phase_started=current.started if current else None,
            phase_ends=current.ended if current else None,
            started=self.clock.utc(self.began),
            ends_at=self.clock.utc(ends),
            intended=intended,
            sent=sum(span.sent for span in phases),
            done=ok + failed,
            ok=ok,
            failed=failed,
            in_flight=max(0, intended - ok - failed),
            rate_intended=rate_intended,
            rate_done=rate_done,
            p50_latency=p50,
            p99_latency=p99,
            errors=dict(Counter(dict(self.errors)).most_common(3)),
            phases=phases,
        )

    def digest(self) -> list[tuple[int, int]]:
        """Return the recent latencies, to be added to those of other processes."""
        return self._window.digest(time.monotonic())

    def lags(self) -> list[Histogram]:
        """Return the client lags of each phase so far."""
        return [tally.lags for tally in self.tallies]

    def spans(self, *, with_lags: bool = True) -> list[Span]:
        """Return the phases so far."""
        return [tally.span(self.clock.utc, with_lags=with_lags) for tally in self.tallies]
