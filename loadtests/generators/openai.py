"""`openai`: streaming completions and chat over the OpenAI API, as vLLM, llama.cpp and many others speak it."""

import random
import time
from typing import Any, Literal

import aiohttp
import orjson
from pydantic import BaseModel, Field

from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from loadtests.sse import SseParser
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
    temperature: float = Field(0.0, ge=0)
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
        self._headers = {"Content-Type": "application/json"}
        if target.secret_file is not None:
            self._headers["Authorization"] = f"Bearer {target.secret_file.read_text().strip()}"
        self._session: aiohttp.ClientSession | None = None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_mark_reused)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the default of 100 would queue requests unseen
            timeout=aiohttp.ClientTimeout(total=None),  # the engine's timeout counts
            headers=self._headers,
            trace_configs=[trace],
            auto_decompress=False,
            trust_env=False,
        )
        return {"url": self._url}

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._session is not None:
            await self._session.close()

    def payload(self, number: int) -> bytes:
        """Return the body of request `number`. Prompts differ from their first word on: no prefix cache helps."""
        words = random.Random(f"{self._seed}/{number}").choices(_WORDS, k=self._options.prompt_tokens)  # noqa: S311
        words[0] = f"{words[0]}{number}"
        text = " ".join(words)
        content = {"prompt": text} if self._options.api == "completions" else {"messages": [_message(text)]}
        return orjson.dumps({**self._base, **content})

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        body = self.payload(number)
        outcome.sent = time.monotonic()
        reused: dict[str, bool] = {}
        try:
            await self._stream(body, outcome, reused)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError) as error:
            # A server may close a kept connection just as we use it; a new connection tells whether it is down.
            if outcome.first_byte is not None or not reused or isinstance(error, aiohttp.ClientConnectorError):
                raise _failure(error) from error
            outcome.retries += 1
            try:
                await self._stream(body, outcome, {})
            except (aiohttp.ClientError, OSError) as again:
                raise _failure(again) from again
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error

    async def _stream(self, body: bytes, outcome: Outcome, reused: dict[str, bool]) -> None:
        assert self._session is not None  # noqa: S101 - set up before the first request
        clock = time.monotonic
        async with self._session.post(self._url, data=body, trace_request_ctx=reused) as response:
            outcome.first_byte = clock()
            outcome.status = response.status
            if response.status != 200:
                detail = (await response.content.read(400)).decode(errors="replace")
                raise RequestFailed(f"http_{response.status}", detail)
            answer = _Answer(outcome)
            async for chunk in response.content.iter_any():
                answer.take(chunk, clock())
            answer.check()


class _Answer:
    """Reads one stream."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._parser = SseParser()
        self._last: float | None = None
        self._ended = False

    def take(self, chunk: bytes, now: float) -> None:
        """Take bytes that came at `now`."""
        self._outcome.received += len(chunk)
        for data in self._parser.feed(chunk):
            if data == b"[DONE]":
                self._ended = True
            else:
                self._event(data, now)

    def _event(self, data: bytes, now: float) -> None:
        try:
            event = orjson.loads(data)
            choices = event.get("choices") or []
        except (orjson.JSONDecodeError, AttributeError) as error:
            raise RequestFailed("malformed", data[:200].decode(errors="replace")) from error
        if event.get("error"):
            raise RequestFailed("server_error", str(event["error"])[:200])
        if usage := event.get("usage"):
            self._outcome.tokens_in = usage.get("prompt_tokens")
            self._outcome.tokens_out = usage.get("completion_tokens")
        for choice in choices:
            text = choice.get("text") or (choice.get("delta") or {}).get("content")
            if text:
                if self._last is None:
                    self._outcome.first_token = now
                else:
                    self._outcome.gaps.append(now - self._last)
                self._last = now
            if choice.get("finish_reason"):
                self._ended = True

    def check(self) -> None:
        """Refuse an answer that broke off or holds nothing. Raises RequestFailed."""
        if not self._ended:
            raise RequestFailed("truncated", "the stream ended without [DONE] or a finish_reason")
        # Tokens without text are an answer too: an immediate end, or bytes that make no character.
        if self._outcome.first_token is None and not self._outcome.tokens_out:
            raise RequestFailed("empty", "the answer holds no content")


def _message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def _mark_reused(_session: aiohttp.ClientSession, context: Any, _params: Any) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx["reused"] = True


def _failure(error: Exception) -> RequestFailed:
    """Name what went wrong below HTTP."""
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (aiohttp.ClientSSLError, "tls"),
        (aiohttp.ClientConnectorDNSError, "dns"),
        (aiohttp.ClientConnectorError, "refused"),
        (aiohttp.ClientPayloadError, "truncated"),
        (aiohttp.ServerDisconnectedError, "reset"),
        (aiohttp.ClientOSError, "reset"),
        (ConnectionResetError, "reset"),
        (aiohttp.InvalidURL, "bad_url"),
    )
    kind = next((word for cls, word in kinds if isinstance(error, cls)), "protocol")
    return RequestFailed(kind, str(error))


class Kind:
    """See the module."""

    name = "openai"
    targets = ("openai",)
    Options: type[BaseModel] = Options

    def create(self, target: Target, options: BaseModel, load: Load) -> OpenAI:
        """See `loadtests.generators.base.GeneratorKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        return OpenAI(target, options, load)


GENERATOR = Kind()
