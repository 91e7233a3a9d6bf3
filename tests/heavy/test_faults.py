"""Further whole runs in which one thing goes wrong, as `tests/jobs/test_faults.py` has them."""

import json
from pathlib import Path

import psycopg
import pytest

from runs.directory import RunDirectory
from tests.jobs.driver import Driver
from tests.jobs.test_faults import Case, Together, carried_out, stands_still, steady

pytestmark = [pytest.mark.heavy, pytest.mark.real, pytest.mark.timing]

_QUOTA = Path("/sys/fs/cgroup/cpu/dashcam-test-quota")


def held_back(driver: Driver) -> None:
    """Give the load a tenth of a core."""
    (_QUOTA / "cpu.cfs_quota_us").write_text("10000")
    for thread in Path(f"/proc/{driver.pid('load')}/task").iterdir():
        (_QUOTA / "tasks").write_text(thread.name)


CASES = {
    "slow-page": (Case("good,takes=0.02", steady(5), argv="slow=3"), "targets_up"),
    "burst-of-503": (Case("burst,since=60,until=75,takes=0.02", steady(4)), "failures"),
    "redirect": (Case("status,code=302", steady(2)), "failures"),
    "usage-that-lies": (Case("mixed,bad=short_count,every=5,takes=0.02", steady(4)), "counts_agree"),
    "torn": (Case("mixed,bad=torn,every=50,takes=0.02", steady(4)), "right_answers"),
    "hangs-for-long": (Case("good,takes=0.02", steady(14, 40), stands_still("app", 10), interval="1s"), "failures"),
    "hangs-no-time-out": (
        Case("good,takes=0.02", steady(12, 60), stands_still("app", 6), interval="1s", limit="30s"),
        "targets_up",
    ),
    "one-stall": (Case("good,takes=0.02", steady(6, 80), stands_still("app", 2), interval="1s", limit="5s"), None),
    "low-rate": (Case("good,takes=0.1", steady(8, 2, arrival="poisson"), exporters="node, cgroup, process"), None),
    "one-user": (Case("good,takes=0.05", ({"name": "steady", "for": 6, "users": 1},), exporters="node, process"), None),
    "bursts": (Case("good,takes=0.02", steady(6, 50, arrival="gamma", burstiness=0.1), exporters="node"), None),
    "steps": (Case("queue,takes=0.005", ({"name": "steady", "for": 2, "steps": [20, 60, 100]},)), None),
    "high-rate": (Case("good,takes=0.005", steady(4, 400, arrival="poisson")), None),
    "a-second": (Case("good,takes=0.02", steady(1, 30)), None),
}
"""Runs, and the one rule that makes each INVALID; None: it is VALID."""


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The cases, two at once: some are timed."""
    made = Together(tmp_path_factory.mktemp("together"), {name: case for name, (case, _) in CASES.items()}, at_once=2)
    yield made
    made.wait()


@pytest.mark.parametrize("name", CASES)
def test_one_fault_is_one_reason(together, name):
    """Each fault is the only reason; what is none is VALID."""
    expected = CASES[name][1]
    assert set(together.result(name).invalid) == ({expected} if expected else set())


def test_a_client_that_a_quota_holds_back(together, tmp_path):
    """It uses little, and is the bottleneck all the same: its users wait for it and not for the service."""
    together.wait()
    try:
        _QUOTA.mkdir()
    except OSError as error:
        pytest.skip(f"no control group of our own can be made here (v1, as root): {error}")
    try:
        case = Case("good,takes=0.001", ({"name": "steady", "for": 4, "users": 8},), held_back)
        assert set(carried_out(tmp_path, case).invalid) == {"client_cpu"}
    finally:
        _QUOTA.rmdir()


def test_other_places_and_tongues(tmp_path, monkeypatch):
    """The machine's time zone and language change nothing."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    found = carried_out(tmp_path, Case("good,takes=0.02", steady(2, 60), exporters="node, cgroup, process"))
    assert found.invalid == {}


SEARCHES = """\
name: recall
watch: {interval: 500ms, exporters: []}
services: {vectors: {kind: pgvector}}
load:
  generator: vector
  dataset: {kind: clustered, n: 2000, dim: 16, seed: 1}
  queries: 600
  k: 5
  phases:
    - {name: warmup, for: 1s, rate: 20, arrival: constant}
    - {name: steady, for: 8s, rate: 60, arrival: constant}
"""


def test_rows_that_vanish_under_a_search(tmp_path):
    """Half of the vectors are deleted in the middle: what is found then is not what was asked for, quick as it is."""
    driver = Driver(tmp_path / "recordings")
    driver.recipe.write_text(SEARCHES)
    child = driver.start("run", str(driver.recipe))
    driver.wait_phase("steady")
    run = RunDirectory(driver.runs()[-1])
    driver.wait("the middle", lambda: json.loads((run.load / "progress.json").read_text())["done"] > 260)
    port = next(process["port"] for process in driver.manifest()["processes"] if process["name"] == "vectors")
    (password,) = run.live.rglob("vectors.password")
    facts = {"host": "127.0.0.1", "port": port, "user": "dashcam", "dbname": "dashcam"}
    with psycopg.connect(**facts, password=password.read_text().strip(), autocommit=True) as connection:
        connection.execute("DELETE FROM dashcam_items WHERE id % 2 = 0")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 3, out + err
    found = json.loads(run.summary.read_bytes())["findings"]
    assert {one["rule"] for one in found if one["level"] == "invalid"} == {"recall_steady"}, found
    assert driver.left() == []
