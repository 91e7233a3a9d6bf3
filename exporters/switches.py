"""Context switches of the processes that a service has. The kernel keeps them by thread (proc(5), task/TID/status).

Reading each thread of a large program costs milliseconds, so a pass is made only when it costs no more than one
hundredth of the time since the last: small programs are read at every scrape, one with thousands of threads every few
seconds. What threads and processes did that lived between two passes only is not in it: the kernel tells nobody.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from exporters.files import read_text
from exporters.members import Member
from exporters.procfs import parse_switches

_SHARE = 0.01

Switches = tuple[int, int]
"""Voluntary and involuntary."""


@dataclass
class _Service:
    """The threads that were there at the last pass, and the sum of those that have gone."""

    last: dict[tuple[int, int, int], Switches] = field(default_factory=dict)
    ended: Switches = (0, 0)


class SwitchCounter:
    """Counts context switches of services; never falls."""

    def __init__(self, proc_root: Path) -> None:
        self._root = str(proc_root)
        self._services: dict[str, _Service] = {}
        self._next = 0.0

    def read(self, members: Iterable[Member]) -> dict[str, Switches]:
        """Return the switches of each service since it was first seen."""
        begun = time.monotonic()
        if begun >= self._next:
            self._pass(members)
            ended = time.monotonic()
            self._next = ended + (ended - begun) / _SHARE
        return {name: _sum([service.ended, *service.last.values()]) for name, service in self._services.items()}

    def _pass(self, members: Iterable[Member]) -> None:
        now: dict[str, dict[tuple[int, int, int], Switches]] = {name: {} for name in self._services}
        for member in members:
            threads = now.setdefault(member.service, {})
            for thread in self._threads(member.pid):
                switches = self._switches(member.pid, thread)
                if switches is not None:
                    threads[member.pid, member.start, thread] = switches
        for name, threads in now.items():
            service = self._services.setdefault(name, _Service())
            # A thread's number can be given again within its process: then the new count starts below the old.
            gone = [
                old
                for key, old in service.last.items()
                if key not in threads or threads[key][0] < old[0] or threads[key][1] < old[1]
            ]
            service.ended = _sum([service.ended, *gone])
            service.last = threads

    def _threads(self, pid: int) -> list[int]:
        try:
            return [int(name) for name in os.listdir(f"{self._root}/{pid}/task") if name.isdecimal()]  # noqa: PTH208 - no Path objects for thousands of threads
        except OSError:
            return []

    def _switches(self, pid: int, thread: int) -> Switches | None:
        try:
            return parse_switches(read_text(f"{self._root}/{pid}/task/{thread}/status"))
        except OSError:
            return None


def _sum(many: Iterable[Switches]) -> Switches:
    pairs = list(many)
    return sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
