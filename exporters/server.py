"""/metrics for those who have the token. Small on purpose: a slow or hostile client must not cost a scrape."""

import asyncio
import hmac
import signal
import stat
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RUN_HEADER = "X-Dashcam-Run"
_HEAD_WITHIN = 5.0
_HEAD_BYTES = 8192
_CONNECTIONS = 128
"""Open connections; the oldest that has not sent a whole request makes room for a new one."""

Scrape = Callable[[], bytes]


class ServeError(Exception):
    """The sidecar cannot serve; the text says why and the mend."""


def read_token(path: Path) -> str:
    """Read a token that nobody else can read. Raises ServeError."""
    try:
        mode = path.stat().st_mode
        token = path.read_text().strip()
    except OSError as error:
        raise ServeError(f"the token file {path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ServeError(f"the token file {path} can be read by others: chmod 600 {path}")
    if not token:
        raise ServeError(f"the token file {path} is empty: write a secret into it")
    return token


class Server:
    """Serves one scrape function."""

    def __init__(self, scrape: Scrape, token: str, run_id: str | None) -> None:
        self._scrape = scrape
        self._expected = f"Bearer {token}".encode()
        self._run_header = f"{RUN_HEADER}: {run_id}\r\n" if run_id else ""
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="scrape")
        self._waiting: OrderedDict[int, asyncio.StreamWriter] = OrderedDict()

    async def run(self, host: str, port: int, ready: Callable[[str], None]) -> None:
        """Serve until SIGTERM or SIGINT; `ready` is told host:port. Raises ServeError (the port is taken)."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        try:
            server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_BYTES, backlog=1024)
        except OSError as error:
            raise ServeError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --listen") from error
        address = server.sockets[0].getsockname()
        ready(f"{address[0]}:{address[1]}")
        await ended.wait()
        server.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = id(writer)
        self._waiting[key] = writer
        if len(self._waiting) > _CONNECTIONS:
            self._waiting.popitem(last=False)[1].transport.abort()
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_WITHIN)
            self._waiting.pop(key, None)
            writer.write(await self._answer(head))
            await asyncio.wait_for(writer.drain(), _HEAD_WITHIN)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # too slow, too large, or gone: not a client of ours
        finally:
            self._waiting.pop(key, None)
            writer.close()

    async def _answer(self, head: bytes) -> bytes:
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if not hmac.compare_digest(headers.get("authorization", "").encode("latin-1"), self._expected):
            return self._response("401 Unauthorized", b"", "WWW-Authenticate: Bearer\r\n")
        method, _, path = request.partition(" ")
        if path.partition(" ")[0].partition("?")[0] != "/metrics":
            return self._response("404 Not Found", b"only /metrics is here\n")
        if method not in {"GET", "HEAD"}:
            return self._response("405 Method Not Allowed", b"")
        body = await asyncio.get_running_loop().run_in_executor(self._pool, self._scrape)
        return self._response("200 OK", body if method == "GET" else b"")

    def _response(self, status: str, body: bytes, extra: str = "") -> bytes:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n{self._run_header}{extra}\r\n"
        )
        return head.encode("latin-1") + body
