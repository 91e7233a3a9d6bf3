"""`rag`: a question is embedded, the nearest texts are found, and a language model answers with them before it.

Times of the request are those of the whole chain: its first token is the answer's first, and `stages` has the seconds
of each part. A failed request's last stage is the one that failed.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Self

import numpy as np
import orjson
from pydantic import Field, model_validator

from loadtests import vectors
from loadtests.answer import Answer
from loadtests.dataset import Dataset, Vectors
from loadtests.generators.base import GeneratorKind, Role
from loadtests.http import HttpClient, bearer
from loadtests.oracle import Oracle
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.rag import corpus
from loadtests.rag.corpus import Corpus, CorpusOptions
from loadtests.rag.embedder import Embedder
from loadtests.tracing import Trace, Tracing
from loadtests.vectors.base import Backend, IndexOptions, Search
from runs.recipe import Load

_ALIKE = 0.999
"""Least cosine similarity of a question's embedding to that which the same server gave for it before the load."""
_AT_ONCE = 4


class Options(IndexOptions):
    """Keys of a `rag` load; those of the collection and its index are as in a `vector` load."""

    corpus: CorpusOptions = Field(
        default_factory=lambda: CorpusOptions.model_validate({}), description="texts, and questions about them"
    )
    k: int = Field(4, ge=1, le=100, description="texts put before the question")
    collection: str = Field("dashcam_texts", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="made anew")
    prompt: str = Field(
        "Answer from these texts only.\n\n{texts}\n\nQuestion: {question}\nAnswer:",
        description="what the model gets; {texts} and {question} are filled in",
    )
    api: Literal["completions", "chat"] = Field("completions", description="endpoint of the language model")
    max_tokens: int = Field(32, ge=1, description="most tokens to generate")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest token")
    ignore_eos: bool = Field(False, description="generate max_tokens whatever the model says (vLLM, llama.cpp)")
    model: str | None = Field(None, description="of the language model; default: the service's")
    embedding_model: str | None = Field(None, description="of the embeddings; default: the service's")
    batch: int = Field(16, ge=1, le=2048, description="texts embedded by one request before the load")
    trace_ratio: float = Field(1.0, ge=0, le=1, description="share of the requests whose spans are recorded")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.index == "hnsw" and self.ef_search < self.k:
            raise ValueError(f"ef_search {self.ef_search} cannot find k = {self.k} texts: make it at least k")
        if "{texts}" not in self.prompt or "{question}" not in self.prompt:
            raise ValueError("prompt needs {texts} and {question}")
        return self


