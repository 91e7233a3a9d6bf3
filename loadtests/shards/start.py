"""The shards of one node, as children of the process that starts them."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Iterable
from pathlib import Path


class Local:
    """Starts shards `numbers` of `shards` of the plan at `plan`; they join the parent at `address`."""

    def __init__(self, plan: Path, numbers: Iterable[int], shards: int) -> None:
        self._plan, self._numbers, self._shards = plan, tuple(numbers), shards
        self._processes: dict[int, Process] = {}

    async def start(self, address: str) -> None:
        """Start them all. Raises OSError."""
        for number in self._numbers:
            flags = ["-P"] if sys.flags.safe_path else []
            words = ["-m", "loadtests.shards", str(self._plan), address, str(self._shards), str(number)]
            self._processes[number] = await asyncio.create_subprocess_exec(sys.executable, *flags, *words)

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to those that still run."""
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

    async def ended(self, number: int, within: float) -> int | None:
        """Return the exit code of a shard; None where it is not ours or still runs after `within` seconds."""
        process = self._processes.get(number)
        if process is None:
            return None
        try:
            async with asyncio.timeout(within):
                return await process.wait()
        except TimeoutError:
            return None

    async def first_end(self) -> tuple[int, int]:
        """Wait until one of them ends; returns which, and its exit code."""
        waits = {asyncio.create_task(process.wait()): number for number, process in self._processes.items()}
        done, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        task = next(iter(done))
        return waits[task], task.result()

    async def stop(self, within: float) -> None:
        """Wait for all to end, and end those that do not."""
        for order in (None, signal.SIGTERM, signal.SIGKILL):
            if order is not None:
                self.signal(order)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await asyncio.gather(*(process.wait() for process in self._processes.values()))
                    return
