"""`vector`: k nearest neighbours in PostgreSQL with pgvector, each answer held against the exact one."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from loadtests import dataset, postgres
from loadtests.dataset import Dataset, DatasetOptions, Vectors
from loadtests.generators.base import GeneratorKind
from loadtests.oracle import Metric, Oracle
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.postgres import Pool
from runs.recipe import Load, Strict

if TYPE_CHECKING:
    import psycopg

_OPERATORS: dict[Metric, tuple[str, str]] = {
    "l2": ("<->", "vector_l2_ops"),
    "cosine": ("<=>", "vector_cosine_ops"),
}
_OURS = "made by a dashcam load"
"""The comment of a table that a load may drop. Nobody else's table is touched."""
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_BATCH = 10_000


class Options(Strict):
    """Keys of a `vector` load."""

    k: int = Field(10, ge=1, le=1000, description="neighbours asked for")
    dataset: DatasetOptions = Field(
        default_factory=lambda: DatasetOptions.model_validate({}), description="the vectors to search in"
    )
    metric: Metric = Field("l2", description="l2: Euclidean distance; cosine: 1 - cosine similarity")
    index: Literal["hnsw", "ivfflat", "none"] = Field("hnsw", description="none: exact search")
    m: int = Field(16, ge=2, le=100, description="hnsw: links a node")
    ef_construction: int = Field(64, ge=4, le=1000, description="hnsw: candidates while building, at least 2 m")
    ef_search: int = Field(40, ge=1, le=1000, description="hnsw: candidates a search")
    lists: int = Field(100, ge=1, le=32768, description="ivfflat: lists")
    probes: int = Field(10, ge=1, le=32768, description="ivfflat: lists a search looks into")
    queries: int = Field(1000, ge=1, le=100_000, description="different queries, none of them among the vectors")
    connections: int = Field(16, ge=1, le=500, description="connections; a request waits for a free one")
    table: str = Field("dashcam_items", pattern=r"^[a-z_][a-z0-9_]{0,62}$", description="made anew by each load")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.index == "hnsw" and self.ef_search < self.k:
            raise ValueError(f"ef_search {self.ef_search} cannot find k = {self.k} neighbours: make it at least k")
        if self.index == "hnsw" and self.ef_construction < 2 * self.m:
            raise ValueError(f"ef_construction {self.ef_construction} is less than 2 m: pgvector refuses that")
        return self


