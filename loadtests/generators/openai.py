"""`openai`: streaming completions and chat over the OpenAI API, as vLLM, llama.cpp and many others speak it."""

import random
import time
from typing import Any, Literal

import orjson
from pydantic import Field

from loadtests.answer import Answer
from loadtests.generators.base import GeneratorKind
from loadtests.http import HttpClient, bearer
from loadtests.outcome import Outcome
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
        self._headers = {"Content-Type": "application/json", **bearer(target.secret())}
        self._client: HttpClient | None = None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        self._client = HttpClient(self._headers)
        return {"url": self._url}

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self.setup()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._client is not None:
            await self._client.close()

    def payload(self, number: int) -> bytes:
        """Return the body of request `number`. Prompts differ from their first word on: no prefix cache helps."""
        words = random.Random(f"{self._seed}/{number}").choices(_WORDS, k=self._options.prompt_tokens)  # noqa: S311
        words[0] = f"{words[0]}{number}"
        text = " ".join(words)
        content = {"prompt": text} if self._options.api == "completions" else {"messages": [_message(text)]}
        return orjson.dumps({**self._base, **content})

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        async with self._client.stream("POST", self._url, outcome, data=self.payload(number)) as response:
            answer = Answer(outcome)
            async for chunk in response.content.iter_any():
                answer.take(chunk, time.monotonic())
            answer.check()


def _message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


GENERATOR = GeneratorKind(name="openai", targets=("openai",), Options=Options, create=OpenAI)
