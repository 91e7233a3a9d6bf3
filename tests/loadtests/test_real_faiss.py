"""The `vector` generator against Faiss: in process, and our server over HTTP as a run starts it."""

import asyncio
import contextlib
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc
import pytest
import requests

from loadtests.generators import registry
from loadtests.outcome import Outcome, SetupError
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.programs import SECRET
from tests.loadtests.tools import a_load, drive, free_port

pytestmark = [pytest.mark.real]

HEADERS = {"Authorization": f"Bearer {SECRET}"}
DATA = {"kind": "clustered", "n": 3000, "dim": 16, "seed": 1}


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Keep the truth of a test in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def server() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.scratch() as place:
        secret, port = place / "key", free_port()
        secret.write_text(SECRET)
        url = f"http://127.0.0.1:{port}"
        argv = ["--host", "127.0.0.1", "--port", str(port), "--token-file", str(secret), "--threads", "2"]

        def ready() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{url}/metrics", headers=HEADERS, timeout=5).status_code == 200
            return False

        with programs.running([sys.executable, "-m", "jobs.services.faiss_server", *argv], place / "log", ready):
            yield Target(protocol="faiss", url=url, secret_file=secret)


@pytest.fixture(params=["server", "in-process"])
def target(request) -> Target:
    """Give each of the two."""
    return (
        request.getfixturevalue("server") if request.param == "server" else Target(protocol="faiss", url="in-process:")
    )


def vector(target, load, **options):
    """Make the generator."""
    kind = registry()["vector"]
    return kind.create(target, kind.Options.model_validate({"dataset": DATA, "queries": 100, **options}), load)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize(
    ("options", "least"),
    [
        ({"index": "none"}, 1.0),
        ({"index": "none", "filter": {"selectivity": 0.05}}, 1.0),
        ({"index": "hnsw", "filter": {"selectivity": 0.5}, "ef_search": 100}, 0.7),
        ({"index": "ivfflat", "probes": 20, "filter": {"selectivity": 0.5}}, 0.7),
    ],
)
def test_answers_are_near_the_truth(target, tmp_path, metric, options, least):
    """Exact search has recall 1, under a filter too; an index comes near, for both metrics."""
    load = a_load({"name": "steady", "for": 0.5, "rate": 100, "arrival": "constant"}, seed=5)
    table, engine = drive(load, vector(target, load, metric=metric, **options), tmp_path)
    assert engine.errors == {}
    assert table.num_rows == 50
    assert np.mean(table["recall"].to_pylist()) >= least


def test_more_candidates_find_more(target, tmp_path):
    """A sweep in one run: each value gets the same number of requests, and recall rises with it."""
    load = a_load({"name": "steady", "for": 1, "rate": 200, "arrival": "constant"}, seed=5)
    data = {"kind": "random", "n": 5000, "dim": 24, "seed": 1}
    options = {"index": "hnsw", "m": 6, "sweep": {"ef_search": [10, 40, 160]}, "dataset": data}
    table, engine = drive(load, vector(target, load, **options), tmp_path)
    assert engine.errors == {}
    recalls = []
    for ef in (10, 40, 160):
        part = table.filter(pc.equal(table["operation"], f"ef_search={ef}"))
        assert part.num_rows in (66, 67)
        recalls.append(np.mean(part["recall"].to_pylist()))
    assert recalls[0] < recalls[1] < recalls[2]


def test_the_collection_of_another_is_left_alone(server):
    """A collection that no load made is not deleted."""
    url = f"{server.url}/collections/precious"
    assert requests.put(url, headers=HEADERS, json={"dim": 3, "made_by": "somebody"}, timeout=5).status_code == 200

    async def fill():
        generator = vector(server, a_load({"name": "steady", "for": 1, "rate": 1}), collection="precious")
        with pytest.raises(SetupError, match="not of our making"):
            await generator.setup()
        await generator.close()

    asyncio.run(fill())
    assert requests.get(url, headers=HEADERS, timeout=5).json()["made_by"] == "somebody"


def test_the_server_refuses_what_it_must(server):
    """Strangers, wrong dimensions, unknown collections and impossible requests each get a status of their own."""
    url = f"{server.url}/collections/mine"

    def ask(method, path, **more):
        return requests.request(method, url + path, headers={**HEADERS, **more.pop("headers", {})}, timeout=5, **more)

    assert requests.get(f"{server.url}/metrics", timeout=5).status_code == 401
    assert requests.post(f"{url}/search", headers={"Authorization": "Bearer wrong"}, timeout=5).status_code == 401
    assert ask("POST", "/search?k=1", data=b"").status_code == 404
    assert ask("PUT", "", json={"dim": 3, "index": "other"}).status_code == 400
    assert ask("PUT", "", data=b"[]").status_code == 400
    assert ask("PUT", "", json={"dim": 3, "index": "none", "metric": "l2"}).status_code == 200
    assert ask("PUT", "", json={"dim": 3}).status_code == 409
    vectors = np.eye(3, dtype="<f4")
    assert ask("POST", "/vectors", data=vectors.tobytes()[:-1]).status_code == 400
    assert ask("POST", "/search?k=1", data=vectors[0].tobytes()).status_code == 409
    assert ask("POST", "/vectors", data=vectors.tobytes()).status_code == 200
    assert ask("POST", "/build").json() == {"vectors": 3}
    assert ask("POST", "/vectors", data=vectors.tobytes()).status_code == 409
    found = ask("POST", "/search?k=2", json={"vector": [0, 0.9, 0.5]}).json()
    assert found["ids"] == [1, 2]
    assert found["distances"] == pytest.approx([(0.01 + 0.25) ** 0.5, (0.81 + 0.25) ** 0.5])
    for bad in (vectors[0, :2].tobytes(), b"xyz"):
        assert ask("POST", "/search?k=1", data=bad).status_code == 400
    assert ask("POST", "/search?k=0", data=vectors[0].tobytes()).status_code == 400
    assert ask("POST", "/search?k=1&below=5", data=vectors[0].tobytes()).status_code == 400
    assert ask("POST", "/search?k=1", json={"vector": None}).status_code == 400
    page = requests.get(f"{server.url}/metrics", headers=HEADERS, timeout=5).text
    assert 'faiss_requests_total{code="409",operation="vectors"} 1.0' in page
    assert "faiss_search_seconds_bucket" in page
    assert ask("DELETE", "").status_code == 200
    assert ask("GET", "").status_code == 404


async def test_the_second_process_attaches(target):
    """A generator that attaches searches what another has filled; in process it builds an index of its own."""
    load = a_load({"name": "steady", "for": 1, "rate": 1})
    first, second = vector(target, load, index="none"), vector(target, load, index="none")
    await first.setup()
    await second.attach()
    outcome = Outcome()
    await second.request(3, outcome)
    assert outcome.recall == 1.0
    assert outcome.sent is not None
    await first.close()
    await second.close()
