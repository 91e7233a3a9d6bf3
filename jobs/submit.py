"""From a checked recipe to a run directory, and from that to a supervisor: here, or in a Slurm job."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from jobs import sbatch
from runs import atomic, runid
from runs import site as sites
from runs.directory import RunDirectory
from runs.document import Document
from runs.manifest import Manifest, now
from runs.recipe import Recipe
from runs.site import Site


class SubmitError(Exception):
    """A run cannot be started; the text says why and the mend."""


def create(
    recipe: Recipe, document: Document, root: Path, allocation: Literal["local", "slurm"], site: Site | None = None
) -> RunDirectory:
    """Make the run directory with the recipe and a first manifest. Raises SubmitError; then nothing is left."""
    try:
        run = RunDirectory.create(root, runid.new(recipe.name))
    except OSError as error:
        mend = "choose a place that you can write to with --root"
        raise SubmitError(f"{error.filename or root} cannot be made: {error.strerror}; {mend}") from error
    manifest = Manifest(
        id=run.id,
        recipe=recipe.model_dump(mode="json", by_alias=True),
        state="submitted" if allocation == "slurm" else "starting",
        created=now(),
        allocation=allocation,
        site=(site or sites.load(sites.DEFAULT)).model_dump(mode="json"),
        versions={"dashcam": importlib.metadata.version("dashcam"), "python": sys.version.split()[0]},
        notes=[f"overridden: {option}" for option in document.overridden.values()],
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
    """Start the supervisor of a local run; it ends the run when this process is gone."""
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
    submission = sbatch.render(run, recipe, site=site)
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
