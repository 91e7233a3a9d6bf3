"""Further whole runs in which one thing goes wrong, as `tests/jobs/test_faults.py` has them."""

from pathlib import Path

import pytest

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
