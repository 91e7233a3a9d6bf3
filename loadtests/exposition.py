"""/metrics of the load process, for those who have its token; and the place where its further processes join it."""

import asyncio
import hmac
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

RUN_HEADER = "X-Dashcam-Run"
JOIN_PATH = "/shards"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(
    registry: CollectorRegistry,
    listen: str,
    token: str,
    run_id: str,
    *,
    before: Callable[[], Awaitable[None]] | None = None,
    join: Handler | None = None,
    tls: ssl.SSLContext | None = None,
) -> web.AppRunner:
    """Serve `registry` at host:port `listen`; returns what `cleanup()` ends. Raises OSError (port taken).

    `before` is awaited ahead of each scrape; `join` answers those who come to JOIN_PATH. With `tls` it speaks TLS only.
    """
    expected = f"Bearer {token}".encode()

    def guarded(handler: Handler) -> Handler:
        async def guard(request: web.Request) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode(errors="replace")
            if not hmac.compare_digest(given, expected):
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
            return await handler(request)

        return guard

    async def metrics(_request: web.Request) -> web.StreamResponse:
        if before is not None:
            await before()
        headers = {RUN_HEADER: run_id, "Content-Type": _CONTENT_TYPE}
        # In a thread: writing some hundred buckets out takes milliseconds that no request should wait.
        return web.Response(body=await asyncio.to_thread(generate_latest, registry), headers=headers)

    application = web.Application()
    application.router.add_get("/metrics", guarded(metrics))
    if join is not None:
        application.router.add_get(JOIN_PATH, guarded(join))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]") or None, int(port), ssl_context=tls).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner
