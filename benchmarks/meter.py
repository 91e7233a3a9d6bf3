"""What a process has used: CPU by the kernel's clock of the process, memory by /proc/PID/smaps_rollup."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of `pid`, ended ones included, in steps of a nanosecond.

    The clock is clock_getcpuclockid(3)'s, its number made as in linux/posix-timers.h. /proc/PID/schedstat knows the
    threads only that live, and our sidecar has one a scrape; /proc/PID/stat counts in hundredths of a second.
    """
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def children(pid: int) -> tuple[int, ...]:
    """Return the children of a process's first thread. Raises OSError where it is gone."""
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def machine_seconds() -> float:
    """Return how long all cores together have been busy since the machine started, in steps of 10 ms (proc(5))."""
    user, nice, system, _idle, _wait, interrupts, soft, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes. `resident` counts shared pages in full, `proportional` (PSS) by their share, `private` not at all.

    The last two are None where smaps_rollup cannot be read.
    """

    resident: int
    proportional: int | None = None
    private: int | None = None


def memory(pid: int) -> Memory:
    """Return the memory of a process. Raises OSError where it is gone."""
    try:
        found = _kibibytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
    except PermissionError:
        return Memory(_kibibytes(Path(f"/proc/{pid}/status").read_text())["VmRSS"])
    return Memory(found["Rss"], found["Pss"], found["Private_Clean"] + found["Private_Dirty"])


def _kibibytes(text: str) -> dict[str, int]:
    """Return the lines `Name:  123 kB` in bytes."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) == 3 and row[2] == "kB"}
