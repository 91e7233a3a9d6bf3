"""The `vector` generator against a real PostgreSQL with pgvector."""

import asyncio
import os
import signal
from collections.abc import Iterator

import numpy as np
import psycopg
import pyarrow.compute as pc
import pytest

from loadtests.generators import registry
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, free_port, seconds

pytestmark = [pytest.mark.real, pytest.mark.timing]

SMALL = {"dataset": {"n": 300, "dim": 8, "seed": 1}, "index": "none", "queries": 20, "connections": 2}


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.pgvector() as target:
        yield target


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Keep the truth of a test in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def vector(target, load, **options):
    """Make the generator."""
    kind = registry()["vector"]
    return kind.create(target, kind.Options.model_validate(options), load)


def admin(target):
    """Open a connection beside the load's."""
    return psycopg.connect(target.url, password=programs.SECRET, autocommit=True)


def recall(target, tmp_path, **options):
    """Run a short load; returns its mean recall and the generator's notes."""
    notes = {}
    load = a_load({"name": "steady", "for": 1, "rate": 100}, seed=5)
    generator = vector(target, load, queries=100, **options)
    setup = generator.setup

    async def note():
        notes.update(await setup())
        return notes

    generator.setup = note
    table, engine = drive(load, generator, tmp_path)
    assert engine.errors == {}
    assert table.num_rows > 50
    assert (seconds(table, "done", "sent") > 0).all()
    return np.mean(table["recall"].to_pylist()), notes


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_exact_search_has_recall_one(target, tmp_path, metric):
    """Without an index PostgreSQL's answer is the oracle's, for both metrics."""
    data = {"kind": "clustered", "n": 2000, "dim": 32, "seed": 1}
    mean, notes = recall(target, tmp_path, index="none", metric=metric, dataset=data)
    assert mean == 1.0
    assert notes["plan"] == "Seq Scan on dashcam_items"
    assert len(notes["oracle_sha256"]) == len(notes["dataset_sha256"]) == 64


@pytest.mark.parametrize("index", [{"index": "hnsw", "m": 8, "ef_search": 10}, {"index": "ivfflat", "probes": 8}])
def test_an_index_that_looks_at_little_misses_some(target, tmp_path, index):
    """HNSW with few candidates, and IVFFlat with few lists, find more than half and not all."""
    mean, notes = recall(target, tmp_path, **index, dataset={"kind": "random", "n": 5000, "dim": 24, "seed": 1})
    assert 0.5 < mean < 1.0
    assert notes["plan"].startswith("Index Scan")
    assert notes["index_seconds"] > 0


def test_setup_again_and_a_table_of_another_name(target, tmp_path):
    """A load makes its table anew; the name may be any, a keyword too."""
    for _ in range(2):
        mean, _ = recall(target, tmp_path, index="none", collection="user", dataset={"n": 500, "dim": 4})
        assert mean == 1.0


def test_a_sweep_shows_recall_against_candidates(target, tmp_path):
    """Each value of ef_search gets every other request and the same queries; more candidates find more."""
    load = a_load({"name": "steady", "for": 2, "rate": 100, "arrival": "constant"}, seed=5)
    data = {"kind": "random", "n": 5000, "dim": 24, "seed": 1}
    table, engine = drive(load, vector(target, load, sweep={"ef_search": [10, 80]}, m=8, dataset=data), tmp_path)
    assert engine.errors == {}
    few, many = (table.filter(pc.equal(table["operation"], f"ef_search={ef}")) for ef in (10, 80))
    assert few.num_rows == many.num_rows == 100
    assert 0.3 < np.mean(few["recall"]) < np.mean(many["recall"]) - 0.1


@pytest.mark.parametrize("index", [{"index": "none"}, {"index": "hnsw"}, {"index": "ivfflat", "probes": 20}])
def test_a_filter_is_held_to(target, tmp_path, index):
    """Among a tenth of the vectors the answers are whole and pass the filter; exact search finds the truth of it."""
    data = {"kind": "clustered", "n": 3000, "dim": 16, "seed": 1}
    mean, notes = recall(target, tmp_path, **index, filter={"selectivity": 0.1}, dataset=data)
    assert 240 < notes["filter_passes"] < 360
    assert mean == 1.0 if index == {"index": "none"} else mean > 0.5


async def test_another_process_attaches(target):
    """A second generator searches what the first has filled, with the truth from the cache."""
    load = a_load({"name": "steady", "for": 1, "rate": 1})
    first, second = vector(target, load, **SMALL), vector(target, load, **SMALL)
    await first.setup()
    await second.attach()
    assert second._oracle.from_cache
    for generator in (first, second):
        outcome = Outcome()
        await generator.request(3, outcome)
        assert outcome.recall == 1.0
        await generator.close()


