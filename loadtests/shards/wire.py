"""What parent and shards say to each other: JSON objects with a `kind`, over a websocket."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
from aiohttp import web

LARGEST = 64 << 20
"""Bytes of a message: a result holds the histograms of all phases."""
HEARTBEAT = 30.0
"""Seconds between two questions whether the other end is there: of a node that fell silent no kernel tells us."""

Message = dict[str, Any]


class Link:
    """One end of a connection."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse | web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message. Raises ConnectionError where the other end is gone."""
        try:
            await self._socket.send_str(orjson.dumps({"kind": kind, **fields}).decode())
        except (aiohttp.ClientError, RuntimeError) as error:
            raise ConnectionError(f"the connection of a load process is closed: {error}") from error

    async def receive(self) -> Message | None:
        """Return the next message, or None when the other end is gone."""
        message = await self._socket.receive()
        return orjson.loads(message.data) if message.type == aiohttp.WSMsgType.TEXT else None

    async def messages(self) -> AsyncIterator[Message]:
        """Yield messages until the other end is gone."""
        while (message := await self.receive()) is not None:
            yield message

    async def close(self) -> None:
        """Close the connection."""
        await self._socket.close()
