"""The engine: sends each request at its intended time, whatever became of the others, and records all of it.

Open loop: requests leave by the schedule and never wait for answers; a late loop sends at once and never skips.
Closed loop: each user sends, waits for the answer, thinks, sends again; the intended time is when the user was free.
A request belongs to the phase in which it was intended.
"""

import asyncio
import sys
import time
import traceback
from array import array
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from loadtests.clock import Clock
from loadtests.generators.base import Generator
from loadtests.metrics import Metrics
from loadtests.outcome import Outcome, RequestFailed
from loadtests.progress import Progress, Span
from loadtests.records import Recorder
from loadtests.schedule import offsets
from loadtests.timer import Timer
from runs.recipe import Load, Phase

DRAIN_WHEN_INTERRUPTED = 2.0
_LOOP_PROBE = 0.05
_RECENT = 10.0


@dataclass
class _Tally:
    """What is counted in one phase."""

    phase: Phase
    started: float
    ended: float
    intended: int = 0
    sent: int = 0
    ok: int = 0
    failed: int = 0
    lags: "array[float]" = field(default_factory=lambda: array("d"))
    cpu: float = 0.0
    loop_lag: float = 0.0


class Engine:
    """Runs the phases of one load against one generator. Made inside a running loop.

    All times are of `time.monotonic`: uvloop's own clock stands still between two turns of the loop.
    """

    def __init__(self, load: Load, generator: Generator, recorder: Recorder, metrics: Metrics) -> None:
        self._load = load
        self._generator = generator
        self._recorder = recorder
        self._metrics = metrics
        self._clock = Clock()
        self._numbers = 0
        self._open: set[asyncio.Task[None]] = set()
        self._tallies: list[_Tally] = []
        self._recent: deque[tuple[float, float]] = deque(maxlen=50_000)
        self._timer = Timer()
        self._asked = False
        self._told = False
        self._lag_window = 0.0
        self.errors: Counter[str] = Counter()
        self.retries = 0
        self.state = Progress(state="setup")

    def interrupted(self) -> bool:
        """Tell whether the load was asked to end before its time."""
        return self._asked

    def interrupt(self) -> None:
        """Schedule nothing more; what is open gets a short time to end."""
        self._asked = True
        self._timer.cancel()

    async def run(self) -> None:
        """Run all phases and the drain. Raises OSError when records cannot be written."""
        probe = asyncio.create_task(self._probe_loop())
        start = time.monotonic()
        total = sum(phase.duration for phase in self._load.phases)
        self.state.started = self._utc(start)
        self.state.ends_at = self._utc(start + total)
        self.state.state = "running"
        users: list[asyncio.Task[None]] = []
        for index, phase in enumerate(self._load.phases):
            if self.interrupted():
                break
            tally = _Tally(phase, start, start + phase.duration)
            self._tallies.append(tally)
            self._enter(phase)
            cpu = time.process_time()
            if phase.users is None:
                await self._open_loop(tally, index)
            else:
                users = self._closed_loop(tally, users)
            await self._timer.until(tally.ended)
            if self.interrupted():
                tally.ended = max(tally.started, min(tally.ended, time.monotonic()))
            tally.cpu = time.process_time() - cpu
            start = tally.ended
        await self._drain()
        probe.cancel()
        self._timer.close()
        self._metrics.enter("done")

    def _enter(self, phase: Phase) -> None:
        self.state.phase = phase.name
        self._metrics.enter(phase.name)
        self._metrics.rate_asked.set(phase.rate or 0.0)
        self._metrics.users.set(phase.users or 0)

    async def _open_loop(self, tally: _Tally, index: int) -> None:
        for offset in offsets(tally.phase, index, self._load.seed):
            due = tally.started + float(offset)
            await self._timer.until(due)
            if self.interrupted():
                return
            self._spawn(self._one(tally, due, None))

    def _closed_loop(self, tally: _Tally, before: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
        """Start the users of a phase; those of a closed phase before it go on as soon as their answer is there."""
        count = tally.phase.users or 0
        tasks = []
        for user in range(count):
            earlier = before[user] if user < len(before) else None
            tasks.append(self._spawn(self._user(tally, user, earlier)))
        return tasks

    async def _user(self, tally: _Tally, user: int, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        free = max(time.monotonic(), tally.started)
        while free < tally.ended and not self.interrupted():
            await self._one(tally, free, user)
            free = time.monotonic() + tally.phase.think
            if tally.phase.think and free < tally.ended:
                await asyncio.sleep(free - time.monotonic())

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return task

    async def _one(self, tally: _Tally, intended: float, user: int | None) -> None:
        number, self._numbers = self._numbers, self._numbers + 1
        tally.intended += 1
        self.state.intended += 1
        name = tally.phase.name
        self._metrics.intended.labels(name).inc()
        self._metrics.in_flight.inc()
        outcome = Outcome()
        try:
            async with asyncio.timeout(self._load.timeout):
                await self._generator.request(number, outcome)
            outcome.ok = True
        except RequestFailed as failure:
            outcome.error = failure.kind
            self._tell(failure)
        except TimeoutError:
            outcome.error = "timeout"
        except asyncio.CancelledError:
            outcome.error = "drained"
        except Exception as error:  # noqa: BLE001 - a fault of a generator is a failed request, not the end of the run
            outcome.error = "client_error"
            self._tell(error)
        if outcome.done is None:
            outcome.done = time.monotonic()
        self._metrics.in_flight.dec()
        self._count(tally, number, intended, user, outcome)

    def _tell(self, error: Exception) -> None:
        """Print the first failure in full: one is enough to know what it is about."""
        if not self._told:
            self._told = True
            if isinstance(error, RequestFailed):
                print(f"first failed request: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the load's log
            else:
                traceback.print_exception(error)

    def _count(self, tally: _Tally, number: int, intended: float, user: int | None, outcome: Outcome) -> None:
        name, done = tally.phase.name, outcome.done or 0.0
        if outcome.sent is not None:
            tally.sent += 1
            self.state.sent += 1
            lag = max(0.0, outcome.sent - intended)
            tally.lags.append(lag)
            self._metrics.sent.labels(name).inc()
            self._metrics.lag.labels(name).observe(lag)
        if outcome.ok:
            tally.ok += 1
            self.state.ok += 1
            self._recent.append((done, done - intended))
        else:
            tally.failed += 1
            self.state.failed += 1
            self.errors[outcome.error or "unknown"] += 1
        self.state.done += 1
        self.retries += outcome.retries
        self._metrics.observe(name, intended, outcome)
        at = self._clock.utc_ns
        self._recorder.add(
            (
                *(number, name, user, at(intended), *_maybe(at, outcome.sent, outcome.first_byte, outcome.first_token)),
                *(at(done), outcome.ok, outcome.error, outcome.status, outcome.received),
                *(outcome.tokens_in, outcome.tokens_out, outcome.gaps or None, outcome.recall, outcome.retries),
            )
        )

    async def _drain(self) -> None:
        """Give what is open its time, then cut it off."""
        self.state.state = "drain"
        self.state.phase = "drain"
        self._metrics.enter("drain")
        self._metrics.rate_asked.set(0.0)
        within = DRAIN_WHEN_INTERRUPTED if self.interrupted() else self._load.drain
        if self._open:
            await asyncio.wait(self._open, timeout=within)
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=5.0)

    async def _probe_loop(self) -> None:
        """Measure how late the loop runs a timer: what every request of ours waits too."""
        while True:
            due = time.monotonic() + _LOOP_PROBE
            await asyncio.sleep(_LOOP_PROBE)
            late = max(0.0, time.monotonic() - due)
            self._lag_window = max(self._lag_window, late)
            if self._tallies:
                self._tallies[-1].loop_lag = max(self._tallies[-1].loop_lag, late)

    def refresh(self) -> Progress:
        """Bring the progress up to date (called about twice a second) and return it."""
        now = time.monotonic()
        self._metrics.loop_lag.set(self._lag_window)
        self._lag_window = 0.0
        while self._recent and self._recent[0][0] < now - _RECENT:
            self._recent.popleft()
        state = self.state
        if state.started is not None:
            elapsed = max(0.001, min(_RECENT, (datetime.now(UTC) - state.started).total_seconds()))
            state.rate_done = round(len(self._recent) / elapsed, 3)
            state.rate_intended = next((t.phase.rate for t in reversed(self._tallies)), None)
        if self._recent:
            p50, p99 = np.percentile([latency for _, latency in self._recent], (50, 99))
            state.p50_latency, state.p99_latency = float(p50), float(p99)
        state.in_flight = state.intended - state.done
        state.errors = dict(self.errors.most_common(3))
        state.phases = self.spans(with_lags=False)
        return state

    def spans(self, *, with_lags: bool = True) -> list[Span]:
        """Return the phases so far. The client's lags are sorted for that, which is for the end of a run only."""
        return [self._span(tally, with_lags=with_lags) for tally in self._tallies]

    def _span(self, tally: _Tally, *, with_lags: bool) -> Span:
        phase, lags = tally.phase, np.frombuffer(tally.lags) if with_lags and tally.lags else None
        return Span(
            name=phase.name,
            measured=phase.in_window,
            started=self._utc(tally.started),
            ended=self._utc(tally.ended),
            rate=phase.rate,
            users=phase.users,
            arrival=phase.arrival if phase.rate is not None else None,
            think=phase.think,
            intended=tally.intended,
            sent=tally.sent,
            ok=tally.ok,
            failed=tally.failed,
            lag_p50=None if lags is None else float(np.percentile(lags, 50)),
            lag_p99=None if lags is None else float(np.percentile(lags, 99)),
            lag_max=None if lags is None else float(lags.max()),
            cpu_seconds=round(tally.cpu, 4),
            loop_lag_max=round(tally.loop_lag, 6),
        )

    def _utc(self, monotonic: float) -> datetime:
        return datetime.fromtimestamp(self._clock.utc_ns(monotonic) / 1e9, UTC)


def _maybe(at: Callable[[float], int], *moments: float | None) -> tuple[int | None, ...]:
    return tuple(None if moment is None else at(moment) for moment in moments)