async def test_the_table_of_another_is_left_alone(target):
    """A table that no load made is not dropped: the set-up fails and says so."""
    with admin(target) as connection:
        connection.execute("CREATE TABLE precious (id int)")
    generator = vector(target, a_load({"name": "steady", "for": 1, "rate": 1}), **SMALL, collection="precious")
    with pytest.raises(SetupError, match="not of our making"):
        await generator.setup()
    await generator.close()
    with admin(target) as connection:
        connection.execute("SELECT * FROM precious")


async def test_set_up_that_cannot_connect(target, tmp_path):
    """A wrong password or port is a SetupError that names the server and not the password."""
    wrong = tmp_path / "wrong"
    wrong.write_text("a-wrong-one")
    for bad in ({"secret_file": wrong}, {"url": f"postgresql://dashcam@127.0.0.1:{free_port()}/dashcam"}):
        generator = vector(target.model_copy(update=bad), a_load({"name": "steady", "for": 1, "rate": 1}), **SMALL)
        with pytest.raises(SetupError, match="PostgreSQL at postgresql://") as caught:
            await generator.setup()
        assert "a-wrong-one" not in str(caught.value)
        await generator.close()


async def kinds(generator, count):
    """Send requests; returns the kinds of their failures."""

    async def one(number):
        try:
            async with asyncio.timeout(5):
                await generator.request(number, Outcome())
        except RequestFailed as failure:
            return failure.kind
        return None

    return [await one(number) for number in range(count)]


async def test_failures_have_names_and_pass(target):
    """Wrong answers, ended connections and slow answers each have a kind, and what comes after them is good again."""
    load = a_load({"name": "steady", "for": 1, "rate": 1}, timeout=0.3)
    generator = vector(target, load, **SMALL)
    await generator.setup()
    with admin(target) as connection:
        assert await kinds(generator, 3) == [None] * 3
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"
        connection.execute("SELECT pg_terminate_backend(pid) " + others)
        assert await kinds(generator, 4) == ["sql_57P01", "sql_57P01", None, None]
        with connection.transaction():
            connection.execute("LOCK TABLE dashcam_items IN ACCESS EXCLUSIVE MODE")
            assert await kinds(generator, 3) == ["timeout"] * 3  # the server's own, by statement_timeout
        assert await kinds(generator, 3) == [None] * 3
        connection.execute("DELETE FROM dashcam_items WHERE id > 5")
        assert await kinds(generator, 1) == ["short_answer"]
        connection.execute("UPDATE dashcam_items SET id = id + 1000000")
        assert await kinds(generator, 1) == ["wrong_answer"]
    await generator.close()


def test_a_cancelled_request_costs_its_connection_only(target, tmp_path):
    """Requests cut off by the drain are recorded at once, while the server still holds their connections."""
    load = a_load({"name": "steady", "for": 0.5, "rate": 20, "arrival": "constant"}, drain=0.2)
    generator = vector(target, load, **SMALL)
    with admin(target) as connection:

        async def meanwhile(_engine):
            await asyncio.sleep(0.1)
            connection.execute("BEGIN; LOCK TABLE dashcam_items IN ACCESS EXCLUSIVE MODE")

        table, engine = drive(load, generator, tmp_path, meanwhile)
        connection.execute("ROLLBACK")
    assert table.num_rows == 10
    assert engine.errors["drained"] >= 6
    waiting = table.filter(table["sent"].is_null())
    assert waiting.num_rows == engine.errors["drained"] - 2  # two connections, the others never left
    assert seconds(table, "done", "intended").max() < 1.2


def test_a_server_that_is_gone_is_refused(tmp_path):
    """When the server dies under a load, requests fail as what they are, not as timeouts of ours."""
    load = a_load({"name": "steady", "for": 1, "rate": 20, "arrival": "constant"})
    with programs.pgvector() as own:
        generator = vector(own, load, **SMALL)

        async def meanwhile(_engine):
            await asyncio.sleep(0.3)
            with psycopg.connect(own.url, password=programs.SECRET) as connection:
                row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
            os.kill(int(row[0].split()[0]), signal.SIGQUIT)  # immediate shutdown

        table, engine = drive(load, generator, tmp_path, meanwhile)
    assert table["error"].to_pylist()[:4] == [None] * 4
    assert engine.errors["refused"] > 5
    assert "timeout" not in engine.errors