class Rag:
    """Three services in a chain, `llm` in place of `embeddings` where none is named."""

    def __init__(self, targets: Mapping[str, Target], options: Options, load: Load) -> None:
        self._llm, self._vectors = targets["llm"], targets["vectors"]
        self._embeddings = targets.get("embeddings", self._llm)
        self._options, self._load = options, load
        self._how = Search(options.k, options.ef_search, options.probes)
        path = "/v1/completions" if options.api == "completions" else "/v1/chat/completions"
        self._url = self._llm.url.rstrip("/") + path
        model = options.model or self._llm.model
        self._base: dict[str, Any] = {
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"model": model} if model else {}),
            **({"ignore_eos": True} if options.ignore_eos else {}),
        }
        self._corpus = Corpus([], [])
        self._order: list[int] = []
        self._oracle: Oracle | None = None
        self._expected: Vectors | None = None
        self._embedder: Embedder | None = None
        self._backend: Backend | None = None
        self._http: HttpClient | None = None
        self._tracing = Tracing(options.trace_ratio)

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        data, backend, notes = await self._prepare()
        notes |= await backend.fill(data)
        await backend.attach(data)
        return notes

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`. Texts are embedded again: the truth is of this process's own."""
        data, backend, _ = await self._prepare()
        await backend.attach(data)

    async def _prepare(self) -> tuple[Dataset, Backend, dict[str, Any]]:
        """Embed all texts and questions, and know which are nearest."""
        options = self._options
        self._corpus = await asyncio.to_thread(corpus.make, options.corpus)
        self._http = HttpClient({"Content-Type": "application/json", **bearer(self._llm.secret())})
        self._embedder = Embedder(self._embeddings, options.embedding_model)
        begin = time.monotonic()
        data = Dataset(await self._embed(self._corpus.documents), await self._embed(self._corpus.questions))
        took = time.monotonic() - begin
        metric = options.metric or "cosine"
        self._oracle = await asyncio.to_thread(Oracle, data, options.k, metric)
        self._expected = _unit(data.queries)
        self._order = np.random.default_rng(self._load.seed).permutation(len(self._corpus.questions)).tolist()
        made = options.model_copy(update={"metric": metric})
        create = vectors.registry()[self._vectors.protocol].create
        self._backend = create(self._vectors, made, [self._how], self._load.timeout)
        notes: dict[str, Any] = {
            "documents": len(data.base),
            "questions": len(data.queries),
            "distinct": len(data.queries),
            "dimensions": data.base.shape[1],
            "metric": metric,
            "embed_seconds": round(took, 3),
            "traces": self._tracing.on,
        }
        return data, self._backend, notes

    async def _embed(self, texts: list[str]) -> Vectors:
        """Embed many texts, a batch a request. Raises SetupError."""
        assert self._embedder is not None  # noqa: S101 - made by the caller
        embedder, size, turns = self._embedder, self._options.batch, asyncio.Semaphore(_AT_ONCE)

        async def one(start: int) -> Vectors:
            async with turns:
                return await embedder.embed(texts[start : start + size], Outcome())

        try:
            parts = await asyncio.gather(*(one(start) for start in range(0, len(texts), size)))
        except RequestFailed as failure:
            raise SetupError(f"embeddings at {self._embeddings.url}: {failure}") from failure
        if len({part.shape[1] for part in parts}) > 1:
            raise SetupError(f"embeddings at {self._embeddings.url} differ in their dimensions")
        return np.concatenate(parts)

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        index = self._order[number % len(self._order)]
        question = self._corpus.questions[index]
        with self._tracing.trace("rag", number) as trace:
            with _stage("embed", outcome, trace) as (part, headers):
                vector = await self._question(index, question, part, headers)
            with _stage("search", outcome, trace) as (part, _):
                rows = await self._nearest(index, vector, part, outcome)
            with _stage("generate", outcome, trace) as (part, headers):
                await self._generate(question, rows, part, headers, outcome)

    async def _question(self, index: int, question: str, part: Outcome, headers: dict[str, str]) -> Vectors:
        assert self._embedder is not None  # noqa: S101 - set up before the first request
        assert self._expected is not None  # noqa: S101
        vector: Vectors = (await self._embedder.embed([question], part, headers))[0]
        expected = self._expected[index]
        if vector.shape != expected.shape:
            raise RequestFailed("wrong_answer", f"an embedding of {len(vector)} dimensions, not {len(expected)}")
        if (alike := float(_unit(vector[None])[0] @ expected)) < _ALIKE:
            raise RequestFailed(
                "wrong_answer", f"an embedding that is {alike:.3f} like that of the same question before"
            )
        return vector

    async def _nearest(self, index: int, vector: Vectors, part: Outcome, outcome: Outcome) -> list[int]:
        assert self._backend is not None  # noqa: S101 - set up before the first request
        assert self._oracle is not None  # noqa: S101
        rows = await self._backend.search(self._backend.encode(vector), self._how, part)
        if not all(type(row) is int and 0 <= row < len(self._corpus.documents) for row in rows):
            raise RequestFailed("wrong_answer", f"ids that nobody put there: {rows[:10]}")
        if len(set(rows)) != self._oracle.k:
            raise RequestFailed("wrong_answer", f"{len(set(rows))} texts where {self._oracle.k} were asked for")
        outcome.recall = self._oracle.recall(index, rows)
        return rows

    async def _generate(
        self, question: str, rows: list[int], part: Outcome, headers: dict[str, str], outcome: Outcome
    ) -> None:
        assert self._http is not None  # noqa: S101 - set up before the first request
        texts = "\n\n".join(self._corpus.documents[row] for row in rows)
        text = self._options.prompt.replace("{texts}", texts).replace("{question}", question)
        chat = self._options.api == "chat"
        content: dict[str, Any] = {"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text}
        body = orjson.dumps({**self._base, **content})
        async with self._http.stream("POST", self._url, part, data=body, headers=headers) as response:
            outcome.first_byte = part.first_byte
            answer = Answer(outcome)
            async for chunk in response.content.iter_any():
                answer.take(chunk, time.monotonic())
            answer.check()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        for part in (self._http, self._embedder, self._backend, self._tracing):
            if part is not None:
                await part.close()


@contextmanager
def _stage(name: str, outcome: Outcome, trace: Trace) -> Iterator[tuple[Outcome, dict[str, str]]]:
    """Time a stage, in the outcome and in the trace; gives an outcome of its own and headers to send along."""
    begin, part = time.monotonic(), Outcome(on_sent=outcome.leave)
    try:
        with trace.span(name) as headers:
            yield part, headers
    except RequestFailed as failure:
        raise RequestFailed(failure.kind, f"{name}: {failure.detail}") from failure
    finally:
        outcome.stages[name] = time.monotonic() - begin
        outcome.retries += part.retries
        outcome.status = part.status or outcome.status


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


_EMBEDDINGS = ("openai",)
GENERATOR = GeneratorKind(
    name="rag",
    targets=(),
    Options=Options,
    create=Rag,
    roles={
        "llm": Role(("openai",)),
        "vectors": Role(tuple(sorted(vectors.registry()))),
        "embeddings": Role(_EMBEDDINGS, optional=True),
    },
)
