"""The engine: sends each request at its intended time, whatever became of the others, and records all of it.

Open loop: requests leave by the schedule and never wait for answers; a late loop sends at once and never skips.
Closed loop: each user sends, waits for the answer, thinks, sends again; the intended time is when the user was free.
A request belongs to the phase in which it was intended. Of a load of several processes each has an engine that carries
its share of every phase.
"""

import asyncio
import contextlib
import itertools
import sys
import time
import traceback
from collections import Counter
from collections.abc import Coroutine

from loadtests.clock import Clock
from loadtests.generators.base import Generator
from loadtests.histogram import Histogram
from loadtests.lag import LagProbe
from loadtests.metrics import Metrics
from loadtests.outcome import Outcome, RequestFailed
from loadtests.progress import Progress, Span, State, Stop
from loadtests.records import Recorder, row
from loadtests.referee import Alone, Referee
from loadtests.schedule import chunks
from loadtests.schedules import trace
from loadtests.schedules.profile import Profile
from loadtests.share import Share
from loadtests.steady import BATCHES, RunningSums
from loadtests.tally import Tally
from loadtests.timer import Timer
from loadtests.window import Window
from runs.recipe import Load

_CANCELLED_WITHIN = 5.0
"""Seconds that requests may take to let go once they are cancelled."""


