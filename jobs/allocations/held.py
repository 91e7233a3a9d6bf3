"""An allocation that the user already holds (`salloc`), in which a run can go on without a job of its own."""

import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

_WITHIN = 20.0


@dataclass(frozen=True)
class Held:
    """A job of Slurm whose environment this process has. `here`: this host is one of its nodes."""

    job: str
    nodes: tuple[str, ...]
    here: bool


def find(environment: Mapping[str, str] = os.environ, host: str | None = None) -> Held | None:
    """Return the allocation that the environment tells of; None: of none, or it is over."""
    job = environment.get("SLURM_JOB_ID")
    if not job:
        return None
    # An ssh session on a node knows the job's number at most.
    listed = environment.get("SLURM_JOB_NODELIST") or _ask("squeue", f"--jobs={job}", "--noheader", "--format=%N")
    nodes = tuple(_ask("scontrol", "show", "hostnames", listed).split()) if listed else ()
    if not nodes:
        return None
    name = (host or socket.gethostname()).partition(".")[0]
    return Held(job, nodes, name in {node.partition(".")[0] for node in nodes})


def seconds_left(job: str) -> float | None:
    """Return how long a job still has; None: Slurm does not say, or there is no limit."""
    words = _ask("squeue", f"--jobs={job}", "--noheader", "--format=%L").split()
    return parse_left(words[0]) if words else None


def parse_left(text: str) -> float | None:
    """Read squeue's time left: [D-][[HH:]MM:]SS; UNLIMITED, NOT_SET and INVALID are None."""
    days, dash, clock = text.rpartition("-")
    try:
        parts = [int(part) for part in clock.split(":")]
        total = 0
        for part in parts:
            total = 60 * total + part
        return float(total + (86400 * int(days) if dash else 0))
    except ValueError:
        return None


def _ask(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_WITHIN).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
