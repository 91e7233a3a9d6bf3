"""All shards of a load, from when they join until one of them fails or all are let go."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any

from aiohttp import web

from loadtests.clock import Clock
from loadtests.outcome import SetupError
from loadtests.shards.member import Member
from loadtests.shards.start import Local
from loadtests.shards.sync import answer
from loadtests.shards.wire import HEARTBEAT, LARGEST, Link

_JOIN_WITHIN = 60.0
_LOST_WITHIN = 2.0


class ShardError(SetupError):
    """A load process failed or died; the text says which and how."""


class Members:
    """`count` shards, of which those of this node are `local`. Iterates over those that have joined."""

    failure: str | None = None
    """What failed first."""

    def __init__(self, count: int, local: Local) -> None:
        self.count = count
        self._local = local
        self._members: dict[int, Member] = {}
        self._complete = asyncio.Event()
        self._failing = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Member]:
        return iter(tuple(self._members.values()))

    def __getitem__(self, shard: int) -> Member:
        return self._members[shard]

    async def welcome(self, request: web.Request, clock: Clock) -> tuple[web.WebSocketResponse, Member | None]:
        """Give a newcomer the time until it says who it is; None: it said nothing, or is here already."""
        socket = web.WebSocketResponse(max_msg_size=LARGEST, heartbeat=HEARTBEAT)
        await socket.prepare(request)
        link = Link(socket)
        while (hello := await link.receive()) is not None and hello["kind"] == "time":
            with contextlib.suppress(ConnectionError):  # it went again: the next word is None
                await link.send("time", **answer(clock))
        if hello is None or hello["kind"] != "hello" or hello["shard"] in self._members:
            await link.close()
            return socket, None
        member = Member(hello["shard"], link, hello["pid"], hello["host"])
        self._members[member.shard] = member
        if len(self._members) == self.count:
            self._complete.set()
        return socket, member

    async def all_here(self, address: str) -> None:
        """Wait until all have come to `address`. Raises ShardError when one ends before, or does not come."""
        here, ended = asyncio.create_task(self._complete.wait()), asyncio.create_task(self._local.first_end())
        await asyncio.wait({here, ended}, timeout=_JOIN_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        here.cancel()
        if not ended.done():
            ended.cancel()
        elif not self._complete.is_set():
            shard, code = ended.result()
            raise ShardError(f"load process {shard} of {self.count} {_how(code)} before it joined: see the load's log")
        if not self._complete.is_set():
            missing = sorted(set(range(self.count)) - self._members.keys())
            raise ShardError(
                f"load processes {', '.join(map(str, missing))} of {self.count} did not join {address} within "
                f"{_JOIN_WITHIN:.0f} s: see the logs of the load's other nodes"
            )

    async def lost(self, member: Member) -> None:
        """Take it that a member is gone before its time."""
        code = await self._local.ended(member.shard, _LOST_WITHIN)
        self.fail(
            f"load process {member.shard} of {self.count} (pid {member.pid} on {member.host}) {_how(code)}; "
            "what it recorded until about a second before is kept"
        )

    def fail(self, text: str) -> None:
        """Take the first failure for the load's; the others are ended."""
        if self.failure is None:
            self.failure = text
            self._failing.set()
            self.tell("interrupt")

    async def unless_failed(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await `work`. Raises ShardError when a shard fails meanwhile."""
        task, failing = asyncio.create_task(work), asyncio.create_task(self._failing.wait())
        try:
            await asyncio.wait({task, failing}, return_when=asyncio.FIRST_COMPLETED)
            if self.failure is not None:
                raise ShardError(self.failure)
            return task.result()
        finally:
            task.cancel()
            failing.cancel()

    async def to_all(self, kind: str, **fields: Any) -> None:
        """Tell all something; those that are gone hear nothing."""
        await asyncio.gather(*(member.send(kind, **fields) for member in self))

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell all something, without waiting for it."""
        task = asyncio.create_task(self.to_all(kind, **fields))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _how(code: int | None) -> str:
    if code is None:
        return "broke its connection"
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
