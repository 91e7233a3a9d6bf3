"""`dashcam stop`: ask the supervisor; where it is gone, do its last duty from the run's record."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Literal

from jobs import identity
from jobs.allocations.local import wait_gone
from jobs.allocations.slurm import cancel_step
from jobs.ending import Ending
from jobs.journal import Journal
from prometheus.client import Client
from runs.directory import RunDirectory
from runs.manifest import Manifest, Process, now

Outcome = Literal["already ended", "stopped", "recovered", "withdrawn"]


class StopError(Exception):
    """The run could not be stopped; the text says why and the mend."""


def stop(run: RunDirectory, within: float = 120.0) -> Outcome:
    """End a run and leave a sealed recording. Raises StopError."""
    manifest = Manifest.load(run.manifest)
    if run.sealed:
        return "already ended"
    job = job_id(run)
    if job is not None:
        state = job_state(job)
        if state == "PENDING":
            _scancel(job)
            return _recover(run, "withdrawn")
        if state is not None:
            _scancel("--batch", "--signal=TERM", job)
            return _await_seal(run, within)
    elif supervisor_alive(manifest):
        assert manifest.supervisor is not None  # noqa: S101 - it is alive
        os.kill(manifest.supervisor.pid, signal.SIGTERM)
        return _await_seal(run, within)
    elif (host := elsewhere(manifest)) is not None:
        raise StopError(f"run {run.id} lives on {host}: run `dashcam stop` there")
    return _recover(run, "recovered")


def supervisor_alive(manifest: Manifest) -> bool:
    """Tell whether the supervisor of a local run still runs on this machine."""
    record = manifest.supervisor
    return record is not None and identity.alive(record.pid, record.start_ticks)


def elsewhere(manifest: Manifest) -> str | None:
    """Return the head of a run that lives on another machine, where its processes cannot be seen from."""
    head = manifest.nodes[0].name if manifest.nodes else None
    return None if head == socket.gethostname() else head


def job_id(run: RunDirectory) -> str | None:
    """Return the Slurm job id of a submitted run."""
    path = run.configs / "job.id"
    return path.read_text().strip() if path.is_file() else None


def job_state(job: str) -> str | None:
    """Return Slurm's word for the job's state, or None when the job is over (or Slurm has forgotten it)."""
    try:
        done = subprocess.run(
            ["squeue", f"--jobs={job}", "--noheader", "--format=%T"],
            capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StopError(f"squeue cannot be asked for job {job} ({error}): is this a Slurm login node?") from error
    return done.stdout.strip() or None


def _scancel(*arguments: str) -> None:
    done = subprocess.run(["scancel", *arguments], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode != 0:
        raise StopError(f"scancel failed: {done.stderr.strip()}")


def _await_seal(run: RunDirectory, within: float) -> Outcome:
    deadline = time.monotonic() + within
    while not run.sealed:
        if time.monotonic() > deadline:
            raise StopError(f"the supervisor did not seal the run within {within:.0f} s: see {run.logs}/supervisor.log")
        time.sleep(0.1)
    return "stopped"


def _recover(run: RunDirectory, outcome: Outcome) -> Outcome:
    """Stop what is left by its record, save what there is, seal."""
    journal = Journal.open(run)
    manifest = journal.manifest
    reason = "the job was withdrawn before it began" if outcome == "withdrawn" else "the supervisor was killed"
    journal.set(ending="cancelled" if outcome == "withdrawn" else "abandoned", reason=reason)
    ending = Ending(journal)
    scratch = Path(manifest.scratch) if manifest.scratch else run.live / "scratch"
    _stop_recorded(manifest, [p for p in manifest.processes if p.role == "load"])
    alive = [p for p in manifest.processes if p.role == "prometheus" and identity.alive(p.pid, p.start_ticks)]
    ends = manifest.endpoints
    client = None
    if alive and "prometheus" in ends:
        client = Client(ends["prometheus"], ends["prometheus_user"], Path(ends["prometheus_password_file"]))
    data = Path(ends.get("prometheus_data", scratch / "prometheus"))
    ending.save_series(client, data, scratch / "reopened")
    _stop_recorded(manifest, manifest.processes)
    ending.save_records()
    ending.kill_leftovers()
    ending.seal(scratch)
    if ending.problems:
        raise StopError(f"run {run.id} is sealed, but not all could be saved: " + "; ".join(ending.problems))
    return outcome


def _stop_recorded(manifest: Manifest, processes: list[Process]) -> None:
    for process in processes:
        if process.ended is not None:
            continue
        if process.step is not None and manifest.slurm.get("SLURM_JOB_ID"):
            cancel_step(process.step, signal.SIGKILL)
        if identity.signal_group(process.pid, process.start_ticks, signal.Signals(process.stop_signal)) and not (
            wait_gone(process.pid, process.start_ticks, 10.0)
        ):
            identity.signal_group(process.pid, process.start_ticks, signal.SIGKILL)
            wait_gone(process.pid, process.start_ticks, 10.0)
        process.ended, process.stopped_by_us = now(), True
