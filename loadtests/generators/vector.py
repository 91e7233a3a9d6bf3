"""`vector`: k nearest neighbours in a vector database, each answer held against the exact one."""

import asyncio
import time
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from loadtests import dataset, vectors
from loadtests.dataset import ATTRIBUTES, Dataset, DatasetOptions
from loadtests.generators.base import GeneratorKind
from loadtests.oracle import Oracle
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.vectors.base import Backend, IndexOptions, Search
from runs.recipe import Load, Strict


class Sweep(Strict):
    """Values that the requests take in turn, so that all of them see the same load at the same time."""

    ef_search: tuple[int, ...] = Field((), description="hnsw: candidates a search", max_length=20)
    probes: tuple[int, ...] = Field((), description="ivfflat: lists a search looks into", max_length=20)

    @model_validator(mode="after")
    def _one(self) -> Self:
        values = self.ef_search or self.probes
        if bool(self.ef_search) == bool(self.probes):
            raise ValueError("sweep over either ef_search or probes")
        if len(set(values)) < len(values) or min(values) < 1:
            raise ValueError("the values of a sweep are different whole numbers from 1 on")
        return self


class Filter(Strict):
    """Search among some of the vectors only: those whose attribute, a random number, is below a bound."""

    selectivity: float = Field(gt=0, le=1, description="share of the vectors that pass")


class Options(IndexOptions):
    """Keys of a `vector` load."""

    k: int = Field(10, ge=1, le=1000, description="neighbours asked for")
    dataset: DatasetOptions = Field(
        default_factory=lambda: DatasetOptions.model_validate({}), description="the vectors to search in"
    )
    queries: int = Field(1000, ge=1, le=100_000, description="different queries, none of them among the vectors")
    sweep: Sweep | None = Field(None, description="several ef_search or probes in one run: recall against speed")
    filter: Filter | None = Field(None, description="search among some of the vectors only")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        swept = self.sweep.ef_search if self.sweep else ()
        if self.index == "hnsw" and min(swept or (self.ef_search,)) < self.k:
            least = min(swept or (self.ef_search,))
            raise ValueError(f"ef_search {least} cannot find k = {self.k} neighbours: make it at least k")
        if self.sweep and self.index != ("hnsw" if swept else "ivfflat"):
            raise ValueError(f"index {self.index} knows no {'ef_search' if swept else 'probes'} to sweep over")
        return self

    def searches(self) -> dict[str, Search]:
        """Return the ways to search, by the word that stands for each in the records' `operation`."""
        below = None if self.filter is None else max(1, round(self.filter.selectivity * ATTRIBUTES))
        if self.sweep is None:
            return {"": Search(self.k, self.ef_search, self.probes, below)}
        swept = {f"ef_search={ef}": Search(self.k, ef, self.probes, below) for ef in self.sweep.ef_search}
        return swept or {f"probes={n}": Search(self.k, self.ef_search, n, below) for n in self.sweep.probes}


class Vector:
    """Searches the collection that its set-up fills. Each way of a sweep gets the same queries in the same order."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._target, self._options, self._load = target, options, load
        self._ways = list(options.searches().items())
        self._order: list[int] = []
        self._queries: list[bytes] = []
        self._backend: Backend | None = None
        self._oracle: Oracle | None = None
        self._data: Dataset | None = None

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        data, backend, notes = await self._prepare()
        notes |= await backend.fill(data)
        await self._open(backend, data)
        return notes

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        data, backend, _ = await self._prepare()
        await self._open(backend, data)

    async def _prepare(self) -> tuple[Dataset, Backend, dict[str, Any]]:
        """Make the data and know the truth of it, before the database is touched."""
        options, below = self._options, self._ways[0][1].below
        data = await asyncio.to_thread(dataset.make, options.dataset, options.queries, attributes=below is not None)
        metric = options.metric or data.metric or "l2"
        if data.metric is not None and metric != data.metric:
            raise SetupError(
                f"metric {metric}, but the distance of {options.dataset.path} is {data.metric}: leave it out"
            )
        begin = time.monotonic()
        oracle = await asyncio.to_thread(Oracle, data, options.k, metric, below=below, cached=True)
        notes: dict[str, Any] = {
            "vectors": len(data.base),
            "dimensions": data.base.shape[1],
            "queries": len(data.queries),
            "distinct": len(data.queries) * len(self._ways),
            "metric": metric,
            "dataset_sha256": await asyncio.to_thread(data.digest),
            "oracle_sha256": oracle.digest(),
            "oracle_seconds": round(time.monotonic() - begin, 3),
            "oracle_cached": oracle.from_cache,
        }
        if data.notes:
            notes["dataset"] = list(data.notes)
        if below is not None:
            notes["filter_passes"] = oracle.found
        if data.truth is not None and below is None:
            notes["truth_of_file"] = "agrees" if oracle.agrees(data.truth) else "does not reach to k"
        made = options.model_copy(update={"metric": metric})
        create = vectors.registry()[self._target.protocol].create
        self._backend = create(self._target, made, [how for _, how in self._ways], self._load.timeout)
        self._data, self._oracle = data, oracle
        return data, self._backend, notes

    async def _open(self, backend: Backend, data: Dataset) -> None:
        await backend.attach(data)
        self._queries = await asyncio.to_thread(lambda: [backend.encode(query) for query in data.queries])
        self._order = np.random.default_rng(self._load.seed).permutation(len(data.queries)).tolist()

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._backend is not None  # noqa: S101 - set up before the first request
        assert self._oracle is not None  # noqa: S101
        turn, way = divmod(number, len(self._ways))
        name, how = self._ways[way]
        outcome.operation = name or None
        query = self._order[turn % len(self._order)]
        rows = await self._backend.search(self._queries[query], how, outcome)
        self._check(rows, how)
        outcome.recall = self._oracle.recall(query, rows)

    def _check(self, rows: list[Any], how: Search) -> None:
        """Refuse an answer that no index may give, however little it looked at. Raises RequestFailed."""
        assert self._data is not None  # noqa: S101 - set up before the first request
        assert self._oracle is not None  # noqa: S101
        if not all(type(row) is int and 0 <= row < len(self._data.base) for row in rows):
            raise RequestFailed("wrong_answer", f"ids that nobody put there: {rows[:10]}")
        if len(set(rows)) < len(rows):
            raise RequestFailed("wrong_answer", f"an id more than once: {rows[:10]}")
        if how.below is not None and self._data.attributes is not None:
            outside = [row for row in rows if self._data.attributes[row] >= how.below]
            if outside:
                raise RequestFailed("wrong_answer", f"vectors that the filter excludes: {outside[:10]}")
        if len(rows) != self._oracle.k:
            raise RequestFailed("short_answer", f"{len(rows)} rows where {self._oracle.k} were asked for")

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        if self._backend is not None:
            await self._backend.close()


GENERATOR = GeneratorKind(name="vector", targets=tuple(sorted(vectors.registry())), Options=Options, create=Vector)