class Engine:
    """Runs the phases of one load against one generator. Made inside a running loop.

    All times are of `time.monotonic`: uvloop's own clock stands still between two turns of the loop.
    `hurry`: how long, in seconds, what is open may go on after an interruption.
    """

    def __init__(
        self,
        load: Load,
        generator: Generator,
        recorder: Recorder,
        metrics: Metrics,
        *,
        hurry: float = 2.0,
        share: Share | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._load = load
        self._generator = generator
        self._recorder = recorder
        self._metrics = metrics
        self._hurry = hurry
        self._stages = load.stages
        self._share = share or Share()
        self.referee: Referee = Alone(load, self.end_phase)
        self.clock = clock or Clock()
        self._next = self._share.shard
        self._before = 0
        self._sums = RunningSums()
        self._bell = asyncio.Event()
        self._open: set[asyncio.Task[None]] = set()
        self._tallies: list[Tally] = []
        self._window = Window()
        self._timer = Timer()
        self._asked = asyncio.Event()
        self._told = False
        self._probe = LagProbe()
        self._state: State = "running"
        self._began = time.monotonic()
        self.errors: Counter[str] = Counter()
        self.retries = 0
        metrics.loop_lag.set_function(self._probe.recent)

    def interrupted(self) -> bool:
        """Tell whether the load was asked to end before its time."""
        return self._asked.is_set()

    def interrupt(self) -> None:
        """Schedule nothing more; what is open gets a short time to end."""
        self._asked.set()
        self._timer.cancel()
        self._ring()

    def _ring(self) -> None:
        """Have those who pause look again whether there is still something to pause for."""
        self._bell.set()
        self._bell = asyncio.Event()

    def end_phase(self, index: int, at: float, why: Stop) -> None:
        """End a phase that goes on before its time, at `at` (of `time.monotonic`)."""
        tally = self._tallies[index]
        if not tally.over and at < tally.ended:
            tally.ended, tally.stopped = max(at, tally.started), why
            self._timer.wake()
            self._ring()

    async def run(self, start: float | None = None) -> None:
        """Run all phases and the drain, from `start` on (of `time.monotonic`; default: now)."""
        probe = asyncio.create_task(self._probe.run())
        self._began = start = time.monotonic() if start is None else start
        await self._wait_until(start)
        await self._carry_out(start)
        await self._drain()
        probe.cancel()
        self._timer.close()
        self._metrics.enter("done")

    async def _carry_out(self, start: float) -> None:
        """Run the phases one after another, the first from `start` on."""
        users: dict[int, asyncio.Task[None]] = {}
        for index, phase in enumerate(self._stages):
            if self.interrupted():
                break
            tally = await self._phase(index, Tally(phase, start, start + phase.duration), users)
            start = tally.ended

    async def _phase(self, index: int, tally: Tally, users: dict[int, asyncio.Task[None]]) -> Tally:
        phase = tally.phase
        self._tallies.append(tally)
        self._enter(tally)
        self._probe.take()
        cpu = time.process_time()
        watch = asyncio.create_task(self._batches(tally, index)) if phase.until else None
        if phase.users is None:
            await self._open_loop(tally, index)
        else:
            if phase.requests is not None:
                tally.limit = self._share.requests(phase.requests, phase.users)
            for user in self._share.users(phase.users):
                users[user] = self._spawn(self._user(tally, index, user, users.get(user)))
            if tally.limit == 0:
                self.referee.used_up(index)
        while time.monotonic() < tally.ended and not self.interrupted():
            await self._timer.until(tally.ended)
        if self.interrupted():
            tally.ended, tally.stopped = max(tally.started, min(tally.ended, time.monotonic())), "interrupted"
        tally.settle()
        if phase.until is None:  # else processes may differ in how far they came
            self._before += tally.scheduled
        tally.cpu = time.process_time() - cpu
        tally.loop_lag = self._probe.take()
        if watch is not None:
            watch.cancel()
        return tally

    def _enter(self, tally: Tally) -> None:
        phase, profile = tally.phase, Profile.of(tally.phase)
        rate = None if profile is None else lambda: profile.rate(time.monotonic() - tally.started)
        users = None if phase.users is None else len(self._share.users(phase.users))
        self._metrics.enter(phase.name, rate=phase.rate if phase.ramp is None else rate, users=users)

    async def _wait_until(self, due: float) -> None:
        while time.monotonic() < due and not self.interrupted():
            await self._timer.until(due)

    async def _open_loop(self, tally: Tally, index: int) -> None:
        """Send this process's part of the schedule. The parts of all processes are disjoint and make the whole."""
        phase, shards = tally.phase, self._share.shards
        for times in chunks(phase, index, self._load.seed):
            tally.scheduled += len(tally.tail)
            tally.tail = part = times if phase.requests is None else times[: phase.requests - tally.scheduled]
            for offset in part[(self._share.shard - self._before - tally.scheduled) % shards :: shards]:
                due = tally.started + float(offset)
                await self._timer.until(due)
                while time.monotonic() < due < tally.ended and not self.interrupted():
                    await self._timer.until(due)  # woken, but not for this
                if due >= tally.ended or self.interrupted():
                    return
                self._spawn(self._one(tally, due, None))
            if len(part) < len(times):  # the phase lasts until the first request that is not sent would be due
                self.end_phase(index, tally.started + float(times[len(part)]), "requests")
                return
        if phase.trace is not None:
            self.end_phase(index, tally.started + trace.length(phase.trace, phase.column) * phase.time_scale, "trace")

    async def _user(self, tally: Tally, index: int, user: int, earlier: asyncio.Task[None] | None) -> None:
        """Be one user of a phase. Who was one in a phase before goes on as soon as the answer is there."""
        phase = tally.phase
        if earlier is not None:
            await asyncio.wait([earlier])
        elif phase.stagger and phase.users:
            await self._pause(tally, tally.started + phase.stagger * user / phase.users)
        free = max(time.monotonic(), tally.started)
        while free < tally.ended and not self.interrupted():
            if tally.intended >= tally.limit:
                self.referee.used_up(index)
                return
            if phase.batch == 1:
                await self._one(tally, free, user)
            else:
                await asyncio.gather(*(self._one(tally, free, user) for _ in range(phase.batch)))
            free = time.monotonic()
            if phase.think:
                free += phase.think
                await self._pause(tally, free)

    async def _pause(self, tally: Tally, until: float) -> None:
        """Wait, but not for longer than there is something to wait for. The loop's timers may be early by 1 ms."""
        while (left := min(until, tally.ended) - time.monotonic()) > 0 and not self.interrupted():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), max(left, 0.001))

    async def _batches(self, tally: Tally, index: int) -> None:
        """Tell the referee what is counted, at the ends of batches: the same instants in all processes."""
        for number in itertools.count():
            due = tally.started + number * tally.phase.window / BATCHES
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.referee.batch(index, number, self._sums.at(time.monotonic() - self._began))

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return task

    async def _one(self, tally: Tally, intended: float, user: int | None) -> None:
        number, self._next = self._next, self._next + self._share.shards
        series = self._metrics.phases[tally.phase.name]
        tally.intended += 1
        self._sums.begin(intended - self._began)
        series.intend()

        def left(moment: float) -> None:
            lag = max(0.0, moment - intended)
            tally.sent += 1
            tally.lags.add(lag)
            series.leave(lag)

        outcome = Outcome(on_sent=left)
        cancelled = False
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
            outcome.error, cancelled = "drained", True
        except Exception as error:  # noqa: BLE001 - a fault of a generator is a failed request, not the end of the run
            outcome.error = "client_error"
            self._tell(error)
        if outcome.done is None:
            outcome.done = time.monotonic()
        self._count(tally, number, intended, user, outcome)
        if cancelled:  # a user who was cancelled does not begin another request
            raise asyncio.CancelledError

    def _tell(self, error: Exception) -> None:
        """Print the first failure in full: one is enough to know what it is about."""
        if not self._told:
            self._told = True
            if isinstance(error, RequestFailed):
                print(f"first failed request: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the load's log
            else:
                traceback.print_exception(error)

    def _count(self, tally: Tally, number: int, intended: float, user: int | None, outcome: Outcome) -> None:
        name, done = tally.phase.name, outcome.done or time.monotonic()
        self._sums.end(done - self._began, done - intended if outcome.ok else None)
        if outcome.ok:
            tally.ok += 1
            self._window.add(done, done - intended)
        else:
            tally.failed += 1
            self.errors[outcome.error or "unknown"] += 1
        self.retries += outcome.retries
        self._metrics.phases[name].end(intended, outcome)
        what = row(self.clock.utc_ns, number=number, phase=name, user=user, intended=intended, outcome=outcome)
        self._recorder.add(what)

    async def _drain(self) -> None:
        """Give what is open its time, a short one when we are asked to end, then cut it off."""
        self._state = "drain"
        await self._empty()
        if self._open:
            count = len(self._open)
            print(f"{count} requests did not let go and have no record", file=sys.stderr)  # noqa: T201 - the load's log

    async def _empty(self) -> None:
        """Wait until nothing is open, at most for the drain; then cut it off."""
        self._metrics.enter("drain")
        deadline = time.monotonic() + self._load.drain
        if self._open and not self.interrupted():
            settled = asyncio.create_task(asyncio.wait(set(self._open)))
            asked = asyncio.create_task(self._asked.wait())
            await asyncio.wait({settled, asked}, timeout=self._load.drain, return_when=asyncio.FIRST_COMPLETED)
            settled.cancel()
            asked.cancel()
        if self._open and self.interrupted():
            left = min(self._hurry, max(0.0, deadline - time.monotonic()))
            await asyncio.wait(set(self._open), timeout=left)
        for task in tuple(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(set(self._open), timeout=_CANCELLED_WITHIN)

    def progress(self, state: State | None = None) -> Progress:
        """Return how far the load is (asked about twice a second), or that it ended as `state`.

        It takes milliseconds that no request should wait: a thread beside the loop may ask, one at a time. Counts may
        then be some requests apart from each other.
        """
        now, phases = time.monotonic(), self.spans(with_lags=False)
        intended = sum(span.intended for span in phases)
        ok, failed = sum(span.ok for span in phases), sum(span.failed for span in phases)
        rate_intended, rate_done = self._window.rates(now, intended, ok + failed)
        p50, p99 = self._window.latencies(now)
        current = phases[-1] if phases and self._state == "running" and state is None else None
        ends = (self._tallies[-1].ended if self._tallies else self._began) + self._planned()
        return Progress(
            state=state or self._state,
            phase=current.name if current else "drain" if state is None and phases else None,
            phase_started=current.started if current else None,
            phase_ends=current.ended if current else None,
            started=self.clock.utc(self._began),
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

    def _planned(self) -> float:
        """Return how many seconds of phases are still to begin."""
        return sum(phase.duration for phase in self._stages[len(self._tallies) :])

    def digest(self) -> list[tuple[int, int]]:
        """Return the recent latencies, to be added to those of other processes."""
        return self._window.digest(time.monotonic())

    def lags(self) -> list[Histogram]:
        """Return the client lags of each phase so far."""
        return [tally.lags for tally in self._tallies]

    def spans(self, *, with_lags: bool = True) -> list[Span]:
        """Return the phases so far."""
        return [tally.span(self.clock.utc, with_lags=with_lags) for tally in self._tallies]
