"""A run that Slurm started again (requeue, preemption): what the attempt before left becomes a recording of its own."""

import contextlib
import shutil
from pathlib import Path

from runs import atomic, seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, now

_OURS = ("recipe.yaml", "configs/job.id", "configs/job.sbatch")
_OPEN = "logs/slurm.log"
"""Slurm has it open for the new attempt: the earlier one gets a copy."""


def begin_again(run: RunDirectory) -> None:
    """Make room for a new attempt where the run had one before.

    The earlier one is sealed (recovered where it was killed) and moved to attempts/N/. Raises OSError, RecoverError.
    """
    manifest = Manifest.load(run.manifest)
    if manifest.state == "submitted" and not run.sealed:
        return
    _complete(run, manifest)
    old = Manifest.load(run.manifest)
    before = RunDirectory(run.attempts / str(old.attempt))
    before.path.mkdir(parents=True)
    for folder in before.folders:
        folder.mkdir()
    _copy(run.path / _OPEN, before.path / _OPEN)
    for path in sorted(run.path.iterdir()):
        if path in run.folders:
            for entry in sorted(path.iterdir()):
                if entry != run.path / _OPEN:
                    entry.rename(before.path / path.name / entry.name)
        elif path != run.attempts:
            path.rename(before.path / path.name)
    seal.seal(before)  # the copy may hold a line more than what was sealed
    for name in _OURS:
        _copy(before.path / name, run.path / name)
    run.live.mkdir(mode=0o700, exist_ok=True)
    new = Manifest(
        id=old.id, recipe=old.recipe, state="submitted", created=now(), allocation=old.allocation,
        site=old.site, sweep=old.sweep,
        attempt=old.attempt + 1, versions={key: old.versions[key] for key in ("dashcam", "python")},
        notes=[f"attempt {old.attempt + 1}: attempts/{old.attempt}/ ended as {old.ending}: {old.reason}"],
    )  # fmt: skip
    atomic.write(run.manifest, new.model_dump_json(indent=2) + "\n")


def _complete(run: RunDirectory, manifest: Manifest) -> None:
    """Make the attempt before a whole recording."""
    if run.sealed and not manifest.unfinished:
        return
    from jobs import recovering  # noqa: PLC0415 - half a second of imports that most jobs do not need

    with contextlib.suppress(recovering.RecoverError):  # sealed all the same, with what was lost in its notes
        if run.sealed:
            recovering.finish(run)
        else:
            recovering.recover(run, reason="the attempt was cut short, and Slurm started the job again")


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copy2(source, target)
