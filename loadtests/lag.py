"""How late the event loop is: what every request of ours waits too, and what no request should wait."""

import asyncio
import time
from collections import deque
from pathlib import Path

_EVERY = 0.05
_WINDOW = 1.0
_SCHEDULED = Path("/proc/self/schedstat")


def cpu_waited() -> float | None:
    """Return for how many seconds the main thread, which is the event loop's, was ready to run and had no CPU.

    Others had it, or a quota held it back. Second field of /proc/PID/schedstat (Linux, Documentation/scheduler/
    sched-stats); None where the kernel does not tell.
    """
    try:
        return int(_SCHEDULED.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


class LagProbe:
    """Sleeps 50 ms again and again, and takes how much longer it was. Seconds throughout."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=round(_WINDOW / _EVERY))
        self._worst = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            begin = time.monotonic()
            await asyncio.sleep(_EVERY)
            now = time.monotonic()
            late = max(0.0, now - begin - _EVERY)
            self._seen.append((now, late))
            self._worst = max(self._worst, late)

    def recent(self) -> float:
        """Return the worst of the last second; safe to ask from another thread."""
        since = time.monotonic() - _WINDOW
        return max((late for when, late in tuple(self._seen) if when >= since), default=0.0)

    def take(self) -> float:
        """Return the worst since this was asked before."""
        worst, self._worst = self._worst, 0.0
        return worst
