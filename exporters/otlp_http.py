"""OTLP/HTTP for those who have the token. It has a thread and a loop of its own: no client costs a scrape."""

import asyncio
import contextlib
import socket
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporters.secret import presents
from exporters.server import BACKLOG, QUEUE, tell_once

BODY_BYTES = 16 * 2**20
_HEAD_BYTES = 16384
_HEAD_WITHIN = 5.0
_BODY_WITHIN = 10.0
_CONNECTIONS = 256
"""Connections without a whole head, or with a refused one; beyond that the oldest makes room for the new one."""

_BODIES = 2
"""Bodies of each signal in memory at once; traces that wait for a disk hold up no metrics."""

_DRAINED = 65536
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
}

SIGNALS = ("metrics", "traces", "logs")


@dataclass(frozen=True)
class Request:
    """A whole request of somebody who has the token."""

    signal: str
    kind: str
    encoding: str
    body: bytes


@dataclass(frozen=True)
class Reply:
    """Status, content type and body of an answer."""

    code: int
    kind: str
    body: bytes


Handle = Callable[[Request], Reply]


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, code: int, text: str, signal: str = "none") -> None:
        super().__init__(text)
        self.code = code
        self.signal = signal


class Receiver:
    """Serves on a bound socket until the process ends; `requests` counts answers by signal and status."""

    def __init__(self, bound: socket.socket, token: str, handle: Handle) -> None:
        self._bound = bound
        self._token = token
        self._handle = handle
        self._waiting: OrderedDict[asyncio.StreamWriter, None] = OrderedDict()
        self.requests: Counter[tuple[str, int]] = Counter()
        threading.Thread(target=lambda: asyncio.run(self._serve()), name="otlp", daemon=True).start()

    async def _serve(self) -> None:
        tell_once(asyncio.get_running_loop())
        self._bodies = {signal: asyncio.Semaphore(_BODIES) for signal in SIGNALS}
        server = await asyncio.start_server(self._client, sock=self._bound, limit=_HEAD_BYTES, backlog=BACKLOG)
        self._bound.listen(QUEUE)
        async with server:
            await server.serve_forever()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._make_room(writer)
        try:
            async with asyncio.timeout(_HEAD_WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
            self._waiting.pop(writer, None)
            reply = await self._answer(head, reader, writer)
            async with asyncio.timeout(_HEAD_WITHIN):
                writer.write(_response(reply))
                await writer.drain()
                if reply.code in {401, 413, 415}:
                    # Its body is still under way: closing now would reset the connection before the answer is read.
                    self._make_room(writer)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await reader.read(_DRAINED)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # too slow, too large, or gone
        finally:
            self._waiting.pop(writer, None)
            writer.transport.abort()

    def _make_room(self, writer: asyncio.StreamWriter) -> None:
        self._waiting[writer] = None
        if len(self._waiting) > _CONNECTIONS:
            self._waiting.popitem(last=False)[0].transport.abort()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Reply:
        request, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            signal = self._admitted(request, headers, kind)
            if headers.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async with self._bodies[signal]:
                async with asyncio.timeout(_BODY_WITHIN):
                    body = await _body(reader, headers, signal)
                whole = Request(signal, kind, headers.get("content-encoding", "").lower(), body)
                reply = await self._handled(whole)
        except _Refusal as refusal:
            reply = Reply(refusal.code, "text/plain; charset=utf-8", f"{refusal}\n".encode())
            signal = refusal.signal
        self.requests[signal, reply.code] += 1
        return reply

    async def _handled(self, request: Request) -> Reply:
        """Work in a thread of its own: one that hangs cannot hold up the process's end."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Reply] = loop.create_future()

        def work() -> None:
            try:
                reply = self._handle(request)
            except Exception as error:  # noqa: BLE001 - whatever a body does to us, the next one is taken
                reply = Reply(500, "text/plain; charset=utf-8", f"{type(error).__name__}\n".encode())
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(lambda: None if result.done() else result.set_result(reply))

        threading.Thread(target=work, name="otlp-request", daemon=True).start()
        return await result

    def _admitted(self, request: str, headers: Mapping[str, str], kind: str) -> str:
        if not presents(headers.get("authorization", ""), self._token):
            raise _Refusal(401, "the token is missing or wrong")
        method, _, target = request.partition(" ")
        path = target.partition(" ")[0].partition("?")[0]
        signal = path.removeprefix("/v1/")
        if path == signal or signal not in SIGNALS:
            raise _Refusal(404, "only /v1/metrics, /v1/traces and /v1/logs are here")
        if method != "POST":
            raise _Refusal(405, "only POST is for OTLP", signal)
        if kind not in {"application/x-protobuf", "application/json"}:
            raise _Refusal(415, f"content-type {kind[:60]!r} is not known", signal)
        return signal


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str], signal: str) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader, signal)
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        raise _Refusal(411, "content-length is missing", signal)
    if int(length) > BODY_BYTES:
        raise _Refusal(413, f"the body is larger than {BODY_BYTES} bytes", signal)
    return await reader.readexactly(int(length))


async def _chunks(reader: asyncio.StreamReader, signal: str) -> bytes:
    """Read a chunked body (RFC 9112, 7.1)."""
    body = bytearray()
    while True:
        line = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            size = int(line, 16)
        except ValueError as error:
            raise _Refusal(400, "a chunk has no size", signal) from error
        if size < 0 or len(body) + size > BODY_BYTES:
            raise _Refusal(413, f"the body is larger than {BODY_BYTES} bytes", signal)
        body += await reader.readexactly(size)
        await reader.readuntil(b"\r\n")
        if size == 0:
            return bytes(body)


def _response(reply: Reply) -> bytes:
    extra = "WWW-Authenticate: Bearer\r\n" if reply.code == 401 else ""
    head = (
        f"HTTP/1.1 {reply.code} {_REASONS.get(reply.code, 'Error')}\r\nContent-Type: {reply.kind}\r\n"
        f"Content-Length: {len(reply.body)}\r\nConnection: close\r\n{extra}\r\n"
    )
    return head.encode("latin-1") + reply.body
