"""The `vector` generator against a real Chroma server; a whole run is in test_services."""

import contextlib
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
import requests
import yaml

from loadtests.generators import registry
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.tools import a_load, drive, free_port

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timing,
]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Keep the truth of a test in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """Keep one server for the tests of this file."""
    with programs.scratch() as place:
        port = free_port()
        config = {"port": port, "listen_address": "127.0.0.1", "persist_path": str(place / "data")}
        (place / "config.yaml").write_text(yaml.safe_dump(config))
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{url}/api/v2/heartbeat", timeout=5).status_code == 200
            return False

        binary = shutil.which("chroma")
        assert binary
        with programs.running([binary, "run", str(place / "config.yaml")], place / "log", ready):
            yield Target(protocol="chroma", url=url)


def vector(target, load, **options):
    """Make the generator."""
    kind = registry()["vector"]
    data = {"kind": "clustered", "n": 2000, "dim": 16, "seed": 1}
    return kind.create(target, kind.Options.model_validate({"dataset": data, "queries": 100, **options}), load)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("more", [{}, {"filter": {"selectivity": 0.1}}])
def test_answers_are_near_the_truth(target, tmp_path, metric, more):
    """With and without a filter, twice over the same collection, nearly all neighbours are found."""
    load = a_load({"name": "steady", "for": 1, "rate": 50, "arrival": "constant"}, seed=5)
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        generator = vector(target, load, metric=metric, ef_search=100, **more)
        table, engine = drive(load, generator, tmp_path / place)
        assert engine.errors == {}
        assert table.num_rows == 50
        assert np.mean(table["recall"].to_pylist()) > 0.95


def test_few_candidates_miss_some(target, tmp_path):
    """A small ef_search reaches the index: recall falls."""
    load = a_load({"name": "steady", "for": 1, "rate": 50, "arrival": "constant"}, seed=5)
    data = {"kind": "random", "n": 5000, "dim": 32, "seed": 1}
    table, engine = drive(load, vector(target, load, m=4, ef_construction=10, ef_search=10, dataset=data), tmp_path)
    assert engine.errors == {}
    assert 0.1 < np.mean(table["recall"].to_pylist()) < 0.9


async def test_failures_have_names(target):
    """A vector of the wrong dimension is refused with its status; a collection of another is left alone."""
    load = a_load({"name": "steady", "for": 1, "rate": 1})
    generator = vector(target, load, ef_search=100)
    await generator.setup()
    generator._queries = [b"[1.0,2.0]"] * 100
    with pytest.raises(RequestFailed, match=r"http_400.*dimension of 16, got 2"):
        await generator.request(0, Outcome())
    await generator.close()
    places = f"{target.url}/api/v2/tenants/default_tenant/databases/default_database/collections"
    assert requests.post(places, json={"name": "precious"}, timeout=5).status_code == 200  # noqa: ASYNC210 - one call
    generator = vector(target, load, collection="precious")
    with pytest.raises(SetupError, match="not of our making"):
        await generator.setup()
    await generator.close()
    assert requests.get(f"{places}/precious", timeout=5).status_code == 200  # noqa: ASYNC210 - one call
