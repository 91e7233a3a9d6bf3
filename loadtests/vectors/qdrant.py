"""Qdrant over REST, 1.10 or newer (the query API): https://api.qdrant.tech."""

import time
from collections.abc import Sequence
from typing import Any

from loadtests.dataset import Dataset, Vectors
from loadtests.outcome import Outcome, SetupError
from loadtests.plan import Target
from loadtests.vectors import rest
from loadtests.vectors.base import BackendKind, IndexOptions, Search, known, until
from loadtests.vectors.rest import Rest

_DISTANCES = {"l2": "Euclid", "cosine": "Cosine"}
_GREEN = 3
"""Answers `green` in a row: between the last write and the first optimisation there may be one too early."""
_INDEXED = 0.9
"""Share of the vectors that must be in the index. Qdrant's counts are approximate, and it leaves small segments out."""


class Qdrant:
    """One collection. An alias of it, `made_by_dashcam__NAME`, is the mark that a load made it."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:  # noqa: ARG002 - the engine's timeout counts
        known("Qdrant", options.index, ("hnsw", "none"))
        self._options = options
        secret = target.secret()
        self._rest = Rest("Qdrant", target, {"api-key": secret} if secret else {})
        self._path, self._mark = f"/collections/{options.collection}", f"made_by_dashcam__{options.collection}"
        self._ends = {how: self._end(how) for how in searches}

    def _end(self, how: Search) -> bytes:
        exact = self._options.index == "none"
        rest_of_it: dict[str, Any] = {
            "limit": how.k,
            "params": {"exact": True} if exact else {"hnsw_ef": how.ef_search},
            "with_payload": False,
            "with_vector": False,
        }
        if how.below is not None:
            rest_of_it["filter"] = {"must": [{"key": "attribute", "range": {"lt": how.below}}]}
        return b"," + rest.to_json(rest_of_it)[1:]

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        options, begin = self._options, time.monotonic()
        await self._make_way()
        made = {
            "vectors": {"size": data.base.shape[1], "distance": _DISTANCES[options.metric or "l2"]},
            # Else Qdrant searches small collections without their index, and leaves small segments without one.
            "hnsw_config": {"m": options.m, "ef_construct": options.ef_construction, "full_scan_threshold": 10},
            "optimizers_config": {"indexing_threshold": 1 if options.index == "hnsw" else 0},
        }
        await self._rest.call("PUT", self._path, made)
        action = {"create_alias": {"collection_name": options.collection, "alias_name": self._mark}}
        await self._rest.call("POST", "/collections/aliases", {"actions": [action]})
        if data.attributes is not None:
            # Before the vectors come: the graph gets further links for what is filtered by.
            field = {"field_name": "attribute", "field_schema": "integer"}
            await self._rest.call("PUT", f"{self._path}/index?wait=true", field)
        for rows in rest.batches(data):
            points: list[dict[str, Any]] = [{"id": row, "vector": data.base[row]} for row in rows]
            if data.attributes is not None:
                for point in points:
                    point["payload"] = {"attribute": int(data.attributes[point["id"]])}
            await self._rest.call("PUT", f"{self._path}/points?wait=true", {"points": points})
        copied = time.monotonic()
        notes = await self._indexed(len(data.base))
        done = time.monotonic()
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(done - copied, 3), **notes}

    async def _make_way(self) -> None:
        status, _ = await self._rest.call("GET", self._path, accept=(200, 404))
        if status == 404:
            return
        _, answer = await self._rest.call("GET", f"{self._path}/aliases")
        if self._mark not in [alias["alias_name"] for alias in answer["result"]["aliases"]]:
            raise SetupError(
                f"Qdrant's collection {self._options.collection} is not of our making (it has no alias {self._mark}): "
                "give the load another `collection`"
            )
        await self._rest.call("DELETE", self._path)

    async def _indexed(self, count: int) -> dict[str, Any]:
        """Wait until the optimiser has nothing left to do, and the index holds the vectors."""
        greens, info = 0, {}

        async def busy() -> str | None:
            nonlocal greens, info
            _, answer = await self._rest.call("GET", self._path)
            info = answer["result"]
            there, indexed = info.get("points_count") or 0, info.get("indexed_vectors_count") or 0
            enough = self._options.index == "none" or indexed >= _INDEXED * count
            greens = greens + 1 if info["status"] == "green" and there >= count and enough else 0
            if info["status"] == "red":
                raise SetupError(f"Qdrant's collection is red: {info.get('optimizer_status')}")
            return None if greens >= _GREEN else f"it is {info['status']}, {indexed} of {there} points are indexed"

        await until(busy, "Qdrant has not indexed the vectors", self._options.index_within)
        return {"indexed_vectors": info.get("indexed_vectors_count"), "segments": info.get("segments_count")}

    async def attach(self, data: Dataset) -> None:
        """See `loadtests.vectors.base.Backend`."""

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return rest.encode(vector)

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`."""
        answer = await self._rest.search(f"{self._path}/points/query", b'{"query":' + query + self._ends[how], outcome)
        try:
            return [point["id"] for point in answer["result"]["points"]]
        except (KeyError, TypeError) as error:
            raise rest.malformed(answer) from error

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        await self._rest.close()


BACKEND = BackendKind(protocol="qdrant", create=Qdrant)