class PgVector:
    """Searches one table that its set-up fills."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._target = target
        self._options = options
        settings = {"hnsw.ef_search": str(options.ef_search), "ivfflat.probes": str(options.probes)}
        self._pool = Pool(target, options.connections, load.timeout, settings)
        self._texts: list[str] = []
        self._order = np.random.default_rng(load.seed).permutation(options.queries)
        self._oracle: Oracle | None = None
        operator = _OPERATORS[options.metric][0]
        query = f'SELECT id FROM "{options.table}" ORDER BY v {operator} %s::vector LIMIT {options.k}'  # noqa: S608 - checked
        self._query = query.encode()

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        postgres.require()
        import psycopg  # noqa: PLC0415 - an extra

        data = await asyncio.to_thread(dataset.make, self._options.dataset, self._options.queries)
        begin = time.monotonic()
        self._oracle = await asyncio.to_thread(Oracle, data, self._options.k, self._options.metric)
        notes: dict[str, Any] = {
            "vectors": len(data.base),
            "dataset_sha256": await asyncio.to_thread(data.digest),
            "oracle_sha256": self._oracle.digest(),
            "oracle_seconds": round(time.monotonic() - begin, 3),
        }
        self._texts = [_text(query) for query in data.queries]
        try:
            connection = await postgres.connect(self._target, {})
            async with connection:
                notes |= await self._fill(connection, data)
            await self._pool.fill()
            notes["plan"] = await self._plan()
        except psycopg.Error as error:
            raise SetupError(f"PostgreSQL at {self._target.url}: {str(error).strip()}") from error
        return notes

    async def attach(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        data = await asyncio.to_thread(dataset.make, self._options.dataset, self._options.queries)
        self._oracle = await asyncio.to_thread(Oracle, data, self._options.k, self._options.metric)
        self._texts = [_text(query) for query in data.queries]
        await self._pool.fill()

    async def _plan(self) -> str:
        """Return how the server looks for neighbours: it may well pass an index over."""
        rows = await self._pool.fetch(Outcome(), b"EXPLAIN (COSTS OFF) " + self._query, [self._texts[0]])
        steps = [str(row[0]).strip(" ->") for row in rows]
        return next((step for step in steps if "Scan" in step), steps[0])

    async def _fill(self, connection: "psycopg.AsyncConnection[Any]", data: Dataset) -> dict[str, float]:
        """Make the table, copy the vectors in, build the index; returns how long each took, in seconds."""
        options, begin, table = self._options, time.monotonic(), f'"{self._options.table}"'
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        asked = "SELECT obj_description(to_regclass(%s), 'pg_class') WHERE to_regclass(%s) IS NOT NULL"
        there = await (await connection.execute(asked, [table, table])).fetchone()
        if there is not None and there[0] != _OURS:
            raise SetupError(f"table {table} is there and not of our making: give the load another `table`")
        await connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
        columns = f"id bigint PRIMARY KEY, v vector({data.base.shape[1]})"
        await connection.execute(f"CREATE TABLE {table} ({columns})".encode())
        await connection.execute(f"COMMENT ON TABLE {table} IS '{_OURS}'".encode())
        cursor = connection.cursor()
        async with cursor.copy(f"COPY {table} (id, v) FROM STDIN (FORMAT binary)".encode()) as copy:
            await copy.write(_HEADER)
            for start in range(0, len(data.base), _BATCH):
                await copy.write(copy_rows(start, data.base[start : start + _BATCH]))
            await copy.write(b"\xff\xff")
        copied = time.monotonic()
        operators = _OPERATORS[options.metric][1]
        if options.index == "hnsw":
            how = f"hnsw (v {operators}) WITH (m = {options.m}, ef_construction = {options.ef_construction})"
        else:
            how = f"ivfflat (v {operators}) WITH (lists = {options.lists})"
        if options.index != "none":
            await connection.execute(f"CREATE INDEX ON {table} USING {how}".encode())
        await connection.execute(f"ANALYZE {table}".encode())
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(time.monotonic() - copied, 3)}

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        assert self._oracle is not None  # noqa: S101 - set up before the first request
        query = int(self._order[number % len(self._order)])
        rows = [row[0] for row in await self._pool.fetch(outcome, self._query, [self._texts[query]])]
        if len(rows) != min(self._options.k, self._options.dataset.n):
            raise RequestFailed("wrong_answer", f"{len(rows)} rows where {self._options.k} were asked for")
        if not all(isinstance(row, int) and 0 <= row < self._options.dataset.n for row in rows):
            raise RequestFailed("wrong_answer", f"rows that nobody put there: {rows[:10]}")
        outcome.recall = self._oracle.recall(query, rows)

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        await self._pool.close()


def copy_rows(start: int, vectors: Vectors) -> bytes:
    """Return rows (id, vector) in PostgreSQL's binary COPY format; pgvector's is int16 dim, int16 0, float4[dim]."""
    dim = vectors.shape[1]
    layout = np.dtype(
        [("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8"), ("v_size", ">i4"), ("dim", ">i2"), ("unused", ">i2"),
         ("v", ">f4", (dim,))]
    )  # fmt: skip
    rows = np.zeros(len(vectors), layout)
    rows["fields"], rows["id_size"], rows["v_size"], rows["dim"] = 2, 8, 4 + 4 * dim, dim
    rows["id"] = np.arange(start, start + len(vectors))
    rows["v"] = vectors
    return rows.tobytes()


def _text(vector: Vectors) -> str:
    return "[" + ",".join(f"{value:.9g}" for value in vector) + "]"


GENERATOR = GeneratorKind(name="vector", targets=("postgres",), Options=Options, create=PgVector)
