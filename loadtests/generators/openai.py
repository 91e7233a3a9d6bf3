"""`openai`: completions and chat over the OpenAI API, as vLLM, llama.cpp and many others speak it."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import orjson
from pydantic import Field, model_validator

from loadtests import prompts
from loadtests.answer import Answer
from loadtests.generators.base import GeneratorKind
from loadtests.http import HttpClient, bearer
from loadtests.lengths import Tokens, constant
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from loadtests.prompts import Api, Prompts
from runs.paths import UserPath
from runs.recipe import Load, Strict

_OURS = ("model", "prompt", "messages", "max_tokens", "temperature", "stream", "stream_options", "ignore_eos")
_COUNTED = ("answers", "counted", "prompt_words", "prompt_tokens")
"""What is counted of good answers: all, those that told their tokens, and the prompts of those that told theirs."""
_MOST_MODELS = 10
"""Names of models that are kept: a server may make up one for each answer."""


class Options(Strict):
    """Keys of an `openai` load."""

    api: Api = Field("completions", description="which endpoint")
    stream: bool = Field(True, description="false: the answer comes in one piece, without a first token to be seen")
    prompt_tokens: Tokens = Field(
        constant(32), description="words of synthetic prompt, about a token each: a number, or a distribution"
    )
    max_tokens: Tokens = Field(constant(32), description="most tokens to generate: a number, or a distribution")
    shared_prefix_tokens: int = Field(
        0, ge=0, le=1_000_000, description="words before each synthetic prompt that requests of a group share"
    )
    prefix_groups: int = Field(1, ge=1, le=1000, description="how many different shared prefixes there are")
    prompts: UserPath | None = Field(
        None,
        description="JSONL file in place of synthetic prompts: prompt or messages, and max_tokens, in each line",
    )
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest token")
    ignore_eos: bool = Field(
        False, description="generate max_tokens whatever the model says (vLLM, llama.cpp); fewer are then a failure"
    )
    model: str | None = Field(None, description="default: the service's")
    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description="further keys of each request, as the server knows them: {cache_prompt: false}",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        # A resolved recipe holds every key: what stands at its default was not asked for.
        synthetic = ("prompt_tokens", "shared_prefix_tokens", "prefix_groups")
        changed = [key for key in synthetic if getattr(self, key) != type(self).model_fields[key].default]
        if self.prompts is not None and changed:
            raise ValueError(f"the prompts come from a file: leave {', '.join(changed)} out")
        if self.prefix_groups > 1 and not self.shared_prefix_tokens:
            raise ValueError("prefix_groups needs shared_prefix_tokens: how long the shared prefixes are")
        if ours := sorted(self.extra_body.keys() & set(_OURS)):
            raise ValueError(f"extra_body cannot hold {', '.join(ours)}: a key of the recipe's own, or ours to set")
        return self


class OpenAI:
    """Streams answers and stamps each piece of content before looking into it."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        path = "/v1/completions" if options.api == "completions" else "/v1/chat/completions"
        self._url = target.url.rstrip("/") + path
        self._options = options
        self._seed = load.seed
        self._base: dict[str, Any] = {
            "temperature": options.temperature,
            "stream": options.stream,
            **({"stream_options": {"include_usage": True}} if options.stream else {}),
            **({"model": options.model or target.model} if options.model or target.model else {}),
            **({"ignore_eos": True} if options.ignore_eos else {}),
            **options.extra_body,
        }
        self._headers = {"Content-Type": "application/json", **bearer(target.secret())}
        self._prompts: Prompts | None = None
        self._client: HttpClient | None = None
        self._told = dict.fromkeys(_COUNTED, 0)
        self._models: Counter[str] = Counter()

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        source = self._source()
        self._client = HttpClient(self._headers)
        return {"url": self._url, **source.notes}

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self.setup()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._client is not None:
            await self._client.close()

    def tell(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Verifies`."""
        return {**self._told, "models": self._models}

    async def verify(self, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Say how many answers told their tokens, how many came of which model, and how long the prompts were.

        See `loadtests.generators.base.Verifies`.
        """
        answers, counted, words, tokens = (sum(each[name] for each in told) for name in _COUNTED)
        models = sum((Counter(each["models"]) for each in told), Counter())
        usage = f"the server reported usage in {counted} of {answers} good answers"
        unknown = "; the tokens of the others are unknown" if counted < answers else ""
        found = {"usage": usage + unknown, "models": dict(models), "prompt_words": words, "prompt_tokens": tokens}
        asked = self._base.get("model")
        return {**found, **({"model_asked": asked} if asked else {})}

    def _source(self) -> Prompts:
        if self._prompts is None:
            options = self._options
            if options.prompts is not None:
                self._prompts = prompts.read(options.prompts, options.api, self._seed)
            else:
                prefix, groups = options.shared_prefix_tokens, options.prefix_groups
                self._prompts = prompts.synthetic(
                    options.api, self._seed, options.prompt_tokens, prefix=prefix, groups=groups
                )
        return self._prompts

    def payload(self, number: int) -> tuple[bytes, int, int]:
        """Return the body of request `number`, how many tokens it may generate, and the words of its prompt."""
        prompt = self._source().of(number)
        most = prompt.max_tokens
        if most is None:
            # A source of its own: the prompts of two runs are the same, whatever is drawn for the answers.
            most = self._options.max_tokens.draw(random.Random(f"{self._seed}/{number}/max_tokens"))  # noqa: S311
        return orjson.dumps({**self._base, "max_tokens": most, **prompt.content}), most, prompt.words

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        body, most, words = self.payload(number)
        answer = Answer(outcome)
        if self._options.stream:
            async with self._client.stream("POST", self._url, outcome, data=body) as response:
                async for chunk in response.content.iter_any():
                    answer.take(chunk, time.monotonic())
            answer.check()
        else:
            _, _, data = await self._client.ask("POST", self._url, outcome, data=body)
            answer.whole(data)
        _check_length(outcome.tokens_out, most, exact=self._options.ignore_eos)
        self._told["answers"] += 1
        self._told["counted"] += outcome.tokens_out is not None
        if outcome.tokens_in is not None:
            self._told["prompt_words"] += words
            self._told["prompt_tokens"] += outcome.tokens_in
        if answer.model is not None:
            name = answer.model[:200]
            if name in self._models or len(self._models) < _MOST_MODELS:
                self._models[name] += 1


def _check_length(tokens: int | None, most: int, *, exact: bool) -> None:
    """Refuse an answer that is longer than asked for, or shorter where the server was told to ignore the end."""
    if tokens is not None and (tokens > most or (exact and tokens < most)):
        raise RequestFailed(
            "wrong_length", f"{tokens} tokens, where {'' if exact else 'at most '}{most} were asked for"
        )


GENERATOR = GeneratorKind(name="openai", targets=("openai",), Options=Options, create=OpenAI)
