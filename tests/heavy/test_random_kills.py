"""Fifty runs killed in every way at random moments, in the Slurm lab and here, and what is left of each."""

import copy
import json
import os
import random
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runs.directory import RunDirectory
from tests.heavy import kills
from tests.heavy.kills import Kind, Row, Victim
from tests.jobs.cluster import Cluster
from tests.jobs.driver import Driver
from tests.lab.errors import poll

pytestmark = pytest.mark.heavy

AT_ONCE = int(os.environ.get("DASHCAM_KILLS_AT_ONCE", "5"))


@pytest.fixture(scope="module")
def cluster(slurm_lab):
    """The lab, used by dashcam, with the tests' service where its user can read it."""
    cluster = Cluster(slurm_lab)
    site = Path(cluster.environment["PYTHONPATH"])
    if not (site / "tests").is_dir():
        shutil.copytree(Path(__file__).parents[1], site / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    return cluster


def in_slurm(cluster, kind):
    """Submit a run of two nodes, in a place of its own."""
    own = copy.copy(cluster)
    own.root = cluster.lab.user_dir()
    recipe = own.root / "kills.yaml"
    text = kills.recipe(kind, cluster.python, nodes=2)
    recipe.write_text(text)
    recipe.chmod(0o644)
    answer = json.loads(own.call("submit", str(recipe), "--json").stdout)
    return Victim(RunDirectory(Path(answer["path"])), own.call, own.lab, answer["job"])


def here(place, kind):
    """Start a run on this machine."""
    driver = Driver(place)
    driver.recipe.write_text(kills.recipe(kind, sys.executable, nodes=1))
    checkout = str(Path(__file__).parents[2])  # the service is a test's
    command = driver.start("run", str(driver.recipe), PYTHONPATH=checkout)
    path = poll(lambda: next(iter(driver.runs()), None), 60, lambda: f"no run was made: {command.communicate()}")
    return Victim(RunDirectory(path), driver.call, command=command)


def test_random_kills(cluster, tmp_path, capsys):
    """After each kill: nothing runs, nothing is on disk, `verify` accepts, the outage and two intervals lost at most.

    DASHCAM_KILLS of them (default 50), drawn by DASHCAM_KILLS_SEED; as many of each kind as of another.
    """
    count = int(os.environ.get("DASHCAM_KILLS", "50"))
    seed = int(os.environ.get("DASHCAM_KILLS_SEED", str(random.SystemRandom().randrange(10**6))))
    rng = random.Random(seed)
    only = os.environ.get("DASHCAM_KILLS_ONLY", "")
    chosen = [kind for kind in kills.KINDS if only in f"{kind.where} {kind.name}"]
    drawn: list[Kind] = []
    while len(drawn) < count:
        drawn += rng.sample(chosen, len(chosen))
    order = [(kind, random.Random(f"{seed} {number}")) for number, kind in enumerate(drawn[:count])]

    def one(task: tuple[Kind, random.Random]) -> Row:
        kind, own = task
        try:
            place = tmp_path / f"{own.randrange(16**8):08x}"
            victim = in_slurm(cluster, kind) if kind.where == "slurm" else here(place, kind)
            row = kills.carry_out(kind, victim, own)
        except Exception as error:  # noqa: BLE001 - the others are still worth doing
            row = Row(kind, wrong=[f"{type(error).__name__}: {error}"])
        print(row.text(), flush=True)  # noqa: T201 - figures for who runs it
        return row

    begin = time.monotonic()
    with capsys.disabled():
        print(f"\n{count} kills, DASHCAM_KILLS_SEED={seed}\n{kills.HEAD}", flush=True)  # noqa: T201
        rows = [one(task) for task in order if task[0].alone]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            rows += pool.map(one, (task for task in order if not task[0].alone))
        print(f"{kills.table(rows)}\n{time.monotonic() - begin:.0f} s", flush=True)  # noqa: T201
    assert not [f"{row.run}: {row.text()}" for row in rows if row.wrong]
