"""`process`: the process trees of a run's programs, not the whole machine. Source: proc(5).

A program is found by DASHCAM_RUN_ID and DASHCAM_PROCESS in its environment, which its children inherit; a child that
overwrote its environment (PostgreSQL's backends do) is found by its parent. What the run did not start is looked at
once, when it is new.

CPU of a tree: the sum over living processes of own time plus that of children they waited for (utime + cutime). A child
that ends leaves the sum, and its parent's cutime takes it over, children that lived between two scrapes included. What
left and was taken over by nobody (an orphan, a tree's root) is kept aside: lost += max(0, left - taken over). So the
counter never falls, counts nothing twice, and may at worst lack a little of an orphan's time.
"""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporters.collector import Context

RUN_VARIABLE = b"DASHCAM_RUN_ID"
PROCESS_VARIABLE = b"DASHCAM_PROCESS"
_YOUNG = 5.0
"""Seconds in which a process is looked at again: between fork and exec it still shows its parent's environment."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One process at one moment. Counters of a process include what its waited-for children had used."""

    ppid: int
    start: int
    user: float
    system: float
    taken: dict[str, float]
    """The part of each counter that came from children."""
    faults: float
    threads: int
    virtual: int
    resident: int
    io: dict[str, float] | None
    fds: int | None
    max_fds: float | None

    def counters(self) -> dict[str, float]:
        """Return all counters by name."""
        return {"user": self.user, "system": self.system, "faults": self.faults, **(self.io or {})}


def parse_stat(text: str) -> tuple[list[str], str]:
    """Split /proc/PID/stat into its fields from the third on, and the name, which may hold blanks and parentheses.

    Raises ValueError.
    """
    head, separator, tail = text.rpartition(")")
    fields = tail.split()
    if not separator or len(fields) < 22:
        raise ValueError("not a line of /proc/PID/stat")
    return fields, head.partition("(")[2]


def parse_io(text: str) -> dict[str, float]:
    """Read /proc/PID/io. Raises ValueError."""
    pairs = (line.split(":") for line in text.splitlines())
    found = {name: float(int(value)) for name, value in pairs}
    return {name: found[name] for name in ("rchar", "wchar", "read_bytes", "write_bytes")}


@dataclass
class _Tree:
    """What is remembered of one program."""

    last: dict[tuple[int, int], Sample] = field(default_factory=dict)
    lost: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)

    def advance(self, now: dict[tuple[int, int], Sample]) -> dict[str, float]:
        """Take the processes of this scrape; returns the counters of the tree since it began."""
        left: dict[str, float] = {}
        for key in self.last.keys() - now.keys():
            for name, value in self.last[key].counters().items():
                left[name] = left.get(name, 0.0) + value
        raw: dict[str, float] = {}
        for key, sample in now.items():
            before = self.last.get(key)
            for name, value in sample.counters().items():
                raw[name] = raw.get(name, 0.0) + value
                if before is not None and name in left:
                    # The kernel adds a dead child's I/O to its parent's own; only CPU and faults are kept apart.
                    gained = sample.taken[name] - before.taken[name] if name in sample.taken else (
                        value - before.counters().get(name, 0.0))  # fmt: skip
                    left[name] -= gained
        for name, value in left.items():
            self.lost[name] = self.lost.get(name, 0.0) + max(0.0, value)
        for name in raw.keys() | self.lost.keys():
            total = raw.get(name, 0.0) + self.lost.get(name, 0.0)
            self.shown[name] = max(self.shown.get(name, 0.0), total)
        self.last = now
        return self.shown


