"""From a checked recipe to a run directory, and from that to a supervisor: here, or in a Slurm job."""

import importlib.metadata
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal

from jobs import sbatch, sweeps
from jobs.allocations import held
from runs import atomic, runid
from runs import site as sites
from runs.directory import RunDirectory
from runs.document import Document
from runs.manifest import Manifest, Place, now
from runs.recipe import Recipe
from runs.site import Site


class SubmitError(Exception):
    """A run cannot be started; the text says why and the mend."""


Where = Literal["local", "slurm", "held"]
"""On this machine, as a Slurm job, or in an allocation that the user holds and is in."""


def where(asked: Literal["auto", "local", "slurm"]) -> Where:
    """Return where a run goes. Raises SubmitError: the user holds an allocation that this host is not of."""
    if asked == "local":
        return "local"
    found = held.find()
    if found is not None and found.here:
        return "held"
    if found is not None and asked == "auto":
        raise SubmitError(
            f"you hold job {found.job} on {', '.join(found.nodes[:4])}, and {socket.gethostname()} is not among them: "
            "start there, as `srun --overlap --nodes=1 --ntasks=1 --pty dashcam run ...`; or say where: --on local is "
            "this host, --on slurm a job of its own"
        )
    return "slurm" if asked == "slurm" else "local"


def create(
    recipe: Recipe,
    document: Document,
    root: Path,
    allocation: Where,
    site: Site | None = None,
    *,
    place: Place | None = None,
) -> RunDirectory:
    """Make the run directory with the recipe and a first manifest. Raises SubmitError; then nothing is left.

    `place`: where it stands in a sweep.
    """
    try:
        run = RunDirectory.create(root, sweeps.run_id(place) if place else runid.new(recipe.name))
    except OSError as error:
        mend = "choose a place that you can write to with --root"
        raise SubmitError(f"{error.filename or root} cannot be made: {error.strerror}; {mend}") from error
    manifest = Manifest(
        id=run.id,
        recipe=recipe.model_dump(mode="json", by_alias=True),
        state="submitted" if allocation == "slurm" else "starting",
        created=now(),
        allocation="local" if allocation == "local" else "slurm",
        held=allocation == "held",
        sweep=place,
        site=(site or sites.load(sites.DEFAULT)).model_dump(mode="json"),
        versions={"dashcam": importlib.metadata.version("dashcam"), "python": sys.version.split()[0]},
        notes=[
            *(f"overridden: {option}" for option in document.overridden.values()),
            *([f"of sweep {place.id}: run {place.number} of {place.of}"] if place else []),
        ],
    )
    try:
        atomic.write(run.recipe, document.text)
        manifest.save(run.manifest)
    except OSError as error:
        _remove(run)
        raise SubmitError(
            f"{run.path} cannot be written: {error.strerror}; choose another place with --root"
        ) from error
    return run


def local(run: RunDirectory) -> "subprocess.Popen[bytes]":
    """Start the supervisor of a run here, or in a held allocation; it ends the run when this process is gone."""
    with (run.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "jobs.supervisor", str(run.path), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )


def slurm(run: RunDirectory, recipe: Recipe, site: Site | None = None) -> str:
    """Hand the run to Slurm; returns the job id. Raises SubmitError; then nothing is left."""
    place = Manifest.load(run.manifest).sweep
    # One after another, so that the runs of a sweep do not disturb each other.
    name = f"dashcam-{place.id}" if place is not None else None
    submission = sbatch.render(run, recipe, job_name=name, singleton=place is not None, site=site)
    script = run.configs / "job.sbatch"
    atomic.write(script, submission.script, mode=0o755)
    try:
        done = subprocess.run([*submission.argv, str(script)], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        _remove(run)
        raise SubmitError(
            f"sbatch cannot be run ({error}): is this a Slurm login node? `--on local` needs none"
        ) from error
    if done.returncode != 0:
        _remove(run)
        reason = done.stderr.strip().removeprefix("sbatch: ") or f"exit code {done.returncode}"
        raise SubmitError(f"Slurm refuses the job: {reason}\n    asked: {' '.join(submission.argv)}")
    job = done.stdout.strip().partition(";")[0]
    atomic.write(run.configs / "job.id", job + "\n")
    return job


def _remove(run: RunDirectory) -> None:
    shutil.rmtree(run.path, ignore_errors=True)
