"""k6's `vector` script against a real Chroma server."""

import contextlib
import shutil

import pytest
import requests
import yaml

from loadtests import dataset
from loadtests.dataset import DatasetOptions
from loadtests.plan import Target
from tests.loadtests import programs
from tests.loadtests.test_real_k6 import load
from tests.loadtests.tools import free_port

pytestmark = [pytest.mark.heavy, pytest.mark.timing]

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@pytest.fixture(scope="module")
def target():
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


def test_neighbours_in_order(target, tmp_path):
    """k neighbours, the nearest first; more than there are vectors is a wrong answer."""
    made = requests.post(
        target.url + COLLECTIONS, json={"name": "made-for-k6", "get_or_create": True}, timeout=10
    ).json()
    vectors = dataset.make(DatasetOptions.model_validate({"n": 200, "dim": 8}), 1).base
    body = {"ids": [str(row) for row in range(200)], "embeddings": vectors.tolist()}
    requests.post(f"{target.url}{COLLECTIONS}/{made['id']}/add", json=body, timeout=10).raise_for_status()
    even = {"name": "steady", "for": 1, "rate": 20, "arrival": "constant"}
    asked = {"database": "chroma", "collection": made["id"], "dim": 8, "k": 5}
    _, frame, done = load(tmp_path, even, target=target, options={"vector": asked})
    assert done.returncode == 0, done.stderr
    assert frame.ok.all()
    assert len(frame) == pytest.approx(20, abs=2)
    (tmp_path / "b").mkdir()
    _, frame, _ = load(tmp_path / "b", even, target=target, options={"vector": {**asked, "k": 300}})
    assert set(frame.error) == {"wrong_answer"}
