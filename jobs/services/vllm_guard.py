"""Asks every request to a vLLM server for its key, as ASGI middleware (`vllm serve --middleware`).

vLLM's own check covers /v1 and a few more prefixes: /invocations takes completions from anybody
(https://docs.vllm.ai/en/latest/usage/security.html#api-key-authentication-limitations), and /metrics, /tokenize and
/docs are open. This file is copied beside the server and imported there alone, by vLLM's Python: standard library only.
What passes is handed on as it is, so that a streamed answer costs nothing more.
"""

import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]


class Guard:
    """Answers 401 to what does not bring the key of $VLLM_API_KEY. Raises KeyError where there is none to ask for."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._expected = f"Bearer {os.environ['VLLM_API_KEY']}".encode()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """See https://asgi.readthedocs.io/en/latest/specs/www.html."""
        if scope["type"] in {"http", "websocket"} and not self._knows(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"the key of this run is needed\n"})
            return
        await self._app(scope, receive, send)

    def _knows(self, scope: Any) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return secrets.compare_digest(given, self._expected)
