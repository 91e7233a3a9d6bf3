"""Texts into vectors by an OpenAI embeddings endpoint: POST /v1/embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from loadtests.dataset import Vectors
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
        return parse(answer, len(texts))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()


def parse(body: bytes, count: int) -> Vectors:
    """Read an answer with `count` vectors. Raises RequestFailed: malformed, or wrong_answer."""
    try:
        data = orjson.loads(body)["data"]
        ordered = sorted(data, key=lambda item: item["index"])
        rows = [item["embedding"] for item in ordered]
        vectors = np.array(rows, dtype=np.float32)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise RequestFailed("malformed", f"no embeddings: {body[:200].decode(errors='replace')}") from error
    if [item["index"] for item in ordered] != list(range(count)) or vectors.ndim != 2 or vectors.shape[1] == 0:
        raise RequestFailed("wrong_answer", f"{len(rows)} embeddings of shape {vectors.shape}, not {count}")
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise RequestFailed("wrong_answer", "an embedding that is not finite, or nothing but zeros")
    return vectors
