"""REST of vector databases: calls of the set-up, whose failures end the load, and searches, whose failures count."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from loadtests.dataset import Dataset, Vectors
from loadtests.http import HttpClient
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target

BINARY = {"Content-Type": "application/octet-stream"}
_WITHIN = 120.0
"""Seconds that one call of the set-up may take."""
_BATCH = 4 << 20
"""Bytes of vectors as text that go into one call: servers refuse bodies of more than 16 to 64 MB."""
_TEXT = 12
"""Bytes that a float32 takes as text, about."""


class Rest:
    """One server, by its name for people."""

    def __init__(self, name: str, target: Target, headers: Mapping[str, str]) -> None:
        self._name, self._url = name, target.url.rstrip("/")
        self._headers = {"Content-Type": "application/json", **headers}
        self._client: HttpClient | None = None

    async def call(
        self, method: str, path: str, body: Any = None, *, accept: tuple[int, ...] = (200,)
    ) -> tuple[int, Any]:
        """Return status and JSON (None of an error) of a call; `body` is sent as JSON, bytes as they are.

        Raises SetupError.
        """
        raw = isinstance(body, bytes)
        data = body if raw or body is None else to_json(body)
        headers = BINARY if raw else None
        try:
            async with asyncio.timeout(_WITHIN):
                status, _, answer = await self._http().ask(
                    method, self._url + path, Outcome(), data=data, headers=headers, accept=accept
                )
            return status, orjson.loads(answer) if status < 300 and answer.strip() else None
        except (RequestFailed, TimeoutError, orjson.JSONDecodeError) as error:
            why = f"no answer within {_WITHIN:.0f} s" if isinstance(error, TimeoutError) else error
            raise SetupError(f"{self._name} at {self._url}: {method} {path}: {why}") from error

    async def search(self, path: str, body: bytes, outcome: Outcome, headers: Mapping[str, str] | None = None) -> Any:
        """Return the JSON that answers a search; `outcome.done` is when it was there. Raises RequestFailed."""
        _, _, answer = await self._http().ask("POST", self._url + path, outcome, data=body, headers=headers)
        outcome.done = time.monotonic()
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise malformed(answer) from error

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.close()

    def _http(self) -> HttpClient:
        if self._client is None:
            self._client = HttpClient(self._headers)
        return self._client


def to_json(value: Any) -> bytes:
    """Return JSON; arrays of NumPy are written with the fewest digits that give the same float32."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def encode(vector: Vectors) -> bytes:
    """Return a vector as a JSON array."""
    return to_json(vector)


def batches(data: Dataset, most: int = 10_000) -> Iterator[range]:
    """Yield the ids that go into one call each: at most `most`."""
    rows = max(1, min(most, _BATCH // (_TEXT * data.base.shape[1])))
    return (range(start, min(start + rows, len(data.base))) for start in range(0, len(data.base), rows))


def malformed(answer: Any) -> RequestFailed:
    """Name an answer that does not look as documented."""
    text = answer if isinstance(answer, bytes) else to_json(answer)
    return RequestFailed("malformed", text[:200].decode(errors="replace"))
