"""The requests (and users) that are under way, and how they come to their end."""

import asyncio
import sys
import time
from collections.abc import Coroutine

_CANCELLED_WITHIN = 5.0
"""Seconds that requests may take to let go once they are cancelled."""


class OpenRequests:
    """Times in seconds. `drain`: how long what is open may go on after the last phase; `hurry`: once `asked` is set."""

    def __init__(self, drain: float, hurry: float, asked: asyncio.Event) -> None:
        self._drain, self._hurry, self._asked = drain, hurry, asked
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have `work` go on beside all others."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end(self) -> None:
        """Empty for good; what does not let go even then is told in the load's log."""
        await self.empty()
        if self._tasks:
            count = len(self._tasks)
            print(f"{count} requests did not let go and have no record", file=sys.stderr)  # noqa: T201 - the load's log

    async def empty(self) -> None:
        """Wait until nothing is open, for a short time when we are asked to end; then cut it off."""
        deadline = time.monotonic() + self._drain
        if self._tasks and not self._asked.is_set():
            settled = asyncio.create_task(asyncio.wait(set(self._tasks)))
            asked = asyncio.create_task(self._asked.wait())
            await asyncio.wait({settled, asked}, timeout=self._drain, return_when=asyncio.FIRST_COMPLETED)
            settled.cancel()
            asked.cancel()
        if self._tasks and self._asked.is_set():
            left = min(self._hurry, max(0.0, deadline - time.monotonic()))
            await asyncio.wait(set(self._tasks), timeout=left)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_CANCELLED_WITHIN)