class ProcessCollector:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wanted = f"{context.run_id}".encode() if context.run_id else None
        self._known: dict[int, tuple[str | None, float]] = {}
        self._trees: dict[str, _Tree] = {}
        self._boot = self._boot_time()

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        found: dict[str, dict[tuple[int, int], Sample]] = {name: {} for name in self._trees}
        for pid, service in self._members():
            sample = self._read(pid)
            if sample is not None:
                found.setdefault(service, {})[pid, sample.start] = sample
        return self._families(found)

    def _members(self) -> Iterator[tuple[int, str]]:
        """Yield (pid, service) of each process that belongs to a program of the run."""
        now = time.monotonic()
        alive = {int(name) for name in os.listdir(self._context.proc) if name.isdecimal()}  # noqa: PTH208 - cheaper
        for gone in self._known.keys() - alive:
            del self._known[gone]
        for name, pid in self._context.pids.items():
            if pid in alive:
                self._known.setdefault(pid, (name, now))
        # Ascending: a parent is nearly always looked at before its child.
        for pid in sorted(alive):
            service, seen = self._known.get(pid, (None, now))
            if service is None and (pid not in self._known or now - seen < _YOUNG):
                service = self._tag(pid)
                self._known[pid] = (service, seen)
            if service is not None:
                yield pid, service

    def _tag(self, pid: int) -> str | None:
        path = self._context.proc / str(pid)
        try:
            if self._wanted is not None:
                pairs = dict(item.partition(b"=")[::2] for item in (path / "environ").read_bytes().split(b"\0"))
                if pairs.get(RUN_VARIABLE) == self._wanted:
                    return pairs.get(PROCESS_VARIABLE, b"unnamed").decode(errors="replace")
            parent = int(parse_stat((path / "stat").read_text(errors="replace"))[0][1])
        except (OSError, ValueError):
            return None  # gone, or another user's
        return self._known.get(parent, (None, 0.0))[0]

    def _read(self, pid: int) -> Sample | None:
        path = self._context.proc / str(pid)
        try:
            text = (path / "stat").read_text(errors="replace")
        except OSError:
            return None
        try:
            fields = parse_stat(text)[0]
            numbers = [int(value) for value in fields[1:22]]
        except ValueError:
            self._context.errors["process"] += 1
            return None
        if fields[0] in {"Z", "X"}:
            return None
        # numbers[n - 4] is field n of proc(5).
        user, system, children_user, children_system = (numbers[n] / _TICKS for n in (10, 11, 12, 13))
        faults, children_faults = float(numbers[8]), float(numbers[9])
        return Sample(
            ppid=numbers[0],
            start=numbers[18],
            user=user + children_user,
            system=system + children_system,
            faults=faults + children_faults,
            taken={"user": children_user, "system": children_system, "faults": children_faults},
            threads=numbers[16],
            virtual=numbers[19],
            resident=numbers[20] * _PAGE,
            io=self._io(path),
            fds=_count(path / "fd"),
            max_fds=_max_fds(path / "limits"),
        )

    def _io(self, path: Path) -> dict[str, float] | None:
        try:
            return parse_io((path / "io").read_text())
        except OSError:
            return None
        except (KeyError, ValueError):
            self._context.errors["process"] += 1
            return None

    def _boot_time(self) -> float:
        try:
            for line in (self._context.proc / "stat").read_text().splitlines():
                if line.startswith("btime "):
                    return float(line.split()[1])
        except (OSError, ValueError, IndexError):
            self._context.errors["process"] += 1
        return 0.0

    def _families(self, found: dict[str, dict[tuple[int, int], Sample]]) -> Iterator[Metric]:
        cpu = CounterMetricFamily(
            "process_tree_cpu_seconds", "CPU time of the program and its children.", labels=["service", "mode"]
        )
        counters = {
            "rchar": _counter("read_chars", "Bytes read by system calls, network file systems included."),
            "wchar": _counter("write_chars", "Bytes written by system calls, network file systems included."),
            "read_bytes": _counter("read_bytes", "Bytes fetched from storage."),
            "write_bytes": _counter("write_bytes", "Bytes sent to storage."),
            "faults": _counter("major_page_faults", "Page faults that needed storage."),
        }
        gauges = {
            "resident": _gauge("resident_memory_bytes", "Resident memory, shared pages counted in each process."),
            "virtual": _gauge("virtual_memory_bytes", "Virtual memory."),
            "threads": _gauge("threads", "Threads."),
            "fds": _gauge("open_fds", "Open file descriptors."),
        }
        lowest = _gauge("max_fds", "Lowest soft limit of open file descriptors.")
        count = _gauge("processes", "Processes.")
        start = _gauge("start_time_seconds", "Start of the oldest process, UTC.")
        readable = _gauge("io_readable", "1 if /proc/PID/io can be read.")
        for service, samples in sorted(found.items()):
            tree = self._trees.setdefault(service, _Tree())
            totals = tree.advance(samples)
            for mode in ("user", "system"):
                cpu.add_metric([service, mode], totals.get(mode, 0.0))
            for name, family in counters.items():
                if name in totals:
                    family.add_metric([service], totals[name])
            count.add_metric([service], len(samples))
            if not samples:
                continue
            for name, gauge in gauges.items():
                gauge.add_metric([service], sum(getattr(sample, name) or 0 for sample in samples.values()))
            limits = [sample.max_fds for sample in samples.values() if sample.max_fds is not None]
            if limits:
                lowest.add_metric([service], min(limits))
            start.add_metric([service], self._boot + min(sample.start for sample in samples.values()) / _TICKS)
            readable.add_metric([service], float(all(sample.io is not None for sample in samples.values())))
        yield from (cpu, *counters.values(), *gauges.values(), lowest, count, start, readable)


def _counter(name: str, text: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"process_tree_{name}", text, labels=["service"])


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"process_tree_{name}", text, labels=["service"])


def _count(path: Path) -> int | None:
    try:
        return len(os.listdir(path))  # noqa: PTH208 - no Path objects for thousands of descriptors
    except OSError:
        return None


def _max_fds(path: Path) -> float | None:
    try:
        for line in path.read_text().splitlines():
            if line.startswith("Max open files"):
                soft = line.split()[3]
                return None if soft == "unlimited" else float(soft)
    except (OSError, ValueError, IndexError):
        return None
    return None


class Kind:
    """See the module."""

    name = "process"
    help = "CPU, memory, I/O of the run's programs"

    def create(self, context: Context) -> ProcessCollector:
        """See `exporters.collector.CollectorKind`."""
        return ProcessCollector(context)


COLLECTOR = Kind()
