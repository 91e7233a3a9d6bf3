"""`dashcam stop`: ask the supervisor; where it is gone, do its last duty from the run's record."""

import os
import signal
import subprocess
import time
from typing import Literal

from jobs import living, recovering
from runs.directory import RunDirectory
from runs.manifest import Manifest

Outcome = Literal["already ended", "stopped", "recovered", "withdrawn"]


class StopError(Exception):
    """The run could not be stopped; the text says why and the mend."""


def stop(run: RunDirectory, within: float = 120.0) -> Outcome:
    """End a run and leave a sealed recording. Raises StopError, SlurmError, RecoverError."""
    manifest = Manifest.load(run.manifest)
    job = living.job_id(run)
    if job is not None and living.job_state(job) == "PENDING":
        _scancel(job)  # one that was put back into the queue has a sealed attempt already
        if not run.sealed:
            recovering.recover(run, "cancelled", "the job was withdrawn before it began")
        return "withdrawn"
    life = living.of(run, manifest)
    if life == "sealed":
        return "already ended"
    if life == "elsewhere":
        raise StopError(f"run {run.id} lives on {living.elsewhere(manifest)}: run `dashcam stop` there")
    if life == "dead":
        recovering.recover(run)
        return "recovered"
    if job is not None:
        _scancel("--batch", "--signal=TERM", job)
    elif manifest.supervisor is not None:
        os.kill(manifest.supervisor.pid, signal.SIGTERM)
    return _await_seal(run, within)


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
