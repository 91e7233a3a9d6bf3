"""Whether a run still lives: asked of Slurm for a job, of the kernel for a supervisor on this machine."""

import socket
import subprocess
import time
from collections.abc import Callable
from typing import Literal

from jobs import identity
from runs.directory import RunDirectory
from runs.manifest import Manifest

Life = Literal["sealed", "waits", "lives", "elsewhere", "dead"]


class SlurmError(Exception):
    """Slurm cannot be asked; the text says why."""


def of(run: RunDirectory, manifest: Manifest) -> Life:
    """Tell how it is with a run. `elsewhere`: on a machine that cannot be asked from here. Raises SlurmError."""
    if run.sealed:
        return "sealed"
    if (job := job_id(run)) is not None:
        state = job_state(job)
        if state == "PENDING":
            return "waits"
        return "dead" if state is None else "lives"
    if manifest.supervisor is None:  # it may be about to start
        return "waits"
    if elsewhere(manifest) is not None:
        return "elsewhere"
    return "lives" if supervisor_alive(manifest) else "dead"


def supervisor_alive(manifest: Manifest) -> bool:
    """Tell whether the supervisor of a local run still runs on this machine."""
    record = manifest.supervisor
    return record is not None and identity.alive(record.pid, record.start_ticks)


def elsewhere(manifest: Manifest) -> str | None:
    """Return the head of a run that lives on another machine, where its processes cannot be seen from."""
    head = manifest.nodes[0].name if manifest.nodes else None
    here = socket.gethostname()
    return None if head in {None, here, here.partition(".")[0]} else head


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
        raise SlurmError(f"squeue cannot be asked for job {job} ({error}): is this a Slurm login node?") from error
    return next(iter(done.stdout.split()), None)  # a heterogeneous job has a line a component, the head's first


class Asked:
    """Whether something is over, for somebody who waits for it: asked now and then, however often we are."""

    def __init__(self, ask: Callable[[], bool], every: float) -> None:
        self._ask, self._every, self._last, self._over = ask, every, 0.0, False

    def over(self) -> bool:
        """Return the last answer, no older than `every` seconds. Raises what `ask` raises."""
        if not self._over and time.monotonic() - self._last > self._every:
            self._over = self._ask()
            self._last = time.monotonic()
        return self._over
