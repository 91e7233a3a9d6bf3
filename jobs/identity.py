"""Which process is which: a pid alone may have been given to another; a pid with its start time may not."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

RUN_VARIABLE = "DASHCAM_RUN_ID"
PROCESS_VARIABLE = "DASHCAM_PROCESS"

_PROC = Path("/proc")


def start_ticks(pid: int) -> int | None:
    """Return the start time of `pid` in clock ticks since boot (proc(5), stat field 22); None if there is none.

    A zombie counts as gone: nothing of it runs any more.
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def alive(pid: int, ticks: int) -> bool:
    """Tell whether the process that had `pid` at `ticks` still runs."""
    return start_ticks(pid) == ticks


def signal_group(pid: int, ticks: int, number: signal.Signals, *, leader: bool = False) -> bool:
    """Signal the process group that the recorded process leads, or that alone; returns False where it is gone."""
    if not alive(pid, ticks):
        return False
    with contextlib.suppress(ProcessLookupError):
        (os.kill if leader else os.killpg)(pid, number)
        return True
    return False


def in_session(leader: int) -> Iterator[int]:
    """Yield each process of the session that `leader` began, be it gone itself (proc_pid_stat(5), field 6).

    What mounts an image for Apptainer (squashfuse) has a process group of its own and an empty environment, and
    outlives an Apptainer that was killed; its session is all that still tells whose it was.
    """
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in {"Z", "X"} and int(fields[3]) == leader:
            yield int(entry.name)


def end_session(leader: int) -> None:
    """Kill what is left of a session that a program of ours began."""
    for pid in in_session(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_tagged(run_id: str) -> list[tuple[int, str]]:
    """SIGKILL what carries the run's id on this node, and what that has started meanwhile; returns what is left."""
    for _attempt in range(3):
        left = list(tagged(run_id))
        if not left:
            return []
        for pid, _name in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return list(tagged(run_id))


def tagged(run_id: str) -> Iterator[tuple[int, str]]:
    """Yield (pid, program name) of each process on this node that carries the run's id in its environment."""
    tag = f"{RUN_VARIABLE}={run_id}".encode()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if tag in environment and start_ticks(int(entry.name)) is not None:
            names = [item for item in environment if item.startswith(f"{PROCESS_VARIABLE}=".encode())]
            yield int(entry.name), names[0].partition(b"=")[2].decode(errors="replace") if names else ""
