"""Runs the checks: each in a process of its own, so that one that hangs costs its time and nothing else."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path

from jobs import scratch
from jobs.doctor.base import Check, Context, Line
from runs import runid
from runs.parent import follow

_GRACE = 1.0
"""Seconds."""


def examine(context: Context, checks: Sequence[Check]) -> Generator[tuple[Check, list[Line]], None, None]:
    """Yield what each check says, as it says it. Nothing is left behind when it is closed."""
    with contextlib.ExitStack() as stack:
        full = replace(context, scratch=_local(context, stack), shared=_beside(context.root, stack))
        for check in checks:
            yield check, _one(check, full)


def _local(context: Context, stack: contextlib.ExitStack) -> Path | None:
    # Named as a run's: were we killed, the next run would clear it away.
    path = scratch.choose(context.site.local_disk).place / scratch.name(runid.new("doctor"))
    try:
        path.mkdir(mode=0o700)
    except OSError:
        return None
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def _beside(root: Path, stack: contextlib.ExitStack) -> Path | None:
    place = existing(root)
    try:
        path = Path(tempfile.mkdtemp(prefix=".dashcam-doctor-", dir=place))
    except OSError:
        return None
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return path


def existing(path: Path) -> Path:
    """Return the nearest directory above (or at) a path that is there."""
    whole = path.absolute()
    return next(place for place in (whole, *whole.parents) if place.is_dir())


def _one(check: Check, context: Context) -> list[Line]:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_child, args=(check, context, theirs, os.getpid()))
    process.start()
    theirs.close()
    late = True
    try:
        if not ours.poll(check.within):
            text = f"not found out within {check.within:g} s"
            return [Line(check.name, "missing" if check.vital else "degraded", text, needed=check.vital)]
        late = False
        return [Line(**line) for line in json.loads(ours.recv_bytes())]
    except EOFError:
        return [_failed(check, "it ended without a word")]
    finally:
        ours.close()
        _end(process, late=late)


def _end(process: ForkProcess, *, late: bool) -> None:
    """End a check and all that it started: they are one process group, whose id is taken until we wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.pid is not None:
            if late:
                os.killpg(process.pid, signal.SIGTERM)  # srun ends its step then
                time.sleep(_GRACE)
            os.killpg(process.pid, signal.SIGKILL)
    process.join(_GRACE)  # one that hangs in the kernel cannot be waited for


def _child(check: Check, context: Context, answer: Connection, parent: int) -> None:
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    follow(parent)
    try:
        lines = list(check.look(context))
    except Exception as error:  # noqa: BLE001 - a check that fails is a finding, and the others go on
        lines = [_failed(check, f"{type(error).__name__}: {error}")]
    answer.send_bytes(json.dumps([asdict(line) for line in lines]).encode())


def _failed(check: Check, why: str) -> Line:
    return Line(check.name, "missing" if check.vital else "degraded", f"the check failed: {why}", needed=check.vital)
