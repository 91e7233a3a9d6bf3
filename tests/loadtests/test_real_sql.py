"""The `sql` generator against a real PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from loadtests.generators import registry
from loadtests.generators.base import Verifies
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, free_port, seconds

pytestmark = pytest.mark.real

LOAD = a_load({"name": "steady", "for": 2, "rate": 80}, generator="sql", seed=5, timeout=1)


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.pgvector() as target:
        yield target


def sql(target, load=LOAD, **options):
    """Make the generator."""
    kind = registry()["sql"]
    return kind.create(target, kind.Options.model_validate({"connections": 4, **options}), load)


def admin(target):
    """Open a connection beside the load's."""
    return psycopg.connect(target.url, password=programs.SECRET, autocommit=True)


async def kind_of(generator, number):
    """Send a request; returns the kind of its failure, or None."""
    try:
        await generator.request(number, Outcome())
    except RequestFailed as failure:
        return failure.kind
    return None


async def test_the_bank_balances(target, tmp_path):
    """A mix of transfers and look-ups succeeds; the sums of all tables are one, and every commit is in the history."""
    generator, notes = sql(target, mix={"tpcb": 3, "select": 1}), {}
    close = generator.close

    async def verify():
        notes.update(await generator.verify([generator.tell()]))
        await close()

    generator.close = verify
    table, engine = await asyncio.to_thread(drive, LOAD, generator, tmp_path)
    assert engine.errors == {}
    counts = Counter(table["operation"].to_pylist())
    assert counts.keys() == {"tpcb", "select"}
    assert counts["tpcb"] > 2 * counts["select"]
    assert (seconds(table, "done", "first_byte") >= 0).all()
    assert notes["tpcb_history"] == notes["tpcb_committed"] == counts["tpcb"]
    with admin(target) as connection:
        row = connection.execute("SELECT sum(abalance), count(*) FROM dashcam_accounts").fetchone()
    assert row == (notes["tpcb_sum"], 100_000)


async def test_a_bank_that_does_not_balance_is_found(target):
    """A balance that somebody else changed, and commits that are gone, are each a violation with its kind."""
    generator = sql(target)
    assert isinstance(generator, Verifies)
    await generator.setup()
    other = sql(target)
    await other.attach()
    assert [await kind_of(other, number) for number in range(5)] == [None] * 5
    assert (await generator.verify([generator.tell()]))["tpcb_history"] == 5
    with admin(target) as connection:
        connection.execute("UPDATE dashcam_accounts SET abalance = abalance + 1 WHERE aid = 7")
        with pytest.raises(RequestFailed, match="invariant: TPC-B: these sums must be one"):
            await generator.verify([generator.tell()])
        connection.execute("UPDATE dashcam_accounts SET abalance = abalance - 1 WHERE aid = 7")
        await generator.verify([generator.tell()])
        for table, column in (("accounts", "abalance"), ("tellers", "tbalance"), ("branches", "bbalance")):
            connection.execute(f"UPDATE dashcam_{table} SET {column} = 0".encode())  # noqa: S608 - names above
        connection.execute("TRUNCATE dashcam_history")
        await generator.verify([generator.tell()])
        with pytest.raises(RequestFailed, match="lost_commits: 0 rows of history, but 5"):
            await generator.verify([generator.tell(), other.tell()])
        connection.execute("DELETE FROM dashcam_branches")
        assert await kind_of(generator, 3) == "wrong_answer"
    await generator.close()
    await other.close()


async def test_tables_of_others_are_left_alone(target):
    """A table that no load made is not dropped; nor are others before it was seen."""
    with admin(target) as connection:
        connection.execute("CREATE TABLE theirs_accounts (id int)")
        generator = sql(target, table_prefix="theirs_")
        with pytest.raises(SetupError, match="not of our making"):
            await generator.setup()
        await generator.close()
        connection.execute("SELECT * FROM theirs_accounts")
    generator = sql(target, table_prefix="nobodys_")
    with pytest.raises(SetupError, match="was not set up"):
        await generator.attach()
    await generator.close()
    generator = sql(target.model_copy(update={"url": f"postgresql://dashcam@127.0.0.1:{free_port()}/dashcam"}))
    with pytest.raises(SetupError, match="PostgreSQL at postgresql://"):
        await generator.setup()
    await generator.close()


STATEMENTS = """\
statements:
  there: {sql: SELECT n FROM pair WHERE id = 1, rows: 1}
  more: {sql: SELECT n FROM pair, rows: 1}
  back:
    sql: ["UPDATE pair SET n = n + 1 WHERE id = 1", "SELECT pg_sleep(0.2)", "UPDATE pair SET n = n + 1 WHERE id = 2"]
  forth:
    sql: ["UPDATE pair SET n = n + 1 WHERE id = 2", "SELECT pg_sleep(0.2)", "UPDATE pair SET n = n + 1 WHERE id = 1"]
  bad: {sql: SELECT nonsense}
  slow: {sql: SELECT pg_sleep(5)}
  drawn: {sql: "SELECT %(x)s::int + 1", parameters: {x: {integer: [1, 1000]}}, rows: 1}
"""


async def by_name(generator, *names):
    """Send one request of each name at once; returns the kinds of their failures."""
    numbers = [next(n for n in range(1000) if generator._mix.of(n)[0] == name) for name in names]
    return await asyncio.gather(*(kind_of(generator, number) for number in numbers))


async def test_statements_of_a_file(target, tmp_path):
    """Statements are told apart by name; rows are counted; deadlock, conflict and error go by their SQLSTATE."""
    (tmp_path / "s.yaml").write_text(STATEMENTS)
    with admin(target) as connection:
        connection.execute("CREATE TABLE pair (id int PRIMARY KEY, n int); INSERT INTO pair VALUES (1, 0), (2, 0)")
        connection.execute("ALTER DATABASE dashcam SET deadlock_timeout = '100ms'")
    generator = sql(target, statements=str(tmp_path / "s.yaml"), connections=7)
    notes = await generator.setup()
    assert notes["weights"].keys() == {"there", "more", "back", "forth", "bad", "slow", "drawn"}
    assert await by_name(generator, "there", "more", "drawn", "bad") == [None, "wrong_answer", None, "sql_42703"]
    assert await by_name(generator, "slow") == ["timeout"]
    assert sorted(map(str, await by_name(generator, "back", "forth"))) == ["None", "sql_40P01"]
    assert await by_name(generator, "there", "back") == [None, None]
    assert await generator.verify([generator.tell()]) == {}
    await generator.close()
    strict = sql(target, statements=str(tmp_path / "s.yaml"), isolation="serializable")
    await strict.setup()
    number = next(n for n in range(1000) if strict._mix.of(n)[0] == "back")
    kinds = await asyncio.gather(kind_of(strict, number), kind_of(strict, number))
    assert sorted(map(str, kinds)) == ["None", "sql_40001"]
    await strict.close()
