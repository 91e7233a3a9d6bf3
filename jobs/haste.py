"""Whether the end of a run has time for a snapshot, or is about to be cut off by Slurm."""

import contextlib
import re
import subprocess
from pathlib import Path

KILL_WAIT = 30.0
"""Slurm's default of KillWait (slurm.conf(5)): seconds from its asking a job to end to its SIGKILL."""
_BYTES_A_SECOND = 8e6
"""Of write-ahead log that a snapshot makes into a block, on two slow cores: `python -m benchmarks.ending`."""
_REST = 4.0
"""Seconds that an end takes beside what grows with the series: the load's last answers, records, the page."""


def kill_wait() -> float:
    """Return Slurm's KillWait in seconds; its default where Slurm cannot be asked."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=True, timeout=3)
        if found := re.search(r"^KillWait\s*=\s*(\d+)", told.stdout, re.MULTILINE):
            return float(found[1])
    return KILL_WAIT


def head(data: Path) -> int:
    """Return how many bytes of write-ahead log a Prometheus has in its data directory: what it has in no block yet."""
    size = 0
    for path in (data / "wal").rglob("*"):
        with contextlib.suppress(OSError):  # truncated away meanwhile
            size += path.stat().st_size if path.is_file() else 0
    return size


def snapshot_seconds(size: int) -> float:
    """Return about how long a snapshot of a head with `size` bytes of write-ahead log takes."""
    return size / _BYTES_A_SECOND


def presses(size: int, left: float | None) -> bool:
    """Tell whether a snapshot and a report of that head would not be done in `left` seconds; None: there is no end.

    The report opens the block and reads it through: it is given the snapshot's time once more.
    """
    return left is not None and 2 * snapshot_seconds(size) + _REST > left and snapshot_seconds(size) > 1.0
