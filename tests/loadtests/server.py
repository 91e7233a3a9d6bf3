"""A server of known delays and known faults: `python server.py` prints its port. One process, as a real one."""

import asyncio
import json

from aiohttp import web

CHUNKS, FIRST, GAP = 5, 0.050, 0.010


def event(text, **more):
    """Return one event of a completions stream."""
    return b"data: " + json.dumps({"choices": [{"text": text, **more}]}).encode() + b"\n\n"


async def stream(request, response):
    """Send a whole answer: the first piece after FIRST, the others GAP apart."""
    await response.prepare(request)
    await asyncio.sleep(FIRST)
    for index in range(CHUNKS):
        if index:
            await asyncio.sleep(GAP)
        await response.write(event(f"t{index}"))


async def completions(request):
    """Answer by the model's name: each is a fault, `good` is none."""
    model = (await request.json())["model"]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    if model == "http_500":
        return web.Response(status=500, text="broken")
    if model == "slow":
        await asyncio.sleep(30)
    if model == "stall":
        # Everybody waits while the server stands still for a second, once, as with a garbage collection.
        now = asyncio.get_running_loop().time()
        begin = request.app["begin"].setdefault("at", now)
        if begin + 1.0 <= now < begin + 2.0:
            await asyncio.sleep(begin + 2.0 - now)
        await response.prepare(request)
        await response.write(event("x", finish_reason="stop") + b"data: [DONE]\n\n")
        return response
    await stream(request, response)
    if model == "truncated":
        return response
    if model == "malformed":
        await response.write(b"data: {nonsense\n\n")
    elif model == "server_error":
        await response.write(b'data: {"error": {"message": "out of memory"}}\n\n')
    elif model == "reset":
        request.transport.abort()
        return response
    else:
        usage = {"prompt_tokens": 7, "completion_tokens": CHUNKS}
        await response.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    if model == "closer":  # closes the kept connection without saying so beforehand
        request.transport.close()
    return response


async def main():
    """Serve on a free port of loopback until killed."""
    app = web.Application()
    app["begin"] = {}
    app.router.add_post("/v1/completions", completions)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
