"""`vector`: k nearest neighbours in PostgreSQL with pgvector, each answer held against the exact one."""

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal, LiteralString

import numpy as np
from pydantic import BaseModel, Field

from loadtests import dataset
from loadtests.dataset import Dataset, DatasetOptions, Vectors
from loadtests.oracle import Metric, Oracle
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from runs.recipe import Load, Strict

if TYPE_CHECKING:
    import psycopg

_TABLE = "dashcam_items"
_OPERATORS: dict[Metric, tuple[LiteralString, LiteralString]] = {
    "l2": ("<->", "vector_l2_ops"),
    "cosine": ("<=>", "vector_cosine_ops"),
}
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_BATCH = 10_000


class Options(Strict):
    """Keys of a `vector` load."""

    k: int = Field(10, ge=1, le=1000, description="neighbours asked for")
    dataset: DatasetOptions = Field(default_factory=lambda: DatasetOptions.model_validate({}))
    metric: Metric = "l2"
    index: Literal["hnsw", "ivfflat", "none"] = Field("hnsw", description="none: exact search")
    m: int = Field(16, ge=2, le=100, description="hnsw: links a node")
    ef_construction: int = Field(64, ge=4, le=1000)
    ef_search: int = Field(40, ge=1, le=1000, description="hnsw: candidates a search")
    lists: int = Field(100, ge=1, le=32768, description="ivfflat: lists")
    probes: int = Field(10, ge=1, le=32768, description="ivfflat: lists a search looks into")
    queries: int = Field(1000, ge=1, le=100_000, description="different queries, none of them among the vectors")
    connections: int = Field(16, ge=1, le=500, description="connections; a request waits for a free one")


class PgVector:
    """Searches one table that its set-up fills."""

    def __init__(self, target: Target, options: Options, load: Load) -> None:
        self._target = target
        self._options = options
        self._timeout = load.timeout
        self._free: asyncio.Queue[psycopg.AsyncConnection[Any]] = asyncio.Queue()
        self._all: list[psycopg.AsyncConnection[Any]] = []
        self._replacing: set[asyncio.Task[None]] = set()
        self._texts: list[str] = []
        self._order = np.random.default_rng(load.seed).permutation(options.queries)
        self._oracle: Oracle | None = None
        operator = _OPERATORS[options.metric][0]
        self._query: LiteralString = f"SELECT id FROM {_TABLE} ORDER BY v {operator} %s::vector LIMIT %s"  # noqa: S608 - no value in it

    async def setup(self) -> dict[str, Any]:
        """See `loadtests.generators.base.Generator`."""
        try:
            import psycopg  # noqa: PLC0415 - an extra, needed for this generator only
        except ImportError as error:
            raise SetupError("psycopg is missing: pip install 'dashcam[pgvector]'") from error
        data = await asyncio.to_thread(dataset.make, self._options.dataset, self._options.queries)
        begin = time.monotonic()
        self._oracle = await asyncio.to_thread(Oracle, data, self._options.k, self._options.metric)
        notes: dict[str, Any] = {"oracle_seconds": round(time.monotonic() - begin, 3), "vectors": len(data.base)}
        self._texts = [_text(query) for query in data.queries]
        try:
            connection = await self._connect()
            notes |= await self._fill(connection, data)
            await connection.close()
            for _ in range(self._options.connections):
                connection = await self._connect()
                self._all.append(connection)
                self._free.put_nowait(connection)
        except psycopg.Error as error:
            raise SetupError(f"PostgreSQL at {self._target.url}: {str(error).strip()}") from error
        return notes

    async def _connect(self) -> "psycopg.AsyncConnection[Any]":
        import psycopg  # noqa: PLC0415 - an extra

        password = self._target.secret_file.read_text().strip() if self._target.secret_file else None
        connection = await psycopg.AsyncConnection.connect(
            self._target.url, password=password, autocommit=True, connect_timeout=10, prepare_threshold=1
        )
        await connection.execute("SELECT set_config('hnsw.ef_search', %s, false)", [str(self._options.ef_search)])
        await connection.execute("SELECT set_config('ivfflat.probes', %s, false)", [str(self._options.probes)])
        return connection

    async def _fill(self, connection: "psycopg.AsyncConnection[Any]", data: Dataset) -> dict[str, float]:
        """Make the table, copy the vectors in, build the index; returns how long each took, in seconds."""
        options, begin = self._options, time.monotonic()
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        await connection.execute(f"DROP TABLE IF EXISTS {_TABLE}")
        await connection.execute(f"CREATE TABLE {_TABLE} (id bigint PRIMARY KEY, v vector({data.base.shape[1]}))")
        cursor = connection.cursor()
        async with cursor.copy(f"COPY {_TABLE} (id, v) FROM STDIN (FORMAT binary)") as copy:
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
            await connection.execute(f"CREATE INDEX ON {_TABLE} USING {how}".encode())
        await connection.execute(f"ANALYZE {_TABLE}")
        return {"copy_seconds": round(copied - begin, 3), "index_seconds": round(time.monotonic() - copied, 3)}

    async def request(self, number: int, outcome: Outcome) -> None:
        """See `loadtests.generators.base.Generator`."""
        import psycopg  # noqa: PLC0415 - an extra

        assert self._oracle is not None  # noqa: S101 - set up before the first request
        query = int(self._order[number % len(self._order)])
        connection = await self._free.get()
        try:
            outcome.sent = time.monotonic()
            cursor = await connection.execute(self._query, [self._texts[query], self._options.k])
            outcome.first_byte = time.monotonic()
            rows = [row[0] for row in await cursor.fetchall()]
            outcome.done = time.monotonic()
        except psycopg.OperationalError as error:
            raise RequestFailed(f"sql_{error.sqlstate}" if error.sqlstate else "reset", str(error)) from error
        except psycopg.Error as error:
            raise RequestFailed(f"sql_{error.sqlstate}", str(error)) from error
        finally:
            # A cancelled query leaves its connection in no known state.
            if outcome.done is not None:
                self._free.put_nowait(connection)
            else:
                self._replace(connection)
        if len(rows) != min(self._options.k, self._options.dataset.n):
            raise RequestFailed("wrong_answer", f"{len(rows)} rows where {self._options.k} were asked for")
        outcome.recall = self._oracle.recall(query, rows)

    def _replace(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        """Open a new connection in place of one that broke, until it works: a server may come back."""

        async def replace() -> None:
            import psycopg  # noqa: PLC0415 - an extra

            await connection.close()
            self._all.remove(connection)
            while True:
                try:
                    fresh = await self._connect()
                except psycopg.Error:
                    await asyncio.sleep(0.5)
                else:
                    self._all.append(fresh)
                    self._free.put_nowait(fresh)
                    return

        task = asyncio.get_running_loop().create_task(replace())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def close(self) -> None:
        """See `loadtests.generators.base.Generator`."""
        for task in self._replacing:
            task.cancel()
        for connection in self._all:
            await connection.close()


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


class Kind:
    """See the module."""

    name = "vector"
    targets = ("postgres",)
    Options: type[BaseModel] = Options

    def create(self, target: Target, options: BaseModel, load: Load) -> PgVector:
        """See `loadtests.generators.base.GeneratorKind`."""
        assert isinstance(options, Options)  # noqa: S101 - the registry pairs a kind with its own options
        return PgVector(target, options, load)


GENERATOR = Kind()
