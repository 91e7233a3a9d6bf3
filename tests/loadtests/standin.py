"""Stand-ins for servers that cannot be had here: they record each request and answer as the documentation shapes it.

They show what we send and how we read answers, and nothing about the real servers.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from aiohttp import web

Answer = Callable[[str, Any], Any]


class Recorded(list[tuple[str, Any]]):
    """Requests as they came: (`METHOD path?query`, JSON), and the headers of the last."""

    headers: dict[str, str]
    url: str

    def of(self, part: str) -> list[Any]:
        """Return the bodies of the requests whose line holds `part`."""
        return [body for line, body in self if part in line]


@contextlib.asynccontextmanager
async def standin(answer: Answer) -> AsyncIterator[Recorded]:
    """Serve `answer(line, body)` -> JSON, or (status, JSON), on loopback."""
    seen = Recorded()

    async def handle(request: web.Request) -> web.Response:
        text = await request.read()
        line = f"{request.method} {request.path_qs}"
        body = orjson.loads(text) if text and request.content_type == "application/json" else text or None
        seen.append((line, body))
        seen.headers = dict(request.headers)
        found = answer(line, body)
        status, content = found if isinstance(found, tuple) else (200, found)
        return web.Response(status=status, body=orjson.dumps(content), content_type="application/json")

    application = web.Application(client_max_size=64 << 20)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    seen.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield seen
    finally:
        await runner.cleanup()
