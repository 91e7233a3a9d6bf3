"""The load process: `python -m loadtests PLAN.json`.

Exit codes: 0 done, or interrupted by SIGTERM; 1 the set-up failed, or records could not be written; 2 no usable plan.
"""

import asyncio
import contextlib
import signal
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web
from pydantic import BaseModel, ValidationError

from loadtests import exposition, instances, progress
from loadtests.clock import Clock
from loadtests.course import advance, or_end, ready_process, say, set_up, verify
from loadtests.engine import Engine
from loadtests.generators.base import Generator, GeneratorKind
from loadtests.kinds import registry
from loadtests.metrics import Metrics
from loadtests.mlperf.engine import ScenarioEngine, leave_behind
from loadtests.mlperf.settings import scheduled_by_loadgen
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan
from loadtests.progress import Progress, Result
from loadtests.records import Recorder
from loadtests.schedules import trace
from loadtests.schedules.trace import TraceError
from loadtests.search.engine import SearchEngine
from loadtests.shards.parent import Parent
from loadtests.share import own_cores, processes
from loadtests.tools.base import Tool, ToolError, ToolKind
from loadtests.tools.run import ToolRun
from runs.scenario import SAMPLE_INDEX_SEED

_POLL = 0.05


def run(argv: Sequence[str]) -> int:
    """Carry out the plan in the file that `argv` names. Returns the exit code (see the module)."""
    plan = None
    try:
        plan = LoadPlan.model_validate_json(Path(argv[0]).read_bytes())
        load = _Load(plan, Path(argv[0]))
    except (IndexError, OSError, ValidationError, TraceError, _PlanError) as error:
        text = f"no usable plan: {_in_one_line(error)}"
        say(text)
        if plan is not None:
            with contextlib.suppress(OSError):  # its directory may be what is wrong
                progress.write(plan.output, Progress(state="failed", message=text))
        return 2
    ready_process()
    code = uvloop.run(load.run())
    leave_behind(code)
    return code


class _PlanError(Exception):
    """The plan asks for what cannot be."""


