"""A run whose supervisor was killed, made into a sealed recording of what it left: on its node, or in its directory."""

import contextlib
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from jobs import identity, living, reserve
from jobs import scratch as scratch_of
from jobs.allocations import of_manifest
from jobs.allocations.local import wait_gone
from jobs.allocations.slurm import cancel_step
from jobs.containers import offer_prometheus
from jobs.containers import place as image_place
from jobs.ending import Ending
from jobs.journal import Journal
from prometheus.client import Client
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Ending as EndingWord
from runs.manifest import Manifest, ManifestError, Process, now

_STALE = 900.0
"""Seconds after which somebody who recovers a run on another machine is taken for dead."""


class RecoverError(Exception):
    """A run could not be recovered, or not wholly; the text says why."""


def recover(run: RunDirectory, ending: EndingWord = "abandoned", reason: str = "the supervisor was killed") -> None:
    """Stop what is left of a dead run by its record, save what there is, judge, seal.

    Its programs and its node-local data are used where this is their machine; elsewhere the series come from the
    continuous copy. Raises RecoverError: somebody else is at it, it cannot be written to, or not all could be saved
    (it is sealed all the same).
    """
    with _alone(run):
        if run.sealed:
            return
        journal = Journal.open(run)
        manifest = journal.manifest
        offer_prometheus(image_place(manifest.recipe.get("images"), of_manifest(manifest).paths))
        end = Ending(journal)
        with end.step("the record of the ending"):  # a full disk must not keep what runs from being stopped
            journal.set(ending=manifest.ending or ending, reason=manifest.reason or reason, unfinished=False)
        here = living.elsewhere(manifest) is None
        scratch = Path(manifest.scratch) if manifest.scratch else _scratch(run, manifest)
        if here:
            stop_recorded(manifest, [process for process in manifest.processes if process.role == "load"])
        if not _has_blocks(run, manifest):
            client, data = _prometheus(manifest, scratch, here=here)
            end.save_series(client, data, scratch / "reopened")
        if here:
            stop_recorded(manifest, manifest.processes)
            end.kill_leftovers()
        end.save_records()
        end.seal(scratch)
        if not run.sums.is_file():
            raise RecoverError(f"run {run.id} could not be sealed: {end.problems[-1]}; {_mend(run)}")
        if end.problems:
            raise RecoverError(f"run {run.id} is sealed, but not all could be saved: " + "; ".join(end.problems))


def finish(run: RunDirectory) -> None:
    """Make what a run that was sealed in haste had no time for: blocks, verdict, report; seal it again.

    Raises RecoverError (what was sealed was changed since, or as `recover`), SealError.
    """
    found = seal.verify(run)
    if not found.intact:
        names = ", ".join(sorted({*found.changed, *found.missing, *found.added})[:3])
        raise RecoverError(f"{run.path} is not as it was sealed ({names}): nothing is made of it")
    run.sums.unlink()  # were we killed, it is a run like any other whose supervisor is gone
    recover(run)


def _has_blocks(run: RunDirectory, manifest: Manifest) -> bool:
    """Tell whether the blocks were made before the run was cut off: what they were made of may be half removed."""
    return manifest.state == "ended" and not run.series_log.is_dir() and any(run.tsdb.glob("*/meta.json"))


def _mend(run: RunDirectory) -> str:
    alive = "programs of it still run" if any(identity.tagged(run.id)) else "nothing of it runs any more"
    return f"{alive}; free some space, then `dashcam recover {run.id}`"


def save(path: Path) -> bool:
    """Recover the run of a run directory where it is dead, before what it left on this node goes; False: it may not."""
    run = RunDirectory(path)
    try:
        if living.of(run, Manifest.load(run.manifest)) != "dead":
            return run.sealed
        recover(run)
    except (RecoverError, living.SlurmError, ManifestError):
        return run.sealed
    return True


def _scratch(run: RunDirectory, manifest: Manifest) -> Path:
    """Return where the scratch directory of a run is that did not get to say so."""
    name = scratch_of.name(run.id)
    where = scratch_of.places(of_manifest(manifest).local_disk)
    found = next((place / name for place in where if (place / name).is_dir()), None)
    return found or Path(tempfile.gettempdir()) / name


def _prometheus(manifest: Manifest, scratch: Path, *, here: bool) -> tuple[Client | None, Path]:
    """Return the living Prometheus of a run, if there is one, and where its data should lie."""
    ends = manifest.endpoints
    data = Path(ends.get("prometheus_data", scratch / "prometheus"))
    alive = [p for p in manifest.processes if p.role == "prometheus" and identity.alive(p.pid, p.start_ticks)]
    if not (here and alive and "prometheus" in ends):
        return None, data
    return Client.of(ends), data


def stop_recorded(manifest: Manifest, processes: list[Process]) -> None:
    """End recorded processes that still run on this machine, or as steps of the job."""
    for process in processes:
        if process.ended is not None:
            continue
        if process.step is not None and manifest.slurm.get("SLURM_JOB_ID"):
            cancel_step(process.step, signal.SIGKILL)
        if identity.signal_group(
            process.pid, process.start_ticks, signal.Signals(process.stop_signal), leader=process.contained
        ) and not (wait_gone(process.pid, process.start_ticks, 10.0)):
            identity.signal_group(process.pid, process.start_ticks, signal.SIGKILL)
            wait_gone(process.pid, process.start_ticks, 10.0)
        # Where another process got that pid, the session of that number is its.
        if process.contained and process.step is None and identity.start_ticks(process.pid) is None:
            identity.end_session(process.pid)
        process.ended, process.stopped_by_us = now(), True


@contextlib.contextmanager
def _alone(run: RunDirectory) -> Iterator[None]:
    """Hold the run against others who find it dead at the same time. Raises RecoverError: also for any OSError.

    By a file that only one can make: locks of flock(2) are off on many a Lustre.
    """
    reserve.release(run)
    try:
        with _locked(run):
            yield
    except OSError as error:
        place = error.filename or run.path
        raise RecoverError(f"{place} cannot be written: {error.strerror or error}; {_mend(run)}") from error


@contextlib.contextmanager
def _locked(run: RunDirectory) -> Iterator[None]:
    path = run.path.with_name(f".{run.id}.recovering")  # outside of what gets sealed
    words = f"{socket.gethostname()} {os.getpid()} {identity.start_ticks(os.getpid())}"
    for last in (False, True):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if last or not _is_stale(path):
                raise RecoverError(
                    f"run {run.id} is being recovered by another process ({_holder(path)}): wait, or remove {path} "
                    "if that process is gone"
                ) from None
            path.unlink(missing_ok=True)
            continue
        try:
            os.write(descriptor, words.encode())
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        break
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _holder(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return "gone meanwhile"


def _is_stale(path: Path) -> bool:
    host, *numbers = _holder(path).split()
    if host == socket.gethostname() and len(numbers) == 2:
        return not identity.alive(*map(int, numbers))
    try:
        return time.time() - path.stat().st_mtime > _STALE
    except OSError:
        return True
