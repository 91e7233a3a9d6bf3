"""A server that does next to nothing: `python -m benchmarks.loadtests.server COUNTS [EVENTS GAP]`.

GET, and POST under /whole, are answered at once. POST under /streams is answered as an OpenAI server streams: the head
and the first of EVENTS pieces at once, the others GAP seconds from one another. It listens on loopback, says where, and
ends with SIGTERM. It serves made-up bytes to anybody, and has no secret, since every client here has its own way to
present one.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.loadtests.counts import Counts

_EVENT = (
    b'data: {"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"none",'
    b'"choices":[{"index":0,"text":" word","logprobs":null,"finish_reason":null}]}\n\n'
)
_LAST = (
    'data: {{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"none",'
    '"choices":[{{"index":0,"text":"","logprobs":null,"finish_reason":"length"}}],'
    '"usage":{{"prompt_tokens":32,"completion_tokens":{events},"total_tokens":0}}}}\n\ndata: [DONE]\n\n'
)
_WHOLE = (
    b'{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"none",'
    b'"choices":[{"index":0,"text":" word","logprobs":null,"finish_reason":"length"}],'
    b'"usage":{"prompt_tokens":32,"completion_tokens":1,"total_tokens":33}}'
)


def _plain(kind: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


_GET = _plain("text/plain", b"well, here I am\n")
_POST = _plain("application/json", _WHOLE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_PIECE = _chunk(_EVENT)


class _Connection(asyncio.Protocol):
    """One client, who has one request open at a time."""

    def __init__(self, counts: Counts, events: int, gap: float) -> None:
        self._numbers = counts.numbers
        self._events, self._gap = events, gap
        self._end = _chunk(_LAST.format(events=events).encode()) + b"0\r\n\r\n"
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        data = self._held + data if self._held else data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or len(data) - end < _length(data[:end]):
            self._held = data
            return
        self._held = b""
        if data.startswith(b"GET "):
            self._transport.write(_GET)
            self._numbers[0] += 1
        elif data.startswith(b"POST /streams"):
            self._transport.write(_HEAD)
            self._stream(self._events)
        else:
            self._transport.write(_POST)
            self._numbers[0] += 1

    def _stream(self, left: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(_PIECE)
        self._numbers[1] += 1
        if left > 1:
            self._loop.call_later(self._gap, self._stream, left - 1)
        else:
            self._transport.write(self._end)
            self._numbers[0] += 1


def _length(head: bytes) -> int:
    """Return how many bytes follow the head."""
    if head.startswith(b"GET "):
        return 0
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r", at)]) if at >= 0 else 0


async def _serve(counts: Counts, events: int, gap: float) -> None:
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    server = await loop.create_server(lambda: _Connection(counts, events, gap), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await end.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(Counts(Path(sys.argv[1])), *(int(sys.argv[2]), float(sys.argv[3])) if sys.argv[2:] else (1, 0.0)))
