"""Chroma over REST, API v2 (Chroma 1.x): https://docs.trychroma.com/reference."""

import time
from collections.abc import Sequence
from typing import Any

from loadtests.dataset import Dataset, Vectors
from loadtests.http import bearer
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.vectors import rest
from loadtests.vectors.base import MADE_BY, BackendKind, IndexOptions, Search, known, only, until
from loadtests.vectors.rest import Rest

_COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


class Chroma:
    """One collection of the default database."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:  # noqa: ARG002 - the engine's timeout counts
        known("Chroma", options.index, ("hnsw",))
        only("Chroma", "ef_search", [how.ef_search for how in searches])
        self._options, self._ef_search = options, searches[0].ef_search
        self._rest = Rest("Chroma", target, bearer(target.secret()))
        self._path = ""

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        options, name, begin = self._options, self._options.collection, time.monotonic()
        status, there = await self._rest.call("GET", f"{_COLLECTIONS}/{name}", accept=(200, 404))
        if status == 200:
            if (there.get("metadata") or {}).get("made_by") != MADE_BY:
                raise SetupError(f"Chroma's collection {name} is not of our making: give the load another `collection`")
            await self._rest.call("DELETE", f"{_COLLECTIONS}/{name}")
        index = {
            "space": options.metric,
            "max_neighbors": options.m,
            "ef_construction": options.ef_construction,
            "ef_search": self._ef_search,
        }
        made = {"name": name, "metadata": {"made_by": MADE_BY}, "configuration": {"hnsw": index}}
        await self._rest.call("POST", _COLLECTIONS, made)
        await self._find()
        _, limits = await self._rest.call("GET", "/api/v2/pre-flight-checks")
        for rows in rest.batches(data, int(limits["max_batch_size"])):
            body: dict[str, Any] = {"ids": [str(row) for row in rows], "embeddings": [data.base[row] for row in rows]}
            if data.attributes is not None:
                body["metadatas"] = [{"attribute": int(data.attributes[row])} for row in rows]
            await self._rest.call("POST", f"{self._path}/add", body, accept=(200, 201))
        copied = time.monotonic()

        async def short() -> str | None:
            _, count = await self._rest.call("GET", f"{self._path}/count")
            return None if count == len(data.base) else f"{count} of {len(data.base)} vectors are there"

        await until(short, "Chroma has not taken all vectors", options.index_within)
        # A server of one node indexes as it takes; what is left of that it does before it answers the first search.
        query = {"query_embeddings": [data.queries[0]], "n_results": 1, "include": []}
        await self._rest.call("POST", f"{self._path}/query", query)
        done = time.monotonic()
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(done - copied, 3)}

    async def attach(self, data: Dataset) -> None:  # noqa: ARG002 - the collection has it
        """See `loadtests.vectors.base.Backend`."""
        await self._find()

    async def _find(self) -> None:
        _, there = await self._rest.call("GET", f"{_COLLECTIONS}/{self._options.collection}")
        self._path = f"{_COLLECTIONS}/{there['id']}"

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return rest.encode(vector)

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`."""
        where = "" if how.below is None else f',"where":{{"attribute":{{"$lt":{how.below}}}}}'
        rest_of_it = f'],"n_results":{how.k},"include":[]{where}}}'.encode()
        body = b'{"query_embeddings":[' + query + rest_of_it
        answer = await self._rest.search(f"{self._path}/query", body, outcome)
        try:
            return [int(word) for word in answer["ids"][0]]
        except (KeyError, IndexError, TypeError) as error:
            raise rest.malformed(answer) from error
        except ValueError as error:
            raise RequestFailed("wrong_answer", f"ids that nobody put there: {answer['ids'][0][:10]}") from error

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        await self._rest.close()


BACKEND = BackendKind(protocol="chroma", create=Chroma)
