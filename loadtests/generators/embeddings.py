"""`embeddings`: vectors of texts over the OpenAI API, each answer checked for what a vector must be."""

import base64
import binascii
import random
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field

from loadtests.generators.base import GeneratorKind
from loadtests.http import HttpClient, bearer
from loadtests.lengths import Tokens, constant
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target
from loadtests.prompts import Words
from runs.recipe import Load, Strict

Vectors = NDArray[np.float32]

_CANARIES = 8
_ALIKE = 0.9999
"""Least cosine of two vectors of one text. Batches of other shapes round otherwise, to about 1e-6 in 32-bit floats and
1e-3 in 16-bit ones (cosine 1 - 1e-6); another text, or another model behind the same name, is far off."""


class Options(Strict):
    """Keys of an `embeddings` load."""

    batch: int = Field(1, ge=1, le=2048, description="texts in a request")
    input_tokens: Tokens = Field(
        constant(32), description="words of each text, about a token each: a number, or a distribution"
    )
    dimensions: int | None = Field(
        None, ge=1, le=100_000, description="length that each vector must have; default: the first one's"
    )
    encoding: Literal["float", "base64"] = Field("float", description="base64 costs the client less")
    repeat: int = Field(
        20,
        ge=0,
        description="every so many requests the first text is one of 8 that come again and must give the same vector; "
        "0: never",
    )
    model: str | None = Field(None, description="default: the service's")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="further keys of each request")


class Embeddings:
    """Sends texts and checks that as many vectors come back, each of the right length, finite and not zero."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._url = target.url.rstrip("/") + "/v1/embeddings"
        self._options, self._seed = options, load.seed
        self._words = Words(load.seed)
        model = options.model or target.model
        self._base = {
            **({"model": model} if model else {}),
            "encoding_format": options.encoding,
            **options.extra_body,
        }
        self._headers = {"Content-Type": "application/json", **bearer(target.secret())}
        self._client: HttpClient | None = None
        self._dimensions = options.dimensions
        self._canaries: dict[int, Vectors] = {}
        self._compared, self._lowest = 0, 1.0

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        self._client = HttpClient(self._headers)
        return {"url": self._url, "batch": self._options.batch}

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self.setup()

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._client is not None:
            await self._client.close()

    def tell(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Verifies`."""
        return {"dimensions": self._dimensions, "compared": self._compared, "lowest": self._lowest}

    async def verify(self, told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Say what the vectors were like. See `loadtests.generators.base.Verifies`.

        Raises RequestFailed where processes got vectors of different lengths.
        """
        lengths = sorted({each["dimensions"] for each in told} - {None})
        if len(lengths) > 1:
            raise RequestFailed("wrong_dimension", f"vectors of different lengths: {', '.join(map(str, lengths))}")
        found: dict[str, Any] = {"dimensions": lengths[0] if lengths else None}
        if self._options.repeat:
            lowest = min(each["lowest"] for each in told)
            found |= {"repeats_compared": sum(each["compared"] for each in told), "lowest_cosine": round(lowest, 7)}
        return found

    def texts(self, number: int) -> list[str]:
        """Return the texts of request `number`. They differ from their first word on: no prefix cache helps."""
        numbers = random.Random(f"{self._seed}/{number}")  # noqa: S311
        texts = []
        for place in range(self._options.batch):
            length, start = self._options.input_tokens.draw(numbers), numbers.getrandbits(16)
            head, rest = self._words.cut(start, 1), self._words.cut(start + 1, length - 1)
            texts.append(f"{head}{number}x{place} {rest}".rstrip())
        if (canary := self.canary(number)) is not None:
            texts[0] = f"canary{canary} {self._words.cut(canary, 16)}"
        return texts

    def canary(self, number: int) -> int | None:
        """Tell which of the texts that come again request `number` holds as its first; None: none of them."""
        every = self._options.repeat
        return (number // every) % _CANARIES if every and number % every == 0 else None

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._client is not None  # noqa: S101 - set up before the first request
        texts = self.texts(number)
        body = orjson.dumps({**self._base, "input": texts})
        _, _, answer = await self._client.ask("POST", self._url, outcome, data=body)
        vectors = read(answer, len(texts), outcome)
        self._check(vectors)
        if (canary := self.canary(number)) is not None:
            self._compare(canary, vectors[0])

    def _check(self, vectors: Vectors) -> None:
        dimensions = vectors.shape[1]
        if self._dimensions is None:
            self._dimensions = dimensions
        if dimensions != self._dimensions:
            raise RequestFailed("wrong_dimension", f"vectors of length {dimensions}, where {self._dimensions} is right")
        if not np.isfinite(vectors).all():
            raise RequestFailed("not_finite", "a vector holds NaN or infinity")
        if not vectors.any(axis=1).all():
            raise RequestFailed("zero_vector", "a vector holds zeros only: it has no direction")

    def _compare(self, canary: int, vector: Vectors) -> None:
        first = self._canaries.setdefault(canary, vector)
        if first is vector:
            return
        wide, other = first.astype(np.float64), vector.astype(np.float64)
        cosine = float(wide @ other / (np.linalg.norm(wide) * np.linalg.norm(other)))
        self._compared += 1
        self._lowest = min(self._lowest, cosine)
        if cosine <= _ALIKE:
            raise RequestFailed("not_repeatable", f"one text gave two vectors, their cosine {cosine:.6f}")


def read(body: bytes, count: int, outcome: Outcome) -> Vectors:
    """Read an answer of /v1/embeddings into shape (count, dimensions), in the order of the inputs.

    Fills `tokens_in`, as the server reports it. Raises RequestFailed.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(body) from error
    if isinstance(answer, dict) and answer.get("error"):
        raise RequestFailed("server_error", str(answer["error"])[:200])
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _malformed(body)
    if isinstance(usage := answer.get("usage"), dict):
        tokens = usage.get("prompt_tokens")
        outcome.tokens_in = tokens if type(tokens) is int and 0 <= tokens < 2**31 else None
    if len(rows) != count:
        raise RequestFailed("wrong_count", f"{len(rows)} vectors for {count} texts")
    if [row.get("index") for row in rows] != list(range(count)):
        raise RequestFailed("wrong_order", "the vectors are not numbered 0, 1, 2, ... in the order of the texts")
    vectors = [_vector(row.get("embedding"), body) for row in rows]
    if len({len(vector) for vector in vectors}) > 1:
        raise RequestFailed("wrong_dimension", "the vectors of one answer differ in length")
    return np.stack(vectors)


def _vector(value: Any, body: bytes) -> Vectors:
    """Read one vector, a list of numbers or base64 of little-endian float32."""
    try:
        if isinstance(value, str):
            vector = np.frombuffer(base64.b64decode(value, validate=True), "<f4")
        elif isinstance(value, list):
            vector = np.frombuffer(array("f", value), np.float32)  # takes numbers only, no words that look like some
        else:
            raise _malformed(body)
    except (binascii.Error, ValueError, TypeError, OverflowError) as error:
        raise _malformed(body) from error
    if vector.ndim != 1 or not len(vector):
        raise _malformed(body)
    return vector


def _malformed(body: bytes) -> RequestFailed:
    return RequestFailed("malformed", body[:200].decode(errors="replace"))


GENERATOR = GeneratorKind(name="embeddings", targets=("openai",), Options=Options, create=Embeddings)
