"""/metrics for those who have the token. Small on purpose: a slow or hostile client must not cost a scrape."""

import asyncio
import contextlib
import errno
import signal
import socket
import ssl
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from exporters.secret import presents
from exporters.server_channel import HEAD_BYTES, Channel, Plain, Tls

RUN_HEADER = "X-Dashcam-Run"
HEAD_WITHIN = 5.0
"""Seconds in which a client must have sent its whole request head, and later must have taken the answer."""

CONNECTIONS = 256
"""Connections without a whole request; beyond that, the oldest makes room for the new one. Well below the 1,024 open
files that many sites allow a process."""

BACKLOG = 16
"""Accepted in one go: far fewer than CONNECTIONS, so that no newcomer is pushed out before it was read once. asyncio
accepts a few times before the first of them counts among CONNECTIONS: all these are open files as well."""

QUEUE = 1024
"""Connections that the kernel may hold for us meanwhile."""

_SCRAPES = 4
_DISTINCT = 100

Render = Callable[[], bytes]


class ServeError(Exception):
    """The sidecar cannot serve; the text says why and the mend."""


def listen(host: str, port: int) -> socket.socket:
    """Bind `host`:`port` (0: a free one). Raises ServeError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --listen") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(QUEUE)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} of {host} is taken: choose another with --listen {host}:PORT, or {host}:0 for a free one"
            ) from error
        raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --listen") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Return HOST:PORT of a bound socket, IPv6 hosts in brackets."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tell_once(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop say once what goes wrong in it: with too many open files it would say so at every connection."""
    told: set[str] = set()

    def tell(_: asyncio.AbstractEventLoop, context: Mapping[str, object]) -> None:
        text = f"exporter: {context.get('message')}: {context.get('exception', '')}"
        if text not in told and len(told) < _DISTINCT:
            told.add(text)
            with contextlib.suppress(OSError, ValueError):
                print(text, file=sys.stderr, flush=True)  # noqa: T201 - the sidecar's log

    loop.set_exception_handler(tell)


class Server:
    """Serves what `render` returns at /metrics, to those who present `token`. One request a connection.

    With `tls` it speaks TLS, and nothing else.
    """

    def __init__(
        self,
        render: Render,
        content_type: str,
        token: str,
        run_id: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._render = render
        self._content_type = content_type
        self._token = token
        self._tls = tls
        self._run_header = f"{RUN_HEADER}: {run_id}\r\n" if run_id else ""
        self._waiting: OrderedDict[asyncio.StreamWriter, None] = OrderedDict()
        self._scrapes = asyncio.Semaphore(_SCRAPES)

    async def serve(self, bound: socket.socket, ready: Callable[[], None]) -> None:
        """Serve on a bound socket until SIGTERM or SIGINT; calls `ready` once clients are answered."""
        tell_once(asyncio.get_running_loop())
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        server = await asyncio.start_server(self._client, sock=bound, limit=HEAD_BYTES, backlog=BACKLOG)
        bound.listen(QUEUE)  # asyncio has one number for the kernel's queue and for how many it takes in one go
        ready()
        await ended.wait()
        server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel: Channel = Plain(reader, writer) if self._tls is None else Tls(reader, writer, self._tls)
        self._waiting[writer] = None
        if len(self._waiting) > CONNECTIONS:
            self._waiting.popitem(last=False)[0].transport.abort()
        try:
            async with asyncio.timeout(HEAD_WITHIN):
                head = await channel.head()
            self._waiting.pop(writer, None)
            answer = await self._answer(head)
            async with asyncio.timeout(HEAD_WITHIN):
                await channel.send(answer)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # too slow, too large, or gone: not a client of ours
        finally:
            self._waiting.pop(writer, None)
            writer.transport.abort()  # nothing after a whole answer

    async def _answer(self, head: bytes) -> bytes:
        request, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value for name, _, value in pairs}
        if not presents(headers.get("authorization", ""), self._token):
            return self._response(
                "401 Unauthorized", b"the token is missing or wrong\n", "WWW-Authenticate: Bearer\r\n"
            )
        method, _, target = request.partition(" ")
        if target.partition(" ")[0].partition("?")[0] != "/metrics" or method not in {"GET", "HEAD"}:
            return self._response("404 Not Found", b"only GET /metrics is here\n")
        body = await self._scrape()
        if body is None:
            return self._response("500 Internal Server Error", b"the scrape failed: see the log of the sidecar\n")
        return self._response("200 OK", body, bare=method == "HEAD")

    async def _scrape(self) -> bytes | None:
        """Render in a thread of its own: the loop stays free, and a thread that hangs cannot hold up the end."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[bytes | None] = loop.create_future()

        def tell(body: bytes | None) -> None:
            if not result.done():
                result.set_result(body)

        def work() -> None:
            body: bytes | None = None
            try:
                body = self._render()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(tell, body)

        async with self._scrapes:
            threading.Thread(target=work, name="scrape", daemon=True).start()
            return await result

    def _response(self, status: str, body: bytes, extra: str = "", *, bare: bool = False) -> bytes:
        """Return a whole answer, without the body where `bare`."""
        head = (
            f"HTTP/1.1 {status}\r\nDate: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}\r\n"
            f"Content-Type: {self._content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
            f"{self._run_header}{extra}\r\n"
        )
        return head.encode("latin-1") + (b"" if bare else body)
