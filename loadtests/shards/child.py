"""One of several load processes: carries its share, does as the parent says, and tells it what came of it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Coroutine
from typing import Any

import aiohttp

from loadtests import instances
from loadtests.course import advance, or_end, say, set_up, verify
from loadtests.engine import Engine
from loadtests.exposition import JOIN_PATH
from loadtests.generators.base import Generator, GeneratorKind, Verifies
from loadtests.kinds import registry
from loadtests.metrics import Metrics
from loadtests.outcome import SetupError
from loadtests.plan import LoadPlan, trusting
from loadtests.records import Recorder, stream
from loadtests.shards import merge
from loadtests.shards.sync import synchronise
from loadtests.shards.wire import HEARTBEAT, LARGEST, Link, Message
from loadtests.share import Share
from loadtests.steady import Sums

_JOIN_WITHIN = 60.0
_RETRY = 0.1


class _LetGoError(Exception):
    """The parent has no more use for us."""


class Child:
    """From the first word to the last. `address` is host:port of the parent."""

    def __init__(self, plan: LoadPlan, share: Share, address: str) -> None:
        self._plan, self._share = plan, share
        self._url = f"{'http' if plan.tls is None else 'https'}://{address}{JOIN_PATH}"
        self._metrics = Metrics((phase.name for phase in plan.load.stages), share.shard)
        self._engine: Engine | None = None
        self._ended = asyncio.Event()
        self._orders: asyncio.Queue[Message | None] = asyncio.Queue()
        self._errands: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Join, set up, carry the share, tell the result, wait to be let go. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._interrupt)
        headers = {"Authorization": f"Bearer {self._plan.token_file.read_text().strip()}"}
        async with contextlib.AsyncExitStack() as stack:
            tls = trusting(None if self._plan.tls is None else self._plan.tls.ca_file)
            connector = aiohttp.TCPConnector(ssl=tls)
            session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers, connector=connector))
            link = await self._join(session)
            if link is None:
                return 1
            try:
                await self._carry(link, stack)
            except _LetGoError:
                return 0
            except ConnectionError as error:
                say(f"process {self._share.shard}: {error}")
                return 1
            except Exception as error:  # noqa: BLE001 - the parent tells why, whatever it was
                if not isinstance(error, SetupError):
                    traceback.print_exception(error)
                text = str(error) if isinstance(error, SetupError) else f"{type(error).__name__}: {error}"
                with contextlib.suppress(ConnectionError):
                    await link.send("failed", message=text)
                return 1
            finally:
                await link.close()
        return 0

    async def _join(self, session: aiohttp.ClientSession) -> Link | None:
        """Come to the parent, which may still be starting on another node."""
        deadline = time.monotonic() + _JOIN_WITHIN
        while not self._ended.is_set():
            try:
                return Link(await session.ws_connect(self._url, max_msg_size=LARGEST, heartbeat=HEARTBEAT))
            except (aiohttp.ClientError, OSError) as error:
                if time.monotonic() > deadline:
                    say(f"process {self._share.shard}: no parent at {self._url} within {_JOIN_WITHIN:.0f} s: {error}")
                    return None
                await asyncio.sleep(_RETRY)
        return None

    async def _carry(self, link: Link, stack: contextlib.AsyncExitStack) -> None:
        clock, error = await synchronise(link)  # before we are known: then the parent speaks only when it is asked
        await link.send("hello", shard=self._share.shard, pid=os.getpid(), host=socket.gethostname())
        listener = asyncio.create_task(self._listen(link))
        stack.callback(listener.cancel)
        kind, plan = registry()[self._plan.load.generator], self._plan
        assert isinstance(kind, GeneratorKind)  # noqa: S101 - tools are not shared out
        options = kind.Options.model_validate(plan.load.options)
        order = await self._order("prepare")
        generator: Generator = instances.create(kind, plan, options, plan.load)
        stack.push_async_callback(generator.close)
        recorder = Recorder(plan.output, stream(self._share.shard, self._share.shards))
        first = generator.setup if order["first"] else generator.attach
        notes = await or_end(set_up(first), self._ended)
        await link.send("ready", notes=notes or {}, clock_error_seconds=error, verifies=isinstance(generator, Verifies))
        order = await self._order("go")
        self._engine = engine = Engine(
            plan.load, generator, recorder, self._metrics, hurry=plan.hurry, share=self._share, clock=clock
        )
        engine.referee = _Referee(self, link)
        if self._ended.is_set():
            engine.interrupt()
        await advance(_Begun(engine, clock.monotonic(order["at"])), recorder, lambda: self._tell(link, engine))
        await self._tell(link, engine)
        await self._answer(link)
        lags = [{"counts": lags.counts(), "longest": lags.longest} for lags in engine.lags()]
        told = generator.tell() if isinstance(generator, Verifies) else {}
        await link.send("result", lags=lags, errors=dict(engine.errors), retries=engine.retries, told=told)
        while (order := await self._order("verify", "bye"))["kind"] == "verify":
            found, violation = await verify(generator, self._ended, order["told"])
            await link.send("verified", notes=found, violation=violation)

    async def _tell(self, link: Link, engine: Engine) -> None:
        def state() -> dict[str, Any]:
            return {"progress": engine.progress().model_dump(mode="json"), "latencies": engine.digest()}

        await link.send("state", **await asyncio.to_thread(state))

    async def _order(self, *kinds: str) -> Message:
        """Wait for an order of one of these kinds. Raises ConnectionError when the parent is gone."""
        while (order := await self._orders.get()) is not None:
            if order["kind"] in kinds:
                return order
            if order["kind"] == "bye":
                raise _LetGoError
        raise ConnectionError("the parent of the load is gone")

    async def _listen(self, link: Link) -> None:
        """Hear the parent; what concerns requests that go on is done at once."""
        async for message in link.messages():
            match message["kind"]:
                case "end" if self._engine is not None:
                    at = self._engine.clock.monotonic(message["at"])
                    self._engine.end_phase(message["phase"], at, message["why"])
                case "interrupt":
                    self._interrupt()
                case "series":
                    self.errand(self._answer(link))
                case _:
                    self._orders.put_nowait(message)
        self._orders.put_nowait(None)
        self._interrupt()

    async def _answer(self, link: Link) -> None:
        await link.send("series", series=await asyncio.to_thread(merge.families, self._metrics.registry))

    def errand(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the requests; that the parent is gone is noticed elsewhere."""

        async def run() -> None:
            with contextlib.suppress(ConnectionError):
                await work

        task = asyncio.create_task(run())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    def _interrupt(self) -> None:
        self._ended.set()
        if self._engine is not None:
            self._engine.interrupt()


class _Begun:
    """An engine with the time at which it begins."""

    def __init__(self, engine: Engine, at: float) -> None:
        self._engine, self._at = engine, at

    async def run(self) -> None:
        """Run all phases."""
        await self._engine.run(self._at)


class _Referee:
    """Leaves decisions to the parent."""

    def __init__(self, child: Child, link: Link) -> None:
        self._child, self._link = child, link
        self._told: set[int] = set()

    def used_up(self, index: int) -> None:
        """See `loadtests.referee.Referee`."""
        if index not in self._told:
            self._told.add(index)
            self._child.errand(self._link.send("used_up", phase=index))

    def batch(self, index: int, number: int, sums: Sums) -> None:
        """See `loadtests.referee.Referee`."""
        told = (sums.answers, sums.latency, sums.progress)
        self._child.errand(self._link.send("batch", phase=index, number=number, sums=told))


async def main(plan: LoadPlan, share: Share, address: str) -> int:
    """Be one process of a load."""
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr] # several write to one log
    return await Child(plan, share, address).run()
