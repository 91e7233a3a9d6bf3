"""The engine: sends each request at its intended time, whatever became of the others, and records all of it.

Open loop: requests leave by the schedule and never wait for answers; a late loop sends at once and never skips.
Closed loop: each user sends, waits for the answer, thinks, sends again; the intended time is when the user was free.
A request belongs to the phase in which it was intended. Of a load of several processes each has an engine that carries
its share of every phase.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter

from loadtests.account import Account
from loadtests.clock import Clock
from loadtests.generators.base import Generator
from loadtests.histogram import Histogram
from loadtests.lag import LagProbe, cpu_waited
from loadtests.metrics import Metrics
from loadtests.open_requests import OpenRequests
from loadtests.progress import Progress, Span, State, Stop
from loadtests.records import Recorder
from loadtests.referee import Alone, Referee
from loadtests.schedule import chunks
from loadtests.schedules import trace
from loadtests.schedules.profile import Profile
from loadtests.sender import Sender
from loadtests.share import Share
from loadtests.steady import BATCHES
from loadtests.tally import Tally
from loadtests.timer import Timer
from runs.recipe import Load


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
        self._metrics = metrics
        self._stages = load.stages
        self._share = share or Share()
        self.referee: Referee = Alone(load, self.end_phase)
        self._account = Account(clock or Clock())
        self._asked = asyncio.Event()
        self._open = OpenRequests(load.drain, hurry, self._asked)
        self._sender = Sender(generator, recorder, metrics, self._account, share=self._share, timeout=load.timeout)
        self._before = 0
        self._bell = asyncio.Event()
        self._timer = Timer()
        self._probe = LagProbe()
        self._state: State = "running"
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
        tally = self._account.tallies[index]
        if not tally.over and at < tally.ended:
            tally.ended, tally.stopped = max(at, tally.started), why
            self._timer.wake()
            self._ring()

    async def run(self, start: float | None = None) -> None:
        """Run all phases and the drain, from `start` on (of `time.monotonic`; default: now)."""
        probe = asyncio.create_task(self._probe.run())
        self._account.began = start = time.monotonic() if start is None else start
        await self._wait_until(start)
        await self._carry_out(start)
        self._state = "drain"
        self._metrics.enter("drain")
        await self._open.end()
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
        self._account.tallies.append(tally)
        self._enter(tally)
        self._probe.take()
        cpu, waited = time.process_time(), cpu_waited()
        watch = asyncio.create_task(self._batches(tally, index)) if phase.until else None
        if phase.users is None:
            await self._open_loop(tally, index)
        else:
            if phase.requests is not None:
                tally.limit = self._share.requests(phase.requests, phase.users)
            for user in self._share.users(phase.users):
                users[user] = self._open.spawn(self._user(tally, index, user, users.get(user)))
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
        if waited is not None:
            tally.waited = (cpu_waited() or waited) - waited
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
                self._open.spawn(self._sender.send(tally, due, None))
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
                await self._sender.send(tally, free, user)
            else:
                await asyncio.gather(*(self._sender.send(tally, free, user) for _ in range(phase.batch)))
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
            self.referee.batch(index, number, self._account.sums())

    async def _drain(self) -> None:
        """Give what is open its time, then cut it off: before the phase that follows, if there is one."""
        self._metrics.enter("drain")
        await self._open.empty()

    @property
    def clock(self) -> Clock:
        """The load's clock."""
        return self._account.clock

    @property
    def errors(self) -> Counter[str]:
        """Failures by kind."""
        return self._account.errors

    @property
    def retries(self) -> int:
        """Requests sent again because a kept connection had been closed."""
        return self._account.retries

    def progress(self, state: State | None = None) -> Progress:
        """Return how far the load is (asked about twice a second), or that it ended as `state`. See `Account`."""
        return self._account.progress(state or self._state, over=state is not None, planned=self._planned())

    def _planned(self) -> float:
        """Return how many seconds of phases are still to begin."""
        return sum(phase.duration for phase in self._stages[len(self._account.tallies) :])

    def digest(self) -> list[tuple[int, int]]:
        """Return the recent latencies, to be added to those of other processes."""
        return self._account.digest()

    def lags(self) -> list[Histogram]:
        """Return the client lags of each phase so far."""
        return self._account.lags()

    def spans(self, *, with_lags: bool = True) -> list[Span]:
        """Return the phases so far."""
        return self._account.spans(with_lags=with_lags)
