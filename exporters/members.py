"""Which processes belong to which program of a run.

A program's first process carries DASHCAM_RUN_ID and DASHCAM_PROCESS in its environment; its children inherit them. A
child that overwrote its environment (PostgreSQL's backends do) belongs where its parent belongs, and stays there when
the parent ends first. What the run did not start is looked at when it is new, and rarely afterwards.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exporters.files import read, read_text
from exporters.procfs import parse_environment, parse_stat

RUN_VARIABLE = "DASHCAM_RUN_ID"
SERVICE_VARIABLE = "DASHCAM_PROCESS"

UNREADABLE = (FileNotFoundError, ProcessLookupError, PermissionError)
"""Gone, or another user's. Other errors (too many open files) say nothing about a process and must be heard."""

_YOUNG = 5.0
"""Seconds in which a process is looked at again each time: until exec it shows its parent's environment."""

_AGAIN = 30.0
"""Seconds after which a process that did not belong is looked at again: some launchers wait long before exec."""


@dataclass(frozen=True)
class Wanted:
    """What to look for: processes tagged with `run_id` (None: with `variable` alone) and those that `pids` names.

    `variable` is the environment variable that holds the service's name; None: no tags, only `pids`.
    """

    run_id: str | None = None
    variable: str | None = SERVICE_VARIABLE
    pids: Mapping[int, str] | None = None


@dataclass(frozen=True)
class Member:
    """A process of a program; `start` in ticks since boot."""

    pid: int
    start: int
    service: str


@dataclass
class _Seen:
    """What is known of a pid. `inode` is /proc/PID's: the kernel makes a new one for a new process of the same pid."""

    inode: int
    start: int
    service: str | None
    first: float
    last: float


class Members:
    """Finds the members, remembering those it has seen."""

    def __init__(self, proc_root: Path, wanted: Wanted) -> None:
        """Raise ProcessLookupError with the pid where one of `wanted.pids` is not there."""
        self._root = str(proc_root)
        self._variable = wanted.variable.encode() if wanted.variable else None
        self._run_id = wanted.run_id.encode() if wanted.run_id else None
        self._targets: dict[tuple[int, int], str] = {}
        self._seen: dict[int, _Seen] = {}
        for pid, service in (wanted.pids or {}).items():
            try:
                stat = parse_stat(read_text(f"{self._root}/{pid}/stat"))
            except UNREADABLE:
                stat = None
            if stat is None:
                raise ProcessLookupError(pid)
            self._targets[pid, stat.start] = service

    def scan(self) -> list[Member]:
        """Return the members that are there, parents before their children. Raises OSError without a /proc."""
        now = time.monotonic()
        with os.scandir(self._root) as entries:
            there = {int(entry.name): entry.inode() for entry in entries if entry.name.isdecimal()}
        for pid in self._seen.keys() - there.keys():
            del self._seen[pid]
        fresh: set[int] = set()
        for pid in there:
            self._look(pid, there, now, fresh)
        members = [
            Member(pid, seen.start, seen.service) for pid, seen in self._seen.items() if seen.service is not None
        ]
        # A child never starts before its parent; within one tick the pid decides, nearly always rightly.
        return sorted(members, key=lambda member: (member.start, member.pid))

    def forget(self, pid: int) -> None:
        """Have `pid` looked at anew by the next scan: it turned out to be another process."""
        self._seen.pop(pid, None)

    def _look(self, pid: int, there: Mapping[int, int], now: float, fresh: set[int]) -> str | None:
        """Return the service of `pid`, bringing what is known of it up to date at most once a scan."""
        seen = self._seen.get(pid)
        if pid in fresh or pid not in there:
            return seen.service if seen else None
        fresh.add(pid)
        inode = there[pid]
        if seen is not None and seen.inode == inode and not self._due(seen, now):
            return seen.service
        try:
            stat = parse_stat(read_text(f"{self._root}/{pid}/stat"))
        except UNREADABLE:
            self._seen.pop(pid, None)
            return None
        if stat is None:  # damaged: nothing new is known
            return seen.service if seen else None
        if seen is None or seen.start != stat.start:
            # As if looked at a while ago, each at another time: else all strangers would be due in the same scrape.
            seen = _Seen(inode, stat.start, None, now, now - pid % _AGAIN)
        known = seen.service
        seen.inode = inode
        if now - seen.first >= _YOUNG:
            seen.last = now
        self._seen[pid] = seen
        ours, service = self._tag(pid)
        if (pid, stat.start) in self._targets:
            seen.service = self._targets[pid, stat.start]
        elif service is not None or not ours:
            seen.service = service
        else:
            # Looked up through the parent, whose pid may be the higher one once pids have wrapped around.
            seen.service = known or self._look(stat.parent, there, now, fresh)
        return seen.service

    def _due(self, seen: _Seen, now: float) -> bool:
        """Whether a known process is to be looked at again."""
        if now - seen.first < _YOUNG:
            return True
        return seen.service is None and now - seen.last >= _AGAIN

    def _tag(self, pid: int) -> tuple[bool, str | None]:
        """Return whether `pid` may be ours (no other run's tag is on it) and the service that its tag names."""
        if self._variable is None:
            return True, None
        try:
            environment = parse_environment(read(f"{self._root}/{pid}/environ"))
        except UNREADABLE:
            return True, None  # its parent may still tell
        if self._run_id is not None:
            run_id = environment.get(RUN_VARIABLE.encode())
            if run_id != self._run_id:
                return run_id is None, None
        elif self._variable not in environment:
            return True, None
        return True, environment.get(self._variable, b"unnamed").decode(errors="replace")
