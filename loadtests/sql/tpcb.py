# ruff: noqa: S608 - table names come from a prefix that Options checks to be plain
"""TPC-B as pgbench runs it: money moved between the accounts, tellers and branches of a bank, and a history of it.

Tables and transaction are those of https://www.postgresql.org/docs/16/pgbench.html under names of our own. Whatever the
load was and however it ended, what the accounts, the tellers and the branches gained and the history tells are one sum.
"""

import random
import time
from typing import TYPE_CHECKING, Any

from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.vectors.base import MADE_BY

if TYPE_CHECKING:
    import psycopg

ACCOUNTS, TELLERS, BRANCHES = 100_000, 10, 1
"""Rows for each unit of scale."""
_COLUMNS = {
    "branches": "bid int PRIMARY KEY, bbalance int NOT NULL, filler char(88)",
    "tellers": "tid int PRIMARY KEY, bid int NOT NULL, tbalance int NOT NULL, filler char(84)",
    "accounts": "aid int PRIMARY KEY, bid int NOT NULL, abalance int NOT NULL, filler char(84)",
    "history": "tid int, bid int, aid int, delta int, mtime timestamp, filler char(22)",
}
_ROWS = {
    "branches": f"SELECT i, 0, '' FROM generate_series(1, %s * {BRANCHES}) i",
    "tellers": f"SELECT i, (i - 1) / {TELLERS} + 1, 0, '' FROM generate_series(1, %s * {TELLERS}) i",
    "accounts": f"SELECT i, (i - 1) / {ACCOUNTS} + 1, 0, '' FROM generate_series(1, %s * {ACCOUNTS}) i",
}


class Bank:
    """The four tables, their names after a prefix that is checked to be plain, and what is done with them."""

    def __init__(self, prefix: str, scale: int, seed: int) -> None:
        self._names = {name: f'"{prefix}{name}"' for name in _COLUMNS}
        self._scale = scale
        self._seed = seed
        self.committed = 0
        """Transactions that the server has told us were committed."""
        names = self._names
        self._update_account = f"UPDATE {names['accounts']} SET abalance = abalance + %s WHERE aid = %s".encode()
        self._select = f"SELECT abalance FROM {names['accounts']} WHERE aid = %s".encode()
        self._update_teller = f"UPDATE {names['tellers']} SET tbalance = tbalance + %s WHERE tid = %s".encode()
        self._update_branch = f"UPDATE {names['branches']} SET bbalance = bbalance + %s WHERE bid = %s".encode()
        self._insert = (
            f"INSERT INTO {names['history']} (tid, bid, aid, delta, mtime) VALUES (%s, %s, %s, %s, CURRENT_TIMESTAMP)"
        ).encode()

    async def make(self, connection: "psycopg.AsyncConnection[Any]") -> dict[str, Any]:
        """Make the tables anew. Raises SetupError where one is there that no load made, psycopg.Error."""
        begin = time.monotonic()
        for table in self._names.values():
            asked = "SELECT obj_description(to_regclass(%s), 'pg_class') WHERE to_regclass(%s) IS NOT NULL"
            there = await (await connection.execute(asked, [table, table])).fetchone()
            if there is not None and there[0] != MADE_BY:
                raise SetupError(f"table {table} is there and not of our making: give the load another `table_prefix`")
        for name, table in self._names.items():
            await connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
            await connection.execute(f"CREATE TABLE {table} ({_COLUMNS[name].replace(' PRIMARY KEY', '')})".encode())
            await connection.execute(f"COMMENT ON TABLE {table} IS '{MADE_BY}'".encode())
            if rows := _ROWS.get(name):
                await connection.execute(f"INSERT INTO {table} {rows}".encode(), [self._scale])
                await connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({_COLUMNS[name].split()[0]})".encode())
            await connection.execute(f"VACUUM ANALYZE {table}".encode())
        return {"accounts": self._scale * ACCOUNTS, "fill_seconds": round(time.monotonic() - begin, 3)}

    async def check(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        """Make sure that the tables are there and a load's. Raises SetupError, psycopg.Error."""
        for table in self._names.values():
            row = await (await connection.execute("SELECT to_regclass(%s)", [table])).fetchone()
            if row is None or row[0] is None:
                raise SetupError(f"table {table} is not there: the load was not set up")

    async def transfer(self, connection: "psycopg.AsyncConnection[Any]", number: int, outcome: Outcome) -> None:
        """Run transaction `number`: five statements between BEGIN and COMMIT. Raises RequestFailed, psycopg.Error."""
        draw = random.Random(f"{self._seed}/{number}")  # noqa: S311 - no secret
        account, teller = draw.randint(1, ACCOUNTS * self._scale), draw.randint(1, TELLERS * self._scale)
        branch, delta = draw.randint(1, BRANCHES * self._scale), draw.randint(-5000, 5000)
        async with connection.transaction():
            _one("UPDATE of accounts", await connection.execute(self._update_account, [delta, account]))
            outcome.first_byte = time.monotonic()
            _one("SELECT of accounts", await connection.execute(self._select, [account]))
            _one("UPDATE of tellers", await connection.execute(self._update_teller, [delta, teller]))
            _one("UPDATE of branches", await connection.execute(self._update_branch, [delta, branch]))
            _one("INSERT into history", await connection.execute(self._insert, [teller, branch, account, delta]))
        outcome.done = time.monotonic()
        self.committed += 1

    async def look(self, connection: "psycopg.AsyncConnection[Any]", number: int, outcome: Outcome) -> None:
        """Read the balance of one account. Raises RequestFailed, psycopg.Error."""
        account = random.Random(f"{self._seed}/{number}").randint(1, ACCOUNTS * self._scale)  # noqa: S311 - no secret
        cursor = await connection.execute(self._select, [account])
        outcome.first_byte = time.monotonic()
        _one("SELECT of accounts", cursor)
        outcome.done = time.monotonic()

    async def verify(self, connection: "psycopg.AsyncConnection[Any]", committed: int) -> dict[str, Any]:
        """Hold the sums of all tables against each other, in one snapshot, and the history against what was committed.

        `committed`: transactions that the server has told all processes of the load were. Raises RequestFailed,
        psycopg.Error.
        """
        columns = {"accounts": "abalance", "tellers": "tbalance", "branches": "bbalance", "history": "delta"}
        sums = ", ".join(
            f"(SELECT coalesce(sum({column}), 0) FROM {self._names[name]})" for name, column in columns.items()
        )
        query = f"SELECT {sums}, (SELECT count(*) FROM {self._names['history']})"
        row = await (await connection.execute(query.encode())).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM gives one row
        *totals, moved = map(int, row)
        if len(set(totals)) > 1:
            said = ", ".join(f"{name} {total}" for name, total in zip(columns, totals, strict=True))
            raise RequestFailed("invariant", f"TPC-B: these sums must be one, and are: {said}")
        if moved < committed:
            said = f"{moved} rows of history, but {committed} transactions that were told to be committed"
            raise RequestFailed("lost_commits", said)
        return {"tpcb_sum": totals[0], "tpcb_history": moved, "tpcb_committed": committed}


def _one(what: str, cursor: "psycopg.AsyncCursor[Any]") -> None:
    if cursor.rowcount != 1:
        raise RequestFailed("wrong_answer", f"{what}: {cursor.rowcount} rows, not 1")
