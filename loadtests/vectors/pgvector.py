"""PostgreSQL with pgvector, over its own protocol."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadtests import postgres
from loadtests.dataset import Dataset, Metric, Vectors
from loadtests.outcome import Outcome, SetupError
from loadtests.plan import Target
from loadtests.postgres import Pool
from loadtests.vectors.base import MADE_BY, BackendKind, IndexOptions, Search

if TYPE_CHECKING:
    import psycopg

_OPERATORS: dict[Metric, tuple[str, str]] = {
    "l2": ("<->", "vector_l2_ops"),
    "cosine": ("<=>", "vector_cosine_ops"),
}
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_BATCH = 10_000


class PgVector:
    """One table. Each way of searching has connections of its own, since its settings belong to a session."""

    def __init__(self, target: Target, options: IndexOptions, searches: Sequence[Search], timeout: float) -> None:
        self._target, self._options = target, options
        self._operator, self._class = _OPERATORS[options.metric or "l2"]
        each = -(-options.connections // len(searches))
        self._pools = {how: Pool(target, each, timeout, _settings(how)) for how in searches}
        self._queries = {how: self._query(how) for how in searches}

    def _query(self, how: Search) -> bytes:
        where = "" if how.below is None else f" WHERE attribute < {how.below}"
        table, order = f'"{self._options.collection}"', f"v {self._operator} %s::vector"
        return f"SELECT id FROM {table}{where} ORDER BY {order} LIMIT {how.k}".encode()  # noqa: S608 - checked

    async def fill(self, data: Dataset) -> dict[str, Any]:
        """See `loadtests.vectors.base.Backend`."""
        postgres.require()
        import psycopg  # noqa: PLC0415 - an extra

        try:
            connection = await postgres.connect(self._target, {})
            async with connection:
                return await self._fill(connection, data)
        except psycopg.Error as error:
            raise self._trouble(error) from error

    async def _fill(self, connection: "psycopg.AsyncConnection[Any]", data: Dataset) -> dict[str, Any]:
        options, begin, table = self._options, time.monotonic(), f'"{self._options.collection}"'
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        asked = "SELECT obj_description(to_regclass(%s), 'pg_class') WHERE to_regclass(%s) IS NOT NULL"
        there = await (await connection.execute(asked, [table, table])).fetchone()
        if there is not None and there[0] != MADE_BY:
            raise SetupError(f"table {table} is there and not of our making: give the load another `collection`")
        await connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
        more = ", attribute integer NOT NULL" if data.attributes is not None else ""
        columns = f"id bigint PRIMARY KEY, v vector({data.base.shape[1]}){more}"
        await connection.execute(f"CREATE TABLE {table} ({columns})".encode())
        await connection.execute(f"COMMENT ON TABLE {table} IS '{MADE_BY}'".encode())
        cursor = connection.cursor()
        names = "id, v, attribute" if more else "id, v"
        async with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)".encode()) as copy:
            await copy.write(_HEADER)
            for start in range(0, len(data.base), _BATCH):
                attributes = None if data.attributes is None else data.attributes[start : start + _BATCH]
                await copy.write(copy_rows(start, data.base[start : start + _BATCH], attributes))
            await copy.write(b"\xff\xff")
        copied = time.monotonic()
        if options.index == "hnsw":
            how = f"hnsw (v {self._class}) WITH (m = {options.m}, ef_construction = {options.ef_construction})"
        else:
            how = f"ivfflat (v {self._class}) WITH (lists = {options.lists})"
        if options.index != "none":
            await connection.execute(f"CREATE INDEX ON {table} USING {how}".encode())
        if more:
            await connection.execute(f"CREATE INDEX ON {table} (attribute)".encode())
        # Without it the visibility map is empty and the planner knows nothing: the first minutes would differ.
        await connection.execute(f"VACUUM ANALYZE {table}".encode())
        # CREATE INDEX returns when the index is built: nothing is left to wait for.
        notes: dict[str, Any] = {"copy_seconds": round(copied - begin, 3)}
        notes["index_seconds"] = round(time.monotonic() - copied, 3)
        return notes | {"plan": await self._plan(connection, data)}

    async def _plan(self, connection: "psycopg.AsyncConnection[Any]", data: Dataset) -> str:
        """Return how the server looks for neighbours: it may well pass an index over."""
        how, query = next(iter(self._queries.items()))
        for name, value in _settings(how).items():
            await connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        cursor = await connection.execute(b"EXPLAIN (COSTS OFF) " + query, [self.encode(data.queries[0]).decode()])
        steps = [str(row[0]).strip(" ->") for row in await cursor.fetchall()]
        return next((step for step in steps if "Scan" in step), steps[0])

    async def attach(self, data: Dataset) -> None:  # noqa: ARG002 - the table has it
        """See `loadtests.vectors.base.Backend`."""
        postgres.require()
        import psycopg  # noqa: PLC0415 - an extra

        try:
            for pool in self._pools.values():
                await pool.fill()
        except psycopg.Error as error:
            raise self._trouble(error) from error

    def _trouble(self, error: "psycopg.Error") -> SetupError:
        return SetupError(f"PostgreSQL at {self._target.url}: {str(error).strip()}")

    def encode(self, vector: Vectors) -> bytes:
        """See `loadtests.vectors.base.Backend`."""
        return ("[" + ",".join(f"{value:.9g}" for value in vector) + "]").encode()

    async def search(self, query: bytes, how: Search, outcome: Outcome) -> list[int]:
        """See `loadtests.vectors.base.Backend`."""
        rows = await self._pools[how].fetch(outcome, self._queries[how], [query.decode()])
        return [row[0] for row in rows]

    async def close(self) -> None:
        """See `loadtests.vectors.base.Backend`."""
        for pool in self._pools.values():
            await pool.close()


def _settings(how: Search) -> dict[str, str]:
    settings = {"hnsw.ef_search": str(how.ef_search), "ivfflat.probes": str(how.probes)}
    if how.below is not None:
        # Since pgvector 0.8: what the filter removes is searched for further, or answers come short.
        settings |= {"hnsw.iterative_scan": "strict_order", "ivfflat.iterative_scan": "relaxed_order"}
    return settings


def copy_rows(start: int, vectors: Vectors, attributes: NDArray[np.int64] | None = None) -> bytes:
    """Return rows (id, vector[, attribute]) in PostgreSQL's binary COPY format.

    pgvector's is int16 dim, int16 0, float4[dim]; an attribute is an int4.
    """
    dim = vectors.shape[1]
    layout: list[Any] = [
        *(("fields", ">i2"), ("id_size", ">i4"), ("id", ">i8")),
        *(("v_size", ">i4"), ("dim", ">i2"), ("unused", ">i2"), ("v", ">f4", (dim,))),
    ]
    if attributes is not None:
        layout += [("attribute_size", ">i4"), ("attribute", ">i4")]
    rows = np.zeros(len(vectors), np.dtype(layout))
    rows["fields"], rows["id_size"], rows["v_size"], rows["dim"] = 2, 8, 4 + 4 * dim, dim
    rows["id"] = np.arange(start, start + len(vectors))
    rows["v"] = vectors
    if attributes is not None:
        rows["fields"], rows["attribute_size"], rows["attribute"] = 3, 4, attributes
    return rows.tobytes()


BACKEND = BackendKind(protocol="postgres", create=PgVector)
