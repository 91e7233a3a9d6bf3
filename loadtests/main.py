"""The load process: `python -m loadtests PLAN.json`. Exit codes: 0 done, 1 set-up failed, 2 no usable plan."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TypeVar

import prometheus_client
import uvloop
from pydantic import ValidationError

from loadtests import exposition, progress
from loadtests.engine import Engine
from loadtests.generators import registry
from loadtests.metrics import Metrics
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan
from loadtests.progress import Progress, Result
from loadtests.records import Recorder
from runs import atomic

T = TypeVar("T")

_POLL = 0.05
_REFRESH = 0.5


def run(argv: Sequence[str]) -> int:
    """Carry out the plan in the file that `argv` names."""
    try:
        plan = LoadPlan.model_validate_json(Path(argv[0]).read_bytes())
    except (IndexError, OSError, ValidationError) as error:
        print(f"load: no usable plan: {error}", file=sys.stderr)  # noqa: T201 - the load's log
        return 2
    # Threads write records and metrics beside the event loop; it must not wait 5 ms for its turn each time.
    sys.setswitchinterval(0.0001)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it untyped
    return uvloop.run(_Load(plan).run())


class _Load:
    """One load from set-up to its last scrape."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._load = plan.load
        self._token = plan.token_file.read_text().strip()
        self._metrics = Metrics(phase.name for phase in plan.load.phases)
        self._engine: Engine | None = None
        self._ended = asyncio.Event()

    async def run(self) -> int:
        """Set up, run the phases, stay for the last scrape; returns the exit code."""
        plan, loop = self._plan, asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._interrupt)
        progress.write(plan.output, Progress(state="setup"))
        server = await exposition.serve(self._metrics.registry, plan.listen, self._token, plan.run_id)
        kind = registry()[self._load.generator]
        options = kind.Options.model_validate(self._load.options)
        generator = kind.create(plan.target, options, self._load)
        recorder = Recorder(plan.output)
        recorder.flush()  # pyarrow imports what it finds (pandas, half a second) at its first batch
        try:
            try:
                notes = await self._or_end(generator.setup())
                if notes is not None:
                    await self._or_end(self._permission())
            except SetupError as error:
                progress.write(plan.output, Progress(state="failed", message=str(error)))
                print(f"load: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the load's log
                return 1
            if self._ended.is_set():
                progress.write(plan.output, Progress(state="interrupted"))
                return 0
            self._engine = engine = Engine(self._load, generator, recorder, self._metrics)
            await self._phases(engine, recorder)
            recorder.close()
            result = Result(
                generator=kind.name,
                options=options.model_dump(mode="json"),
                seed=self._load.seed,
                interrupted=engine.interrupted(),
                phases=engine.spans(),
                retries=engine.retries,
                errors=dict(engine.errors),
                notes=notes or {},
            )
            atomic.write(plan.output / progress.RESULT, result.model_dump_json(indent=2) + "\n")
            state = engine.refresh()
            state.state, state.phase = ("interrupted" if engine.interrupted() else "done"), None
            progress.write(plan.output, state)
            if plan.linger:
                await self._ended.wait()
        finally:
            await generator.close()
            await server.cleanup()
        return 0

    async def _permission(self) -> None:
        """Wait for the supervisor's word: all targets are scraped, the first phase may begin."""
        if self._plan.go_file is not None:
            progress.write(self._plan.output, Progress(state="ready"))
            while not self._plan.go_file.exists():  # noqa: ASYNC110 - written by another process, on another node
                await asyncio.sleep(_POLL)

    async def _or_end(self, work: Coroutine[None, None, T]) -> T | None:
        """Await `work`, or give it up when we are asked to end."""
        task, ended = asyncio.create_task(work), asyncio.create_task(self._ended.wait())
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if task.done():
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return None

    async def _phases(self, engine: Engine, recorder: Recorder) -> None:
        async def refresh() -> None:
            while True:
                state = engine.refresh().model_copy(deep=True)
                await asyncio.to_thread(progress.write, self._plan.output, state)
                await asyncio.to_thread(recorder.flush)
                await asyncio.sleep(_REFRESH)

        ticker = asyncio.create_task(refresh())
        work = asyncio.create_task(engine.run())
        done, _ = await asyncio.wait({ticker, work}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:  # a ticker ends by an error only: the disk is full, say
            await task
        ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticker

    def _interrupt(self) -> None:
        self._ended.set()
        if self._engine is not None:
            self._engine.interrupt()
