"""A run that Slurm started again (requeue, preemption): what the attempt before left becomes a recording of its own."""

import contextlib
import shutil
from pathlib import Path

from jobs import recovering
from runs import atomic, seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, now

_STAYS = {"attempts", "recipe.yaml"}
_SLURM = ("configs/job.id", "configs/job.sbatch", "logs/slurm.log")
"""Slurm has the last one open: both attempts write to it, so that the earlier keeps a copy."""


def begin_again(run: RunDirectory) -> int:
    """Make room for a new attempt where the run had one before; returns the number of earlier attempts.

    The earlier one is sealed (recovered where it was killed) and moved to attempts/N/. Raises OSError, RecoverError.
    """
    manifest = Manifest.load(run.manifest)
    if manifest.state == "submitted" and not run.sealed:
        return manifest.attempt - 1
    if not run.sealed:
        with contextlib.suppress(recovering.RecoverError):  # sealed all the same, with what was lost in its notes
            recovering.recover(run, reason="the attempt was cut short, and Slurm started the job again")
    old = Manifest.load(run.manifest)
    before = RunDirectory(run.attempts / str(old.attempt))
    before.path.mkdir(parents=True)
    for entry in list(run.path.iterdir()):
        if entry.name not in _STAYS:
            entry.rename(before.path / entry.name)
    shutil.copy2(run.recipe, before.recipe)
    seal.seal(before)  # its paths are what they were; Slurm may have added a line to its log meanwhile
    for folder in run.folders:
        folder.mkdir(exist_ok=True)
    run.live.mkdir(mode=0o700, exist_ok=True)
    for name in _SLURM:
        _copy(before.path / name, run.path / name)
    new = Manifest(
        id=old.id, recipe=old.recipe, state="submitted", created=now(), allocation=old.allocation,
        attempt=old.attempt + 1, versions={key: old.versions[key] for key in ("dashcam", "python")},
        notes=[f"attempt {old.attempt + 1}: attempts/{old.attempt}/ ended as {old.ending}: {old.reason}"],
    )  # fmt: skip
    atomic.write(run.manifest, new.model_dump_json(indent=2) + "\n")
    return old.attempt


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copy2(source, target)
