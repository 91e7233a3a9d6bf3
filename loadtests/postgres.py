"""Connections to one PostgreSQL for a load: few, shared, and replaced when nobody knows what state they are in."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")

CONNECT_WITHIN = 10
_CANCELLED = "57014"


def require() -> None:
    """Raise SetupError where psycopg, an extra, is not installed."""
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra, needed for this protocol only
    except ImportError as error:
        raise SetupError("psycopg is missing: pip install 'dashcam[pgvector]'") from error


async def connect(target: Target, settings: Mapping[str, str]) -> "psycopg.AsyncConnection[Any]":
    """Open a connection with `settings` made in its session. Raises psycopg.Error."""
    import psycopg  # noqa: PLC0415 - an extra

    password = target.secret_file.read_text().strip() if target.secret_file else None
    connection = await psycopg.AsyncConnection.connect(
        target.url, password=password, autocommit=True, connect_timeout=CONNECT_WITHIN, prepare_threshold=1
    )
    for name, value in settings.items():
        await connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    return connection


class Pool:
    """At most `size` connections; a query waits for a free one. One that broke is made anew by the next query."""

    def __init__(self, target: Target, size: int, timeout: float, settings: Mapping[str, str]) -> None:
        self._target = target
        self._size = size
        # The server gives up when we do, or it would go on with answers that nobody waits for.
        self._settings = {"statement_timeout": str(max(1, round(timeout * 1000))), **settings}
        self._free: asyncio.Queue[psycopg.AsyncConnection[Any] | None] = asyncio.Queue()
        self._open: set[psycopg.AsyncConnection[Any]] = set()
        self._dropped: set[asyncio.Task[None]] = set()

    async def fill(self) -> None:
        """Open all connections. Raises psycopg.Error."""
        for _ in range(self._size):
            self._free.put_nowait(await self._new())

    async def fetch(self, outcome: Outcome, query: bytes, values: list[Any]) -> list[Any]:
        """Return the rows of `query`, and note when it left and when its answer came. Raises RequestFailed."""

        async def rows(connection: "psycopg.AsyncConnection[Any]") -> list[Any]:
            cursor = await connection.execute(query, values)
            outcome.first_byte = time.monotonic()
            rows = await cursor.fetchall()
            outcome.done = time.monotonic()
            return rows

        return await self.run(outcome, rows)

    async def run(self, outcome: Outcome, use: "Callable[[psycopg.AsyncConnection[Any]], Coroutine[Any, Any, T]]") -> T:
        """Return what `use` makes of a free connection, which it must leave outside of a transaction.

        `sent` is when a connection was free: what a request waited for one is the client's lag. The time that a
        broken connection takes to be made anew is not; it counts in the latency. Raises RequestFailed: sql_40001
        (serialization failure), sql_40P01 (deadlock), sql_ and any other SQLSTATE, timeout, reset, refused.
        """
        import psycopg  # noqa: PLC0415 - an extra

        connection = await self._free.get()
        begin, work = time.monotonic(), None
        try:
            if connection is None:
                connection = await self._again()
            outcome.leave(begin)
            work = asyncio.create_task(use(connection))
            # Cancelled, psycopg first asks the server to stop, for up to 10 s: that is not the request's to wait for.
            return await asyncio.shield(work)
        except psycopg.Error as error:
            raise RequestFailed(_kind(error), str(error)) from error
        finally:
            if connection is not None and (work is None or not work.done() or connection.closed):
                self._drop(connection, work)
                connection = None
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close all connections."""
        for task in self._dropped:
            task.cancel()
        for connection in self._open:
            await connection.close()

    async def _new(self) -> "psycopg.AsyncConnection[Any]":
        connection = await connect(self._target, self._settings)
        self._open.add(connection)
        return connection

    async def _again(self) -> "psycopg.AsyncConnection[Any]":
        import psycopg  # noqa: PLC0415 - an extra

        try:
            return await self._new()
        except psycopg.errors.ConnectionTimeout as error:
            raise RequestFailed("timeout", str(error)) from error
        except psycopg.Error as error:
            raise RequestFailed("refused", str(error)) from error

    def _drop(self, connection: "psycopg.AsyncConnection[Any]", work: "asyncio.Task[Any] | None") -> None:
        """Close a connection once the query on it has let go."""

        async def drop() -> None:
            if work is not None:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            self._open.discard(connection)
            await connection.close()

        task = asyncio.create_task(drop())
        self._dropped.add(task)
        task.add_done_callback(self._dropped.discard)


def _kind(error: "psycopg.Error") -> str:
    if error.sqlstate == _CANCELLED:
        return "timeout"
    return f"sql_{error.sqlstate}" if error.sqlstate else "reset"
