"""The load process: `python -m loadtests PLAN.json`.

Exit codes: 0 done, or interrupted by SIGTERM; 1 the set-up failed, or records could not be written; 2 no usable plan.
"""

import asyncio
import contextlib
import resource
import signal
import sys
import traceback
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import prometheus_client
import uvloop
from pydantic import BaseModel, ValidationError

from loadtests import exposition, progress
from loadtests.engine import Engine
from loadtests.generators.base import Generator, GeneratorKind, Verifies
from loadtests.kinds import registry
from loadtests.metrics import Metrics
from loadtests.outcome import RequestFailed, SetupError
from loadtests.plan import LoadPlan
from loadtests.progress import Progress, Result
from loadtests.records import Recorder
from loadtests.tools.base import Tool, ToolError, ToolKind
from loadtests.tools.run import ToolRun

T = TypeVar("T")

_POLL = 0.05
_REFRESH = 0.5
_VERIFY_WITHIN = 60.0


def run(argv: Sequence[str]) -> int:
    """Carry out the plan in the file that `argv` names. Returns the exit code (see the module)."""
    plan = None
    try:
        plan = LoadPlan.model_validate_json(Path(argv[0]).read_bytes())
        load = _Load(plan)
    except (IndexError, OSError, ValidationError, _PlanError) as error:
        text = f"no usable plan: {_in_one_line(error)}"
        _say(text)
        if plan is not None:
            with contextlib.suppress(OSError):  # its directory may be what is wrong
                progress.write(plan.output, Progress(state="failed", message=text))
        return 2
    # Threads write records and metrics beside the event loop; it must not wait 5 ms for its turn each time.
    sys.setswitchinterval(0.0001)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it untyped
    _allow_many_connections()
    return uvloop.run(load.run())


class _PlanError(Exception):
    """The plan asks for what cannot be."""


