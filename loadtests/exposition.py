"""/metrics of the load process, for those who have its token."""

import asyncio
import hmac

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

RUN_HEADER = "X-Dashcam-Run"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def serve(registry: CollectorRegistry, listen: str, token: str, run_id: str) -> web.AppRunner:
    """Serve `registry` at host:port `listen`; returns what `cleanup()` ends. Raises OSError (port taken)."""
    expected = f"Bearer {token}".encode()

    async def metrics(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, expected):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        headers = {RUN_HEADER: run_id, "Content-Type": _CONTENT_TYPE}
        # In a thread: writing some hundred buckets out takes milliseconds that no request should wait.
        return web.Response(body=await asyncio.to_thread(generate_latest, registry), headers=headers)

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner
