"""The engine whose last phase LoadGen schedules: its thread issues queries, the event loop sends their samples.

`intended` in the records is when LoadGen issued a query: it tells nobody for when it was scheduled, and its own summary
counts a server's latencies from there. Offline it issues all samples at once, of which `concurrency` are open at a
time: there a sample is intended when a place is free, as of a user of a closed loop.
"""

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.engine import Engine
from loadtests.generators.base import Generator
from loadtests.lag import cpu_waited
from loadtests.mlperf import summary
from loadtests.mlperf.samples import Samples
from loadtests.mlperf.settings import FOLDER, loadgen, logs, settings, tokens
from loadtests.outcome import SetupError
from loadtests.tally import Tally
from runs.recipe import Load
from runs.scenario import Scenario

_Sample = tuple[int, int]
_THREAD = "loadgen"


def leave_behind(code: int) -> None:
    """End the process here and now with `code` if a test still runs; else do nothing. All files are written by then.

    LoadGen cannot be told to end before its time, and its threads abort an interpreter that winds up under them.
    """
    if any(thread.name == _THREAD for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class ScenarioEngine(Engine):
    """Carries out the warm-up by our schedule and the scenario by LoadGen's. `directory` is the run's load/.

    Raises SetupError where LoadGen is not installed.
    """

    def __init__(
        self, load: Load, generator: Generator, *parts: Any, bounds: Mapping[str, float], directory: Path, **more: Any
    ) -> None:
        if load.scenario is None:
            raise SetupError("the load names no scenario")
        self._module = loadgen()
        self._scenario: Scenario = load.scenario
        self._samples = Samples(generator, self._module, tokens=tokens(load.scenario, bounds))
        super().__init__(load, self._samples, *parts, **more)
        self._bounds, self._directory = bounds, directory / FOLDER
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Sample] = deque()
        self._tally: Tally | None = None
        self._failure: BaseException | None = None

    async def _carry_out(self, start: float) -> None:
        *warm, last = self._stages
        self._stages = tuple(warm)
        await super()._carry_out(start)
        await self._drain()
        self._stages = (*warm, last)
        if self.interrupted():
            return
        self._directory.mkdir(exist_ok=True)
        begin = time.monotonic()
        self._tally = tally = Tally(last, begin, begin + self._scenario.seconds)
        self._account.tallies.append(tally)
        self._enter(tally)
        self._probe.take()
        cpu, waited = time.process_time(), cpu_waited()
        over = asyncio.Event()
        threading.Thread(target=self._test, args=(over,), name=_THREAD, daemon=True).start()
        await asyncio.wait(
            {asyncio.ensure_future(over.wait()), asyncio.ensure_future(self._asked.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        tally.ended = time.monotonic()
        if self.interrupted():
            tally.stopped = "interrupted"
        tally.settle()
        tally.scheduled = tally.intended
        tally.cpu = time.process_time() - cpu
        if waited is not None:
            tally.waited = (cpu_waited() or waited) - waited
        tally.loop_lag = self._probe.take()
        if self._failure is not None:
            raise self._failure

    def _test(self, over: asyncio.Event) -> None:
        """Run LoadGen's test to its end, in a thread of its own."""
        module = self._module
        try:
            count = self._scenario.samples
            library = module.ConstructQSL(count, count, lambda _indices: None, lambda _indices: None)
            system = module.ConstructSUT(self._issue, lambda: None)
            asked = settings(module, self._scenario, self._bounds)
            module.StartTestWithLogSettings(system, library, asked, logs(module, self._directory))
            module.DestroyQSL(library)
            module.DestroySUT(system)
        except BaseException as error:  # noqa: BLE001 - told where the load is carried out
            self._failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(over.set)

    def _issue(self, samples: list[Any]) -> None:
        """Take a query over from LoadGen's thread, which must not wait for it."""
        issued, pairs = time.monotonic(), [(sample.id, sample.index) for sample in samples]
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._begin, pairs, issued)

    def _begin(self, samples: list[_Sample], issued: float) -> None:
        if self.interrupted():
            return
        if self._scenario.kind == "offline":
            self._queue.extend(samples)
            for place in range(min(self._scenario.concurrency, len(samples))):
                self._open.spawn(self._place(place))
            return
        user = None if self._scenario.kind == "server" else 0
        for sample in samples:
            self._open.spawn(self._sample(sample, issued, user))

    async def _place(self, place: int) -> None:
        """Work off samples one after another."""
        while self._queue and not self.interrupted():
            await self._sample(self._queue.popleft(), time.monotonic(), place)

    async def _sample(self, sample: _Sample, intended: float, user: int | None) -> None:
        if self._tally is not None:
            self._samples.hold(self._sender.next, sample)
            await self._sender.send(self._tally, intended, user)

    def told(self) -> tuple[dict[str, Any], list[str]]:
        """Return LoadGen's own summary, and what is to be told against the run by it."""
        try:
            found = summary.read(self._directory)
        except OSError:
            return {}, ["MLPerf LoadGen did not come to its end, and left no summary"]
        return found, summary.warnings(found)