class _Load:
    """One load from set-up to its last scrape."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._kind = _kind(plan)
        self._options: BaseModel = self._kind.Options.model_validate(plan.load.options)
        self._load = plan.load
        if isinstance(self._kind, ToolKind):
            self._load = self._kind.arranged(plan.load, self._options)
        self._token = plan.token_file.read_text().strip()
        if not self._token:
            raise _PlanError(f"{plan.token_file} is empty: /metrics would be open to everybody")
        if not plan.output.is_dir():
            raise _PlanError(f"{plan.output} is no directory")
        self._metrics = Metrics(phase.name for phase in self._load.stages)
        self._engine: Engine | ToolRun | None = None
        self._ended = asyncio.Event()

    async def run(self) -> int:
        """Serve /metrics, set up, run the phases, stay for the last scrape; returns the exit code."""
        plan, loop = self._plan, asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._interrupt)
        try:
            progress.write(plan.output, Progress(state="setup"))
            async with contextlib.AsyncExitStack() as stack:
                server = await exposition.serve(self._metrics.registry, plan.listen, self._token, plan.run_id)
                stack.push_async_callback(server.cleanup)
                generator = self._create()
                stack.push_async_callback(generator.close)
                recorder = Recorder(plan.output)
                notes = await self._or_end(_set_up(generator))
                if notes is not None:
                    await self._or_end(self._permission())
                engine = self._carrier(generator, recorder)
                if self._ended.is_set():
                    engine.interrupt()
                self._engine = engine
                await self._phases(engine, recorder)
                notes = notes or {}
                violation = await self._verify(generator, notes)
                self._conclude(engine, notes, violation)
                if plan.linger:
                    await self._ended.wait()
        except (SetupError, ToolError) as error:
            self._fail(str(error))
            return 1
        except Exception as error:  # noqa: BLE001 - the supervisor reads why, whatever it was
            traceback.print_exception(error)
            self._fail(f"{type(error).__name__}: {error}")
            return 1
        return 0

    def _create(self) -> Generator | Tool:
        if isinstance(self._kind, ToolKind):
            return self._kind.create(self._plan.model_copy(update={"load": self._load}), self._options)
        return self._kind.create(self._plan.targets or self._plan.target, self._options, self._load)

    def _carrier(self, generator: Generator | Tool, recorder: Recorder) -> Engine | ToolRun:
        """Return what carries the phases out: our engine, or a program of others."""
        if isinstance(self._kind, ToolKind):
            place = self._plan.output / self._kind.name
            return ToolRun(self._load, generator, recorder, self._metrics, place=place, hurry=self._plan.hurry)  # type: ignore[arg-type] # made by a tool's kind
        return Engine(self._load, generator, recorder, self._metrics, hurry=self._plan.hurry)  # type: ignore[arg-type] # made by a generator's kind

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

    async def _phases(self, engine: Engine | ToolRun, recorder: Recorder) -> None:
        """Run the phases, with records and progress written beside them. Raises OSError (the disk is full)."""
        over = asyncio.Event()

        async def refresh() -> None:
            while not over.is_set():
                await asyncio.to_thread(progress.write, self._plan.output, engine.progress())
                await asyncio.to_thread(recorder.flush)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), _REFRESH)

        ticker = asyncio.create_task(refresh())
        work = asyncio.create_task(engine.run())
        await asyncio.wait({ticker, work}, return_when=asyncio.FIRST_COMPLETED)
        over.set()  # not cancelled: a thread that still writes would put an older state over the last one
        work.cancel()
        for ended in await asyncio.gather(ticker, work, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        recorder.close()

    async def _verify(self, generator: Generator | Tool, notes: dict[str, Any]) -> str | None:
        """Let a generator that can check its target's state (see `Verifies`) do so; returns what is wrong with it."""
        if isinstance(generator, Verifies) and not self._ended.is_set():
            try:
                async with asyncio.timeout(_VERIFY_WITHIN):
                    notes["verified"] = await self._or_end(generator.verify())
            except RequestFailed as failure:
                _say(f"the target's state is wrong: {failure}")
                return str(failure)
            except TimeoutError:
                notes["verified"] = f"not within {_VERIFY_WITHIN:g} s"
        return None

    def _conclude(self, engine: Engine | ToolRun, notes: dict[str, Any], violation: str | None) -> None:
        interrupted = engine.interrupted()
        spans = engine.spans()
        result = self._result("interrupted" if interrupted else "done")
        result.interrupted = interrupted
        result.phases = spans
        result.retries = engine.retries
        result.errors = dict(engine.errors)
        result.loop_lag_max = max((span.loop_lag_max or 0.0 for span in spans), default=None)
        result.notes = notes
        result.violation = violation
        if isinstance(engine, ToolRun):
            engine.tell(result)
        progress.write_result(self._plan.output, result)
        progress.write(self._plan.output, engine.progress(result.state))

    def _fail(self, message: str) -> None:
        _say(message)
        with contextlib.suppress(OSError):  # it may be the very disk that is full
            progress.write_result(self._plan.output, self._result("failed", message))
            last = progress.read(self._plan.output) or Progress(state="failed")
            progress.write(self._plan.output, last.model_copy(update={"state": "failed", "message": message}))

    def _result(self, state: progress.End, message: str = "") -> Result:
        options = self._options.model_dump(mode="json")
        return Result(state=state, message=message, generator=self._kind.name, options=options, seed=self._load.seed)

    def _interrupt(self) -> None:
        self._ended.set()
        if self._engine is not None:
            self._engine.interrupt()


async def _set_up(generator: Generator | Tool) -> dict[str, Any]:
    """Set the target up; whatever goes wrong with that is a SetupError."""
    try:
        return await generator.setup()
    except SetupError:
        raise
    except Exception as error:
        traceback.print_exception(error)
        raise SetupError(f"the set-up failed: {type(error).__name__}: {error}") from error


def _kind(plan: LoadPlan) -> GeneratorKind | ToolKind:
    kind = registry().get(plan.load.generator)
    if kind is None:
        raise _PlanError(f"no generator {plan.load.generator!r}: there are {', '.join(registry())}")
    targets = plan.targets or ({"": plan.target} if plan.target else {})
    if not targets and not isinstance(kind, ToolKind):
        raise _PlanError("neither target nor targets: what shall be driven?")
    if mismatch := kind.mismatch({role: target.protocol for role, target in targets.items()}):
        raise _PlanError(mismatch)
    return kind


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as we may: an open loop has as many requests open as the service is slow."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _in_one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        details = ((".".join(map(str, detail["loc"])), detail["msg"]) for detail in error.errors())
        return "; ".join(f"{where}: {what}" if where else what for where, what in details)
    return "give the path of a plan" if isinstance(error, IndexError) else str(error)


def _say(text: str) -> None:
    print(f"load: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the load's log
