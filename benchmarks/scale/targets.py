"""Many exporters in one cheap process: `python -m benchmarks.scale.targets COUNT SERIES`.

Each has a port of loopback of its own; the ports are printed as JSON. The password, which all want, is the first line
of standard input; the end of standard input is theirs. One page is made, and compressed as node_exporter's, each
quarter of a second for all of them: it is Prometheus that is to be measured.
"""

import asyncio
import base64
import gzip
import json
import socket
import sys
import time

from benchmarks.scale.page import page
from prometheus.loopback import LOOPBACK

_FRESH = 0.25
_KIND = "Content-Type: text/plain; version=0.0.4\r\nContent-Encoding: gzip"


class Pages:
    """The page that all targets show, whole answers made in advance."""

    def __init__(self, series: int, password: str) -> None:
        self._series = series
        self._begun = time.monotonic()
        self._made = -1.0
        self._answer = b""
        told = base64.b64encode(f"dashcam:{password}".encode())
        self.authorization = b"Authorization: Basic " + told + b"\r\n"

    def answer(self) -> bytes:
        """Return the answer of now."""
        now = time.monotonic() - self._begun
        if now - self._made >= _FRESH or not self._answer:
            body = gzip.compress(page(1e4 + now, self._series), 1)
            head = f"HTTP/1.1 200 OK\r\n{_KIND}\r\nContent-Length: {len(body)}\r\n\r\n"
            self._made, self._answer = now, head.encode() + body
        return self._answer


class Target(asyncio.Protocol):
    """One connection, kept open from scrape to scrape."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each whole request that knows the password."""
        self._asked += data
        if not self._asked.endswith(b"\r\n\r\n"):
            return
        if self._pages.authorization in self._asked:
            self._transport.write(self._pages.answer())
        else:
            self._transport.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        self._asked = b""


async def serve(count: int, pages: Pages) -> None:
    """Listen on `count` ports, print them, and serve until standard input ends."""
    loop = asyncio.get_running_loop()
    ports = []
    for _ in range(count):
        listener = socket.create_server((LOOPBACK, 0), backlog=8)
        ports.append(listener.getsockname()[1])
        await loop.create_server(lambda: Target(pages), sock=listener)
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Pages(int(sys.argv[2]), sys.stdin.readline().strip())))
