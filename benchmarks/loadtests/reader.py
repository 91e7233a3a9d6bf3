"""A reader that only reads bytes: `python -m benchmarks.loadtests.reader PORT STREAMS STAGGER`.

What our load takes more than this is what it does beside reading: intended times, HTTP, the events' content, records.
STREAMS connections, begun one by one over STAGGER seconds, each of which asks again as soon as its answer has ended.
With SIGTERM it prints `SENT FIRST` for each answer: seconds of CLOCK_MONOTONIC at which it was asked for, and seconds
until its first event.
"""

import asyncio
import contextlib
import signal
import sys
import time
from typing import cast

import uvloop

_ASK = (
    b"POST /streams/v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)
_END = b"0\r\n\r\n"


class _Reader(asyncio.Protocol):
    def __init__(self, found: list[tuple[float, float]]) -> None:
        self._found = found
        self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self._ask()

    def _ask(self) -> None:
        self._waits, self._sent = True, time.monotonic()
        self._transport.write(_ASK)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._waits and b"data: " in data:
            self._waits = False
            self._found.append((self._sent, time.monotonic() - self._sent))
        if data.endswith(_END):
            self._ask()


async def _read(port: int, streams: int, stagger: float) -> None:
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    found: list[tuple[float, float]] = []
    for _ in range(streams):
        await loop.create_connection(lambda: _Reader(found), "127.0.0.1", port)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), stagger / streams)
    await end.wait()
    for sent, first in found:
        print(f"{sent:.9f} {first:.9f}")


if __name__ == "__main__":
    uvloop.run(_read(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
