"""Milvus over REST, API v2 (Milvus 2.5 or newer): https://milvus.io/api-reference/restful."""

import time
from collections.abc import Sequence
from typing import Any

from loadtests.dataset import Dataset, Vectors
from loadtests.http import bearer
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.vectors import rest
from loadtests.vectors.base import BackendKind, IndexOptions, Search, until
from loadtests.vectors.rest import Rest

_API = "/v2/vectordb"
_METRICS = {"l2": "L2", "cosine": "COSINE"}
_GOOD = (0, 200)
"""`code` of an answer that is none of an error: 200 before Milvus 2.4, 0 since. The HTTP status is 200 for both."""
_NUMBERS = {"Accept-Type-Allow-Int64": "true"}
"""Ids as numbers, not as text for JavaScript."""


class Milvus:
    """One collection. An alias of it, `made_by_dashcam__NAME`, is the mark that a load made it."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:  # noqa: ARG002 - the engine's timeout counts
        self._options = options
        self._metric = _METRICS[options.metric or "l2"]
        self._rest = Rest("Milvus", target, {**_NUMBERS, **bearer(target.secret())})
        self._name, self._mark = options.collection, f"made_by_dashcam__{options.collection}"
        self._ends = {how: self._end(how) for how in searches}

    def _end(self, how: Search) -> bytes:
        params = {"hnsw": {"ef": how.ef_search}, "ivfflat": {"nprobe": how.probes}, "none": {}}[self._options.index]
        rest_of_it: dict[str, Any] = {
            "collectionName": self._name,
            "annsField": "vector",
            "limit": how.k,
            "outputFields": ["id"],
            "searchParams": {"metricType": self._metric, "params": params},
        }
        if how.below is not None:
            rest_of_it["filter"] = f"attribute < {how.below}"
        return b"]," + rest.to_json(rest_of_it)[1:]

    async def _call(self, path: str, **body: Any) -> Any:
        """Return the data of a call of the set-up. Raises SetupError."""
        _, answer = await self._rest.call("POST", _API + path, body)
        if not isinstance(answer, dict) or answer.get("code") not in _GOOD:
            raise SetupError(f"Milvus: {path}: {rest.to_json(answer)[:300].decode(errors='replace')}")
        return answer.get("data")

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        begin = time.monotonic()
        await self._make_way()
        fields: list[dict[str, Any]] = [
            {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
            {"fieldName": "vector", "dataType": "FloatVector", "elementTypeParams": {"dim": str(data.base.shape[1])}},
        ]
        if data.attributes is not None:
            fields.append({"fieldName": "attribute", "dataType": "Int64"})
        schema = {"autoID": False, "enableDynamicField": False, "fields": fields}
        await self._call("/collections/create", collectionName=self._name, schema=schema)
        await self._call("/aliases/create", collectionName=self._name, aliasName=self._mark)
        for rows in rest.batches(data):
            entities: list[dict[str, Any]] = [{"id": row, "vector": data.base[row]} for row in rows]
            if data.attributes is not None:
                for entity in entities:
                    entity["attribute"] = int(data.attributes[entity["id"]])
            answer = await self._call("/entities/insert", collectionName=self._name, data=entities)
            if int(answer.get("insertCount", 0)) != len(rows):
                raise SetupError(f"Milvus took {answer.get('insertCount')} of {len(rows)} vectors")
        # What is not flushed lies in growing segments, which have no index.
        await self._call("/collections/flush", collectionName=self._name)
        copied = time.monotonic()
        await self._index(len(data.base))
        done = time.monotonic()
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(done - copied, 3)}

    async def _make_way(self) -> None:
        there = await self._call("/collections/has", collectionName=self._name)
        if not there["has"]:
            return
        aliases = await self._call("/aliases/list", collectionName=self._name)
        if self._mark not in (aliases or []):
            raise SetupError(
                f"Milvus's collection {self._name} is not of our making (it has no alias {self._mark}): "
                "give the load another `collection`"
            )
        await self._call("/aliases/drop", aliasName=self._mark)  # a collection with an alias is not dropped
        await self._call("/collections/drop", collectionName=self._name)

    async def _index(self, count: int) -> None:
        """Have the index built and loaded; return when both are so."""
        options = self._options
        kind, params = {
            "hnsw": ("HNSW", {"M": options.m, "efConstruction": options.ef_construction}),
            "ivfflat": ("IVF_FLAT", {"nlist": options.lists}),
            "none": ("FLAT", {}),
        }[options.index]
        index = {"fieldName": "vector", "indexName": "vector", "metricType": self._metric, "indexType": kind}
        await self._call("/indexes/create", collectionName=self._name, indexParams=[{**index, "params": params}])

        async def building() -> str | None:
            found = await self._call("/indexes/describe", collectionName=self._name, indexName="vector")
            state = found[0]
            if state["indexState"] == "Failed":
                raise SetupError(f"Milvus could not build the index: {state.get('failReason')}")
            indexed, pending = int(state.get("indexedRows", 0)), int(state.get("pendingRows", 0))
            if state["indexState"] == "Finished" and indexed >= count and not pending:
                return None
            return f"it is {state['indexState']}, {indexed} of {count} rows are indexed"

        await until(building, "Milvus has not indexed the vectors", options.index_within)
        await self._call("/collections/load", collectionName=self._name)

        async def loading() -> str | None:
            state = await self._call("/collections/get_load_state", collectionName=self._name)
            loaded = state["loadState"] == "LoadStateLoaded"
            return None if loaded else f"it is {state['loadState']}, {state.get('loadProgress')} %"

        await until(loading, "Milvus has not loaded the collection", options.index_within)

    async def attach(self, data: Dataset) -> None:
        """See `loadtests.vectors.base.Backend`."""

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return rest.encode(vector)

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`. A failure that Milvus tells of under status 200 is `milvus_CODE`."""
        answer = await self._rest.search(f"{_API}/entities/search", b'{"data":[' + query + self._ends[how], outcome)
        try:
            if answer["code"] not in _GOOD:
                raise RequestFailed(f"milvus_{answer['code']}", str(answer.get("message", ""))[:200])
            return [int(hit["id"]) for hit in answer["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise rest.malformed(answer) from error

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        await self._rest.close()


BACKEND = BackendKind(protocol="milvus", create=Milvus)
