"""Weaviate over REST and GraphQL, API v1 (1.26 or newer: its range index): https://docs.weaviate.io/weaviate/api."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from loadtests.dataset import Dataset, Vectors
from loadtests.http import bearer
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.vectors import rest
from loadtests.vectors.base import MADE_BY, BackendKind, IndexOptions, Search, known, only, until
from loadtests.vectors.rest import Rest

_DISTANCES = {"l2": "l2-squared", "cosine": "cosine"}
_ID = 0x4 << 76 | 0x8 << 60
"""Weaviate's ids are UUIDs: ours are of version 4 (RFC 9562) with the number of the vector in their lowest bits."""


class Weaviate:
    """One class; its description is the mark that a load made it."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:  # noqa: ARG002 - the engine's timeout counts
        known("Weaviate", options.index, ("hnsw", "none"))
        only("Weaviate", "ef_search", [how.ef_search for how in searches])
        self._options, self._ef_search = options, searches[0].ef_search
        self._rest = Rest("Weaviate", target, bearer(target.secret()))
        self._class = options.collection[0].upper() + options.collection[1:]  # a class begins with a capital

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        begin = time.monotonic()
        await self._make_way()
        await self._rest.call("POST", "/v1/schema", self._schema(filtered=data.attributes is not None))
        for rows in rest.batches(data, 1000):
            await self._insert(data, rows)
        copied = time.monotonic()
        await self._indexed(len(data.base))
        done = time.monotonic()
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(done - copied, 3)}

    async def _make_way(self) -> None:
        status, there = await self._rest.call("GET", f"/v1/schema/{self._class}", accept=(200, 404))
        if status == 404:
            return
        if there.get("description") != MADE_BY:
            raise SetupError(f"Weaviate's class {self._class} is not of our making: give the load another `collection`")
        await self._rest.call("DELETE", f"/v1/schema/{self._class}")

    def _schema(self, *, filtered: bool) -> dict[str, Any]:
        options = self._options
        config: dict[str, Any] = {"distance": _DISTANCES[options.metric or "l2"]}
        if options.index == "hnsw":
            config |= {"maxConnections": options.m, "efConstruction": options.ef_construction, "ef": self._ef_search}
        attribute = {"name": "attribute", "dataType": ["int"], "indexFilterable": True, "indexRangeFilters": True}
        return {
            "class": self._class,
            "description": MADE_BY,
            "vectorizer": "none",
            "vectorIndexType": "hnsw" if options.index == "hnsw" else "flat",
            "vectorIndexConfig": config,
            "properties": [attribute] if filtered else [],
        }

    async def _insert(self, data: Dataset, rows: range) -> None:
        objects: list[dict[str, Any]] = [
            {"class": self._class, "id": str(UUID(int=_ID | row)), "vector": data.base[row]} for row in rows
        ]
        if data.attributes is not None:
            for row, item in zip(rows, objects, strict=True):
                item["properties"] = {"attribute": int(data.attributes[row])}
        _, answers = await self._rest.call("POST", "/v1/batch/objects", {"objects": objects})
        for answer in answers:  # the status of the whole is 200 whatever became of its parts
            if errors := (answer.get("result") or {}).get("errors"):
                raise SetupError(f"Weaviate refused a vector: {rest.to_json(errors)[:300].decode(errors='replace')}")

    async def _indexed(self, count: int) -> None:
        """Wait until every vector is counted, and no shard has vectors queued (ASYNC_INDEXING)."""
        asked = {"query": f"{{Aggregate{{{self._class}{{meta{{count}}}}}}}}"}

        async def busy() -> str | None:
            _, answer = await self._rest.call("POST", "/v1/graphql", asked)
            there = answer["data"]["Aggregate"][self._class][0]["meta"]["count"]
            _, nodes = await self._rest.call("GET", f"/v1/nodes/{self._class}?output=verbose")
            shards = [shard for node in nodes["nodes"] for shard in node.get("shards") or []]
            shards = [shard for shard in shards if shard["class"] == self._class]
            queued = sum(shard.get("vectorQueueLength") or 0 for shard in shards)
            ready = all(shard.get("vectorIndexingStatus", "READY") == "READY" for shard in shards)
            if there == count and shards and ready and not queued:
                return None
            return f"{there} of {count} vectors are there, {queued} wait for the index"

        await until(busy, "Weaviate has not indexed the vectors", self._options.index_within)

    async def attach(self, data: Dataset) -> None:
        """See `loadtests.vectors.base.Backend`."""

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return rest.encode(vector)

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`. A failure that GraphQL tells of under status 200 is `graphql`."""
        # GraphQL inside JSON: a quotation mark of the query is an escaped one of the body.
        where = ""
        if how.below is not None:
            where = f'where:{{path:[\\"attribute\\"],operator:LessThan,valueInt:{how.below}}}'
        begin = f'{{"query":"{{Get{{{self._class}(limit:{how.k} {where} nearVector:{{vector:'.encode()
        answer = await self._rest.search("/v1/graphql", begin + query + b'}){_additional{id}}}}"}', outcome)
        try:
            if answer.get("errors"):
                raise RequestFailed("graphql", str(answer["errors"])[:200])
            found = [hit["_additional"]["id"] for hit in answer["data"]["Get"][self._class]]
        except (KeyError, TypeError, AttributeError) as error:
            raise rest.malformed(answer) from error
        try:
            return [UUID(word).int ^ _ID for word in found]
        except (ValueError, AttributeError) as error:
            raise RequestFailed("wrong_answer", f"ids that nobody put there: {found[:10]}") from error

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        await self._rest.close()


BACKEND = BackendKind(protocol="weaviate", create=Weaviate)
