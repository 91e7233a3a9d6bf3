"""The parent of several load processes: it takes a generator's and an engine's place in the load process.

It sends no request itself, so that what it adds up does not disturb the clocks of those who do.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from loadtests.clock import Clock
from loadtests.metrics import Now
from loadtests.outcome import RequestFailed
from loadtests.plan import LoadPlan
from loadtests.progress import Progress, Span, State, Stop
from loadtests.shards import merge
from loadtests.shards.decisions import Decisions
from loadtests.shards.member import Member
from loadtests.shards.members import Members, ShardError
from loadtests.shards.start import Local
from loadtests.shards.wire import Message

_SERIES_WITHIN = 0.5
_LET_GO_WITHIN = 5.0
_SOON, _SOON_ELSEWHERE = 0.05, 0.25
"""How far ahead, in seconds, an instant must lie that all shards can still keep: on this node, and with others."""


class Parent:
    """`shards`: load processes on each node, this one first. `path`: the plan's file. `address`: where they join."""

    address: str
    verify: Callable[[Sequence[Mapping[str, Any]]], Awaitable[dict[str, Any]]]
    """There once the generator has turned out to have one."""

    def __init__(self, plan: LoadPlan, path: Path, shards: Sequence[int]) -> None:
        count = sum(shards)
        self._soon = _SOON if len(shards) == 1 else _SOON_ELSEWHERE
        self._local = Local(path, range(shards[0]), count)
        self._members = Members(count, self._local)
        self._clock = Clock()
        self._merged = merge.Merged()
        self._decisions = Decisions(plan.load, count, self._end)
        self._asked = False
        self.registry = CollectorRegistry()
        self.registry.register(self._merged)
        self._own = CollectorRegistry()
        self._own.register(Now("parent"))

    # What is asked of a generator

    async def setup(self) -> dict[str, Any]:
        """Start the shards; let the first set the target up, then the others come to it. Raises ShardError."""
        await self._local.start(self.address)
        await self._members.unless_failed(self._members.all_here(self.address))
        first, *others = (self._members[shard] for shard in range(self._members.count))
        ready = await self._prepared(first, first=True)
        waits = [ready, *await asyncio.gather(*(self._prepared(member, first=False) for member in others))]
        if ready["verifies"]:
            self.verify = self._verify
        off = max(each["clock_error_seconds"] for each in waits)
        hosts = Counter(self._members[shard].host for shard in range(self._members.count))
        return {**ready["notes"], "processes": {"on": dict(hosts), "clock_error_seconds": off}}

    async def close(self) -> None:
        """Let all shards go, and end those that do not."""
        for kind in ("interrupt", "bye"):
            await self._members.to_all(kind)
        await self._local.stop(_LET_GO_WITHIN)
        for member in self._members:
            await member.link.close()

    def tell(self) -> dict[str, Any]:
        """Return what the shards told."""
        return {"shards": [member.facts for member in self._members]}

    async def _verify(self, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        (own,) = told
        await self._members[0].send("verify", told=own["shards"])
        answer = await self._members[0].answer("verified")
        if answer is None:
            return {"error": "the process that could tell is gone"}
        if answer["violation"] is not None:
            kind, _, detail = answer["violation"].partition(": ")
            raise RequestFailed(kind, detail)
        return dict(answer["notes"].get("verified") or {})

    # What is asked of an engine

    def interrupted(self) -> bool:
        """Tell whether the load was asked to end before its time."""
        return self._asked

    def interrupt(self) -> None:
        """Have all shards schedule nothing more."""
        self._asked = True
        self._members.tell("interrupt")

    async def run(self) -> None:
        """Run all phases. Raises ShardError, when the others have given up what they had open and recorded it."""
        if self._asked:
            return
        await self._members.to_all("go", at=self._clock.utc_ns(time.monotonic() + 4 * self._soon))
        await asyncio.gather(*(member.answer("result") for member in self._members))
        if self._members.failure is not None:
            raise ShardError(self._members.failure)

    @property
    def errors(self) -> Counter[str]:
        """Failures by kind."""
        return sum((Counter(member.errors) for member in self._members), Counter())

    @property
    def retries(self) -> int:
        """Requests sent again because a kept connection had been closed."""
        return sum(member.retries for member in self._members)

    def spans(self) -> list[Span]:
        """Return the phases of the whole load."""
        told = [member for member in self._members if member.progress is not None]
        parts = [member.progress.phases for member in told if member.progress is not None]
        return merge.spans(parts, [member.lags for member in told])

    def progress(self, state: State | None = None) -> Progress:
        """Return how far the whole load is, or that it ended as `state`."""
        parts = [member.progress for member in self._members if member.progress is not None]
        if not parts:
            return Progress(state=state or "running")
        whole = merge.progress(parts, [member.latencies for member in self._members])
        over = {"state": state, "phase": None, "phase_started": None, "phase_ends": None}
        return whole if state is None else whole.model_copy(update=over)

    # The shards

    async def join(self, request: web.Request) -> web.StreamResponse:
        """Keep the connection of one shard; for those who have the load's secret."""
        socket, member = await self._members.welcome(request, self._clock)
        if member is None:
            return socket
        async for message in member.link.messages():
            await self._hear(member, message)
        finished = "result" in member.told
        member.leave()
        if not finished:
            await self._members.lost(member)
        return socket

    async def refresh(self) -> None:
        """Ask all shards for their series, ahead of a scrape."""
        for member in self._members:
            member.answers.pop("series", None)
        await self._members.to_all("series")
        self._merged.take(-1, await asyncio.to_thread(merge.families, self._own))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SERIES_WITHIN):
                await asyncio.gather(*(member.answer("series") for member in self._members))

    async def _hear(self, member: Member, message: Message) -> None:
        match message["kind"]:
            case "series":
                self._merged.take(member.shard, message["series"])
                member.take(message)
            case "failed":
                self._members.fail(message["message"])
            case "used_up" | "batch":
                self._decisions.hear(message)
            case _:
                member.take(message)

    def _end(self, phase: int, why: Stop) -> None:
        """Have all shards end a phase at the same instant."""
        at = self._clock.utc_ns(time.monotonic() + self._soon)
        self._members.tell("end", phase=phase, at=at, why=why)

    async def _prepared(self, member: Member, *, first: bool) -> Message:
        await member.send("prepare", first=first)
        told: Message | None = await self._members.unless_failed(member.answer("ready"))
        if told is None:
            raise ShardError(self._members.failure or f"load process {member.shard} is gone")
        return told
