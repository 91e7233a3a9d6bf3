"""Faiss: in this process (`in-process:` as URL), or in the small server of the service kind `faiss`."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from loadtests.dataset import Dataset, Vectors
from loadtests.faiss_index import FaissIndex
from loadtests.http import bearer
from loadtests.outcome import Outcome, SetupError
from loadtests.plan import Target
from loadtests.vectors import rest
from loadtests.vectors.base import MADE_BY, Backend, BackendKind, IndexOptions, Search
from loadtests.vectors.rest import Rest

IN_PROCESS = "in-process:"
_ROWS_MB = 8


class InProcess:
    """An index in the load's own process: the load's CPU and the service's are one. Each shard has its own."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:  # noqa: ARG002 - as all backends
        self._options = options
        self._index: FaissIndex | None = None

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        begin = time.monotonic()
        try:
            self._index = await asyncio.to_thread(self._built, data)
        except ImportError as error:
            raise SetupError("faiss is missing: pip install 'dashcam[faiss]'") from error
        except RuntimeError as error:
            raise SetupError(f"Faiss: {error}") from error
        return {"copy_seconds": 0.0, "index_seconds": round(time.monotonic() - begin, 3)}

    def _built(self, data: Dataset) -> FaissIndex:
        index = FaissIndex(data.base.shape[1], self._options)
        index.add(data.base, data.attributes)
        index.build()
        return index

    async def attach(self, data: Dataset) -> None:
        """See `loadtests.vectors.base.Backend`."""
        if self._index is None:
            await self.fill(data)

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return vector.astype("<f4").tobytes()

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`."""
        assert self._index is not None  # noqa: S101 - attached before the first request
        outcome.leave()
        vector = np.frombuffer(query, dtype="<f4")
        ids, _ = await asyncio.to_thread(self._index.search, vector, how)
        outcome.done = time.monotonic()
        return ids

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        self._index = None


class Server:
    """One collection of `jobs.services.faiss_server`, whose docstring is the protocol."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:  # noqa: ARG002 - the engine's timeout counts
        self._options = options
        self._rest = Rest("Faiss", target, bearer(target.secret()))
        self._path = f"/collections/{options.collection}"
        self._paths = {how: self._path + _query(how) for how in searches}

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        begin = time.monotonic()
        status, there = await self._rest.call("GET", self._path, accept=(200, 404))
        if status == 200:
            if there["made_by"] != MADE_BY:
                raise SetupError(f"Faiss: collection {self._path} is not of our making: give another `collection`")
            await self._rest.call("DELETE", self._path)
        options = self._options.model_dump(include={"metric", "index", "m", "ef_construction", "lists"})
        await self._rest.call("PUT", self._path, {"dim": data.base.shape[1], "made_by": MADE_BY, **options})
        step = max(1, (_ROWS_MB << 20) // data.base[0].nbytes)
        for start in range(0, len(data.base), step):
            body = data.base[start : start + step].astype("<f4").tobytes()
            if data.attributes is not None:
                body += data.attributes[start : start + step].astype("<i8").tobytes()
            attributes = int(data.attributes is not None)
            await self._rest.call("POST", f"{self._path}/vectors?attributes={attributes}", body)
        copied = time.monotonic()
        _, built = await self._rest.call("POST", f"{self._path}/build")
        if built["vectors"] != len(data.base):
            raise SetupError(f"Faiss has {built['vectors']} of {len(data.base)} vectors")
        done = time.monotonic()
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(done - copied, 3)}

    async def attach(self, data: Dataset) -> None:
        """See `loadtests.vectors.base.Backend`."""

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return vector.astype("<f4").tobytes()

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`."""
        answer = await self._rest.search(self._paths[how], query, outcome, rest.BINARY)
        try:
            return list(answer["ids"])
        except (KeyError, TypeError) as error:
            raise rest.malformed(answer) from error

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        await self._rest.close()


def _query(how: Search) -> str:
    below = "" if how.below is None else f"&below={how.below}"
    return f"/search?k={how.k}&ef_search={how.ef_search}&probes={how.probes}{below}"


def _create(target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> Backend:
    kind = InProcess if target.url.startswith(IN_PROCESS) else Server
    return kind(target, options, searches, timeout)


BACKEND = BackendKind(protocol="faiss", create=_create)
