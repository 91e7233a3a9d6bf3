"""Texts into vectors by an OpenAI embeddings endpoint: POST /v1/embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from loadtests.dataset import Vectors
from loadtests.generators.embeddings import read
from loadtests.http import HttpClient, bearer
from loadtests.outcome import Outcome, RequestFailed
from loadtests.plan import Target


class Embedder:
    """Asks one server. Made inside a running loop."""

    def __init__(self, target: Target, model: str | None) -> None:
        self._url = f"{target.url.rstrip('/')}/v1/embeddings"
        name = model or target.model
        self._base: dict[str, Any] = {"encoding_format": "float", **({"model": name} if name else {})}
        self._http = HttpClient({"Content-Type": "application/json", **bearer(target.secret())})

    async def embed(self, texts: Sequence[str], outcome: Outcome, headers: Mapping[str, str] | None = None) -> Vectors:
        """Return one vector a text, shape (texts, dimensions). Raises RequestFailed."""
        body = orjson.dumps({**self._base, "input": list(texts)})
        _, _, answer = await self._http.ask("POST", self._url, outcome, data=body, headers=headers)
        vectors: Vectors = read(answer, len(texts), outcome)
        if not np.isfinite(vectors).all():
            raise RequestFailed("not_finite", "a vector holds what is no number")
        if not vectors.any(axis=1).all():
            raise RequestFailed("zero_vector", "a vector holds zeros only: it has no direction")
        return vectors

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()
