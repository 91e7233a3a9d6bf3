"""HTTP as load generators need it: no queue of its own, times stamped as things happen, failures with a name."""

import errno
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtests.outcome import Outcome, RequestFailed

_DETAIL = 400
"""Bytes of an error's body that are kept to tell what it was."""

_LARGEST = 64 * 2**20
"""Bytes of a whole answer that are read: more is no answer but a fault."""


class HttpClient:
    """Sends requests with kept connections; one that the server has just closed is tried again on a new one, once."""

    def __init__(self, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | bool = True) -> None:
        """Headers go with each request; `tls` is aiohttp's `ssl`. Made inside a running loop."""
        # An encoded answer would cost the client CPU, and its bytes could not be compared.
        self._headers = {"Accept-Encoding": "identity", **(headers or {})}
        self._tls = tls
        self._kept = self._session(keep=True)
        self._fresh = self._session(keep=False)

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_on_new)
        trace.on_connection_reuseconn.append(_on_reused)
        return aiohttp.ClientSession(
            # The default limit of 100 would queue requests unseen.
            connector=aiohttp.TCPConnector(limit=0, force_close=not keep, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None),  # the engine's timeout counts
            headers=self._headers,
            trace_configs=[trace],
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Let go of connections."""
        for session in (self._kept, self._fresh):
            await session.close()

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        outcome: Outcome,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its answer, whose body is still to come; fills `outcome` up to the first byte.

        A status that is not in `accept` is a failure http_NNN. Raises RequestFailed, for what goes wrong while the
        caller reads the body too.
        """
        attempt = _Attempt(outcome, time.monotonic())
        response = None
        try:
            response = await self._send(method, url, attempt, data, headers)
            outcome.first_byte = time.monotonic()
            outcome.status = response.status
            if response.status not in accept:
                await _refuse(response)
            yield response
        except (aiohttp.ClientError, OSError) as error:
            raise failure(error) from error
        finally:
            if response is not None:
                # What was not read to its end is closed, not kept: the rest of it would be taken for the next answer.
                response.release() if response.content.at_eof() else response.close()

    async def ask(
        self,
        method: str,
        url: str,
        outcome: Outcome,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request and read its whole answer: status, headers, body. Raises RequestFailed."""
        async with self.stream(method, url, outcome, data=data, headers=headers, accept=accept) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                outcome.received += len(chunk)
                if len(body) > _LARGEST:
                    raise RequestFailed("too_large", f"the answer is larger than {_LARGEST} bytes")
            return response.status, response.headers, bytes(body)

    async def _send(
        self, method: str, url: str, attempt: "_Attempt", data: bytes | None, headers: Mapping[str, str] | None
    ) -> aiohttp.ClientResponse:
        options: dict[str, Any] = {"data": data, "headers": headers, "allow_redirects": False}
        try:
            return await self._kept.request(method, url, trace_request_ctx=attempt, **options)
        except (aiohttp.ClientError, OSError) as error:
            # A server may close a kept connection just as we use it; a new connection tells whether it is down.
            if not attempt.may_repeat(error):
                raise
            attempt.outcome.retries += 1
            return await self._fresh.request(method, url, trace_request_ctx=attempt, **options)


async def _refuse(response: aiohttp.ClientResponse) -> None:
    """Raise RequestFailed for a status that is none of those wanted."""
    detail = (await response.content.read(_DETAIL)).decode(errors="replace")
    if wait := response.headers.get("Retry-After"):
        detail = f"Retry-After: {wait}; {detail}"
    raise RequestFailed(f"http_{response.status}", detail)


@dataclass
class _Attempt:
    """One request on its way out: `begin` is when the generator turned to the network."""

    outcome: Outcome
    begin: float
    reused: bool = False

    def may_repeat(self, error: Exception) -> bool:
        """Tell whether a kept connection turned out to be closed before a byte of the answer came."""
        closed = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError)
        connecting = isinstance(error, aiohttp.ClientConnectorError)
        return self.reused and self.outcome.first_byte is None and isinstance(error, closed) and not connecting


async def _on_new(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    # Only now is it certain that the request leaves. The time that the server took to let us in is not our lag.
    attempt: _Attempt = context.trace_request_ctx
    attempt.outcome.leave(attempt.begin)


async def _on_reused(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    attempt: _Attempt = context.trace_request_ctx
    attempt.reused = True
    attempt.outcome.leave(attempt.begin)


_NO_CONNECTION = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EMFILE: "client_limit",  # ours, not the service's: files and ports that this process may have
    errno.ENFILE: "client_limit",
    errno.EADDRNOTAVAIL: "client_limit",
}


def failure(error: Exception) -> RequestFailed:
    """Name what went wrong below HTTP."""
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (aiohttp.ClientSSLError, "tls"),
        (aiohttp.ClientConnectorDNSError, "dns"),
        (aiohttp.ClientPayloadError, "truncated"),
        (aiohttp.ServerDisconnectedError, "reset"),
        (aiohttp.ClientOSError, "reset"),
        (ConnectionResetError, "reset"),
        (aiohttp.InvalidURL, "bad_url"),
    )
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, (kinds[0][0], kinds[1][0])):
        return RequestFailed(_NO_CONNECTION.get(error.os_error.errno or 0, "refused"), str(error))
    kind = next((word for cls, word in kinds if isinstance(error, cls)), "protocol")
    return RequestFailed(kind, str(error))


def bearer(secret: str | None) -> dict[str, str]:
    """Return the header that presents a secret, if there is one."""
    return {"Authorization": f"Bearer {secret}"} if secret else {}
