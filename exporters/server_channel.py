"""One connection as `exporters.server` uses it: a request's head comes in, an answer goes out; plain, or in TLS.

TLS is done here, over the plain streams, and not by asyncio's transport: that tells of a connection only after the
handshake, so that those who open one and say nothing could neither be counted nor pushed out.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

END = b"\r\n\r\n"
HEAD_BYTES = 8192
_CHUNK = 16384
"""Bytes of a TLS record (RFC 8446, 5.1)."""

_T = TypeVar("_T")


class Channel(Protocol):
    """Both directions of one connection. Raises OSError, IncompleteReadError and LimitOverrunError, as streams do."""

    async def head(self) -> bytes:
        """Return what comes up to the first empty line, which is HEAD_BYTES at most."""
        ...

    async def send(self, answer: bytes) -> None:
        """Send a whole answer."""
        ...


class Plain:
    """As it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def head(self) -> bytes:
        """See `Channel`."""
        return await self._reader.readuntil(END)

    async def send(self, answer: bytes) -> None:
        """See `Channel`."""
        self._writer.write(answer)
        await self._writer.drain()


class Tls:
    """In TLS, as the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
        self._reader, self._writer = reader, writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def head(self) -> bytes:
        """See `Channel`; shakes hands first."""
        await self._through(self._tls.do_handshake)
        found = b""
        while END not in found:
            more = await self._through(lambda: self._tls.read(_CHUNK))
            if not more:
                raise asyncio.IncompleteReadError(found, None)
            found += more
            if len(found) > HEAD_BYTES:
                raise asyncio.LimitOverrunError("the head is too long", len(found))
        return found[: found.index(END) + len(END)]

    async def send(self, answer: bytes) -> None:
        """See `Channel`."""
        await self._through(lambda: self._tls.write(answer))
        with contextlib.suppress(ssl.SSLError):  # it wants the client's farewell, which we do not wait for
            self._tls.unwrap()
        await self._flush()

    async def _through(self, act: Callable[[], _T]) -> _T:
        """Do something of TLS as soon as enough has come for it."""
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._reader.read(_CHUNK)
                if not data:
                    raise asyncio.IncompleteReadError(b"", None) from None
                self._incoming.write(data)
                continue
            except ssl.SSLError:
                await self._flush()  # the client is told why by an alert
                raise
            await self._flush()
            return result

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            self._writer.write(data)
            await self._writer.drain()


def context_of(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return what a server of TLS 1.2 and later needs. Raises OSError, of which ssl.SSLError is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert_file, key_file, password=_no_password)
    return context


def _no_password() -> str:
    raise OSError("the key wants a password, which nobody is there to type")
