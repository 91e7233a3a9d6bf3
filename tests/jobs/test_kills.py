"""Kills in a real Slurm job: of the supervisor, of all at once, of Slurm's own step daemon; and a requeue."""

import contextlib
import copy
import os
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest

from jobs import identity
from prometheus import snapshot
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from tests.jobs.cluster import Cluster
from tests.lab.errors import poll

pytestmark = [pytest.mark.real, pytest.mark.timing]


@pytest.fixture(scope="module")
def cluster(slurm_lab):
    """The lab, used by dashcam."""
    return Cluster(slurm_lab)


def kill(*pids):
    """kill -9."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def parent(pid):
    """Return the pid of the parent process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_killed_supervisor_is_recovered_within_the_job(cluster):
    """kill -9 of the supervisor: the guard ends what is left on both nodes and seals, before the job ends."""
    run, job = cluster.submit(200)
    cluster.wait_running(run, job)
    killed = time.time()
    kill(Manifest.load(run.manifest).supervisor.pid)
    manifest = cluster.wait_sealed(run, job)
    assert manifest.ending == "abandoned"
    assert "signal 9" in manifest.reason
    blocks = snapshot.blocks(run.tsdb)
    assert blocks[-1].end > killed - 1.5
    assert len(pd.read_parquet(run.records)) > 5


def test_a_large_run_is_sealed_within_kill_wait(cluster):
    """Where a snapshot would take longer than Slurm waits, the series are sealed as logged; `list` makes the blocks."""
    own = copy.copy(cluster)
    slow = cluster.lab.user_dir()
    # As if a snapshot took a second a kilobyte: all Pythons of the job import this.
    (slow / "sitecustomize.py").write_text("from jobs import haste\nhaste._BYTES_A_SECOND = 1000.0\n")
    own.environment = {"PYTHONPATH": f"{slow}:{cluster.environment['PYTHONPATH']}"}
    run, job = own.submit(200)
    cluster.wait_running(run, job)
    killed = time.time()
    cluster.lab.run_as_user(["scancel", job])
    manifest = cluster.wait_sealed(run, job)
    assert (manifest.ending, manifest.unfinished, manifest.verdict) == ("cancelled", True, None)
    assert snapshot.blocks(run.tsdb) == []
    told = cluster.call("list")
    assert f"{run.id} was sealed in haste" in told.stderr
    assert seal.verify(run).intact
    done = Manifest.load(run.manifest)
    assert (done.ending, done.unfinished, done.ended) == ("cancelled", False, manifest.ended)
    assert done.verdict is not None
    assert killed - snapshot.blocks(run.tsdb)[-1].end < 1.0
    assert not run.series_log.exists()


def test_killed_step_daemon_winds_the_run_up(cluster):
    """kill -9 of slurmstepd: the guard learns that it is an orphan, and the run is ended in order.

    Slurm itself goes on believing in the job until somebody cancels it.
    """
    run, job = cluster.submit(200)
    cluster.wait_running(run, job)
    guard = parent(Manifest.load(run.manifest).supervisor.pid)
    kill(parent(guard))
    poll(lambda: run.sealed and identity.start_ticks(guard) is None, 60, "the run was not wound up")
    cluster.lab.run_as_user(["scancel", job])
    assert cluster.wait_sealed(run, job).ending == "cancelled"
    assert snapshot.blocks(run.tsdb)[0].samples > 500


def test_killed_daemon_of_a_step_leaves_nothing(cluster):
    """kill -9 of another node's slurmstepd: the service ends with it, though Slurm has lost both."""
    run, job = cluster.submit(200)
    cluster.wait_running(run, job)
    (service,) = [pid for pid, name in identity.tagged(run.id) if name == "llm"]
    kill(parent(service))
    poll(lambda: identity.start_ticks(service) is None, 10, "the service lives on")
    cluster.lab.run_as_user(["scancel", job])
    cluster.lab.wait_ended(job, timeout=60)
    if not run.sealed:  # Slurm waits less for the job than srun for the step
        cluster.call("list")
    cluster.wait_sealed(run, job)


def test_lost_head_is_recovered_from_the_copy(cluster):
    """All of the job killed at once, the disks of its nodes gone: `list` makes the recording elsewhere."""
    run, job = cluster.submit(200)
    cluster.wait_running(run, job)
    supervisor = Manifest.load(run.manifest).supervisor.pid
    guard = parent(supervisor)
    killed = time.time()
    kill(guard, supervisor, *(pid for pid, _name in identity.tagged(run.id)))
    cluster.lab.wait_ended(job, timeout=60)
    poll(lambda: not list(identity.tagged(run.id)), 30, "processes are left")
    for scratch in Path("/tmp").glob(f"dashcam-*-{run.id}*"):  # noqa: S108
        shutil.rmtree(scratch)
    assert not run.sealed
    told = cluster.call("list")
    assert f"{run.id} was killed" in told.stderr
    assert seal.verify(run).intact
    assert Manifest.load(run.manifest).ending == "abandoned"
    assert killed - snapshot.blocks(run.tsdb)[-1].end < 2.5
    assert len(pd.read_parquet(run.records)) > 5


def test_requeued_job_is_a_new_attempt(cluster):
    """`scontrol requeue`: the first attempt is kept, sealed, in attempts/1; the second runs to its end."""
    run, job = cluster.submit(12)
    cluster.wait_running(run, job)
    cluster.lab.run_as_user(["scontrol", "requeue", job])
    poll((run.attempts / "1" / "run.json").is_file, 90, f"job {job} made no second attempt")
    manifest = cluster.wait_sealed(run, job, within=150)
    assert manifest.attempt == 2
    assert manifest.ending == "completed", manifest.reason
    assert any("attempts/1/" in note for note in manifest.notes)
    first = RunDirectory(run.attempts / "1")
    assert seal.verify(first).intact
    assert Manifest.load(first.manifest).ending == "cancelled"
    assert snapshot.blocks(first.tsdb)[0].samples > 500
    assert snapshot.blocks(run.tsdb)[0].start > snapshot.blocks(first.tsdb)[-1].end
