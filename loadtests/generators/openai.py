"""`openai`: streaming completions and chat over the OpenAI API, as vLLM, llama.cpp and many others speak it."""

import errno
import random
import time
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import orjson
from pydantic import Field

from loadtests.answer import Answer
from loadtests.generators.base import GeneratorKind
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from runs.recipe import Load, Strict

_WORDS = (
    *("node", "fabric", "rank", "queue", "kernel", "tensor", "buffer", "stripe", "shard", "token", "batch", "cache"),
    *("clock", "phase", "probe", "trace", "vector", "index", "block", "layer", "scale", "slope", "noise", "pulse"),
    *("orbit", "river", "stone", "cloud", "amber", "delta"),
)


class Options(Strict):
    """Keys of an `openai` load."""

    api: Literal["completions", "chat"] = Field("completions", description="which endpoint")
    prompt_tokens: int = Field(32, ge=1, le=1_000_000, description="words of synthetic prompt, about a token each")
    max_tokens: int = Field(32, ge=1, description="most tokens to generate")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest token")
    ignore_eos: bool = Field(False, description="generate max_tokens whatever the model says (vLLM, llama.cpp)")
    model: str | None = Field(None, description="default: the service's")


class OpenAI:
    """Streams answers and stamps each piece of content before looking into it."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        path = "/v1/completions" if options.api == "completions" else "/v1/chat/completions"
        self._url = target.url.rstrip("/") + path
        self._options = options
        self._seed = load.seed
        self._base: dict[str, Any] = {
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"model": options.model or target.model} if options.model or target.model else {}),
            **({"ignore_eos": True} if options.ignore_eos else {}),
        }
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if target.secret_file is not None:
            self._headers["Authorization"] = f"Bearer {target.secret_file.read_text().strip()}"
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        self._session = self._new_session(keep=True)
        self._fresh = self._new_session(keep=False)
        return {"url": self._url}

    def _new_session(self, *, keep: bool) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_on_new)
        trace.on_connection_reuseconn.append(_on_reused)
        return aiohttp.ClientSession(
            # The default limit of 100 would queue requests unseen.
            connector=aiohttp.TCPConnector(limit=0, force_close=not keep),
            timeout=aiohttp.ClientTimeout(total=None),  # the engine's timeout counts
            headers=self._headers,
            trace_configs=[trace],
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()

    def payload(self, number: int) -> bytes:
        """Return the body of request `number`. Prompts differ from their first word on: no prefix cache helps."""
        words = random.Random(f"{self._seed}/{number}").choices(_WORDS, k=self._options.prompt_tokens)  # noqa: S311
        words[0] = f"{words[0]}{number}"
        text = " ".join(words)
        content = {"prompt": text} if self._options.api == "completions" else {"messages": [_message(text)]}
        return orjson.dumps({**self._base, **content})

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        body, attempt = self.payload(number), _Attempt(outcome, time.monotonic())
        try:
            await self._stream(self._session, body, attempt)
        except (aiohttp.ClientError, OSError) as error:
            # A server may close a kept connection just as we use it; a new connection tells whether it is down.
            if not attempt.may_repeat(error):
                raise _failure(error) from error
            outcome.retries += 1
            try:
                await self._stream(self._fresh, body, attempt)
            except (aiohttp.ClientError, OSError) as again:
                raise _failure(again) from again

    async def _stream(self, session: aiohttp.ClientSession | None, body: bytes, attempt: "_Attempt") -> None:
        assert session is not None  # noqa: S101 - set up before the first request
        clock, outcome = time.monotonic, attempt.outcome
        async with session.post(self._url, data=body, trace_request_ctx=attempt, allow_redirects=False) as response:
            outcome.first_byte = clock()
            outcome.status = response.status
            if response.status != 200:
                detail = (await response.content.read(400)).decode(errors="replace")
                raise RequestFailed(f"http_{response.status}", detail)
            answer = Answer(outcome)
            async for chunk in response.content.iter_any():
                answer.take(chunk, clock())
            answer.check()


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


def _message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


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


def _failure(error: Exception) -> RequestFailed:
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


GENERATOR = GeneratorKind(name="openai", targets=("openai",), Options=Options, create=OpenAI)
