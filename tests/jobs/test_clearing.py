"""A run's start, and what dead runs left on the node: recovered where it was not sealed, removed, said."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from jobs import scratch
from prometheus import snapshot
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from tests.jobs.driver import Driver

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.mark.heavy  # two whole runs
def test_a_run_recovers_and_clears_a_dead_one(tmp_path):
    """All of a run killed at once: the next run makes its recording, and takes its scratch directory away."""
    disk, driver = tmp_path / "disk", Driver(tmp_path / "recordings")
    disk.mkdir()
    profile = tmp_path / "site.yaml"
    profile.write_text(f"{{name: small, local_disk: [{json.dumps(str(disk))}]}}")
    driver.write(200)
    command = driver.start("run", str(driver.recipe), "--site", str(profile))
    driver.wait_phase("steady")
    dead = RunDirectory(driver.runs()[-1])
    manifest = Manifest.load(dead.manifest)
    left = disk / scratch.name(dead.id)
    assert Path(manifest.scratch) == left
    command.kill()
    for process in [manifest.supervisor, *manifest.processes]:
        os.kill(process.pid, signal.SIGKILL)
    command.communicate()
    driver.wait("its end", lambda: not driver.left(), 10)
    assert not dead.sealed
    driver.write(4)

    done = driver.call("run", str(driver.recipe), "--site", str(profile))
    assert done.returncode == 0, done.stdout + done.stderr
    assert left.is_dir()  # written to a moment ago: somebody may be at it
    for path in (*left.rglob("*"), left):
        then = time.time() - 2 * scratch.SETTLED
        os.utime(path, (then, then))

    done = driver.call("run", str(driver.recipe), "--site", str(profile), "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"left on this node by dead runs, and cleared: {dead.id}" in answer["run"]["notes"]
    assert list(disk.iterdir()) == []
    assert seal.verify(dead).intact
    assert Manifest.load(dead.manifest).ending == "abandoned"
    assert snapshot.blocks(dead.tsdb)[0].samples > 500