class _Load:
    """One load from set-up to its last scrape."""

    def __init__(self, plan: LoadPlan, path: Path) -> None:
        self._plan = plan
        self._kind = _kind(plan)
        self._load = plan.load
        self._options: BaseModel
        if not isinstance(self._kind, ToolKind):
            self._options = self._kind.Options.model_validate(plan.load.options)
        else:
            self._options = self._kind.read(plan)
            self._load = self._kind.arranged(plan.load, self._options)
        self._token = plan.token_file.read_text().strip()
        if not self._token:
            raise _PlanError(f"{plan.token_file} is empty: /metrics would be open to everybody")
        if not plan.output.is_dir():
            raise _PlanError(f"{plan.output} is no directory")
        self._traces = _traces(plan)
        self._metrics = Metrics(phase.name for phase in self._load.stages)
        self._parent = _parent(plan, path, self._kind)
        self._engine: Engine | ToolRun | Parent | None = None
        self._ended = asyncio.Event()
        self._clock = Clock()

    async def run(self) -> int:
        """Serve /metrics, set up, run the phases, stay for the last scrape; returns the exit code."""
        plan, loop = self._plan, asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._interrupt)
        try:
            progress.write(plan.output, Progress(state="setup"))
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback((await self._serve()).cleanup)
                generator = self._create()
                stack.push_async_callback(generator.close)
                recorder = Recorder(plan.output)
                notes = await or_end(set_up(generator.setup), self._ended)
                if notes is not None:
                    await or_end(self._permission(), self._ended)
                engine = self._carrier(generator, recorder)
                if self._ended.is_set():
                    engine.interrupt()
                self._engine = engine
                await advance(engine, recorder, lambda: self._tell(engine))
                found, violation = await verify(generator, self._ended)
                self._conclude(engine, {**(notes or {}), **self._traces, **found}, violation)
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

    async def _serve(self) -> web.AppRunner:
        parent, plan = self._parent, self._plan
        tls = None if plan.tls is None else plan.tls.server()
        if parent is None:
            return await exposition.serve(self._metrics.registry, plan.listen, self._token, plan.run_id, tls=tls)
        server = await exposition.serve(
            parent.registry, plan.listen, self._token, plan.run_id, before=parent.refresh, join=parent.join, tls=tls
        )
        host, port = server.addresses[0][:2]
        parent.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return server

    async def _tell(self, engine: Engine | ToolRun | Parent) -> None:
        output = self._plan.output
        if isinstance(engine, Engine):
            await asyncio.to_thread(lambda: progress.write(output, engine.progress()))
        else:  # those wait for others: their loops have the time
            await asyncio.to_thread(progress.write, output, engine.progress())

    def _create(self) -> Generator | Tool | Parent:
        if self._parent is not None:
            return self._parent
        if isinstance(self._kind, ToolKind):
            return self._kind.create(self._plan.model_copy(update={"load": self._load}), self._options)
        load = self._load
        if load.scenario is not None:  # what a sample holds has a seed of its own
            load = load.model_copy(update={"seed": SAMPLE_INDEX_SEED})
        return instances.create(self._kind, self._plan, self._options, load)

    def _carrier(self, generator: Generator | Tool | Parent, recorder: Recorder) -> Engine | ToolRun | Parent:
        """Return what carries the phases out: our engine, several of them, or a program of others."""
        if self._parent is not None:
            return self._parent
        if isinstance(self._kind, ToolKind):
            place = self._plan.output / self._kind.name
            return ToolRun(self._load, generator, recorder, self._metrics, place=place, hurry=self._plan.hurry)  # type: ignore[arg-type] # made by a tool's kind
        if self._load.search is not None:
            return SearchEngine(
                *(self._load, generator, recorder, self._metrics),
                hurry=self._plan.hurry,
                search=self._load.search,
                bounds=self._plan.objectives,
                k=self._load.options.get("k"),
            )
        if scheduled_by_loadgen(self._load.scenario):
            return ScenarioEngine(
                *(self._load, generator, recorder, self._metrics),  # type: ignore[arg-type] # made by a generator's kind
                hurry=self._plan.hurry,
                bounds=self._plan.objectives,
                directory=self._plan.output,
            )
        return Engine(self._load, generator, recorder, self._metrics, hurry=self._plan.hurry)  # type: ignore[arg-type] # made by a generator's kind

    async def _permission(self) -> None:
        """Wait for the supervisor's word: all targets are scraped, the first phase may begin."""
        if self._plan.go_file is not None:
            progress.write(self._plan.output, Progress(state="ready"))
            while not self._plan.go_file.exists():  # noqa: ASYNC110 - written by another process, on another node
                await asyncio.sleep(_POLL)

    def _conclude(self, engine: Engine | ToolRun | Parent, notes: dict[str, Any], violation: str | None) -> None:
        interrupted = engine.interrupted()
        spans = engine.spans()
        result = self._result("interrupted" if interrupted else "done")
        result.interrupted = interrupted
        result.phases = spans
        result.retries = engine.retries
        result.errors = dict(engine.errors)
        result.loop_lag_max = max((span.loop_lag_max or 0.0 for span in spans), default=None)
        result.clock_step = round(self._clock.step(), 6)
        result.notes = notes
        result.violation = violation
        if isinstance(engine, ToolRun):
            engine.tell(result)
        if isinstance(engine, SearchEngine):
            result.search = engine.found()
        if isinstance(engine, ScenarioEngine):
            told, result.warnings = engine.told()
            result.notes = {**result.notes, "mlperf": told}
        progress.write_result(self._plan.output, result)
        progress.write(self._plan.output, engine.progress(result.state))

    def _fail(self, message: str) -> None:
        say(message)
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


def _kind(plan: LoadPlan) -> GeneratorKind | ToolKind:
    kind = registry().get(plan.load.generator)
    if kind is None:
        raise _PlanError(f"no generator {plan.load.generator!r}: there are {', '.join(registry())}")
    targets = plan.targets or ({"": plan.target} if plan.target else {})
    if not targets and not isinstance(kind, ToolKind):
        raise _PlanError("neither target nor targets: what shall be driven?")
    for key in ("search", "scenario"):
        if getattr(plan.load, key) is not None and isinstance(kind, ToolKind):
            raise _PlanError(f"{kind.name} makes its own requests, which no {key} can drive: leave load.{key} out")
    if mismatch := kind.mismatch({role: target.protocol for role, target in targets.items()}):
        raise _PlanError(mismatch)
    return kind


def _parent(plan: LoadPlan, path: Path, kind: GeneratorKind | ToolKind) -> Parent | None:
    """Return the parent of the load's processes where there are several. Tools share their work out themselves."""
    shards = plan.shards or (processes(plan.load, 1, own_cores()),)
    return Parent(plan, path, shards) if sum(shards) > 1 and isinstance(kind, GeneratorKind) else None


def _traces(plan: LoadPlan) -> dict[str, Any]:
    """Read all traces, and say which they are, so that another run can be held against this one. Raises TraceError."""
    notes = {}
    for phase in plan.load.stages:
        if phase.trace is not None:
            count = len(trace.read(phase.trace, phase.column))
            notes[phase.name] = {"path": phase.trace, "sha256": trace.digest(phase.trace), "arrivals": count}
    return {"traces": notes} if notes else {}


def _in_one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        details = ((".".join(map(str, detail["loc"])), detail["msg"]) for detail in error.errors())
        return "; ".join(f"{where}: {what}" if where else what for where, what in details)
    return "give the path of a plan" if isinstance(error, IndexError) else str(error)
