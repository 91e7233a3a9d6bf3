"""`process`: the process trees of a run's programs, not the whole machine. Source: proc(5).

`exporters.members` says which processes those are, `exporters.ledger` how the counters of a tree are kept.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric

from exporters.collector import CollectorKind, Context, Option, OptionError
from exporters.families import Families
from exporters.files import read_text
from exporters.ledger import Account, Key, Ledger
from exporters.members import SERVICE_VARIABLE, Member, Members, Wanted
from exporters.procfs import Io, Stat, parse_boot_time, parse_io, parse_open_files_limit, parse_stat
from exporters.switches import SwitchCounter

_LIMIT_FOR = 30.0
"""Seconds for which a limit of open files is believed: it rarely changes, and /proc/PID/limits is slow to read."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_BYTES = {
    "read_chars": "Bytes read by system calls, network file systems, pipes and caches included.",
    "write_chars": "Bytes written by system calls, network file systems, pipes and caches included.",
    "read_bytes": "Bytes fetched from storage.",
    "write_bytes": "Bytes sent to storage.",
}


@dataclass(frozen=True)
class _Sample:
    """A process at one look. `io` is the last that could be read; `io_refused`: it is kept from us."""

    stat: Stat
    io: Io | None
    io_refused: bool
    open_files: int | None
    open_files_limit: int | None


class ProcessCollector:
    """See the module."""

    name = "process"

    def __init__(self, context: Context) -> None:
        """Raise OptionError where the options name nothing to watch."""
        self._root = str(context.proc_root)
        self._malformed = context.malformed
        wanted = _wanted(context)
        try:
            self._members = Members(context.proc_root, wanted)
        except ProcessLookupError as error:
            raise OptionError(f"--pid: there is no process {error.args[0]}; see `ps -e`") from error
        self._ledger = Ledger()
        self._switches = SwitchCounter(Path(context.proc_root))
        self._services = set((wanted.pids or {}).values())
        self._stats: dict[Key, Stat] = {}
        self._io: dict[Key, Io] = {}
        self._limits: dict[Key, tuple[float, int | None]] = {}
        self._boot: int | None = None

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        members = self._members.scan()
        samples: dict[Member, _Sample] = {}
        for member in members:  # parents first, as the ledger asks
            sample = self._sample(member)
            if sample is not None:
                samples[member] = sample
        self._services |= {member.service for member in samples}
        keys = {(member.pid, member.start) for member in samples}
        self._stats = {key: stat for key, stat in self._stats.items() if key in keys}
        self._io = {key: io for key, io in self._io.items() if key in keys}
        self._limits = {key: limit for key, limit in self._limits.items() if key in keys}
        totals = self._ledger.advance([_account(member, sample) for member, sample in samples.items()])
        switches = self._switches.read(samples)
        families = Families("process_tree")
        for service in sorted(self._services):
            mine = [sample for member, sample in samples.items() if member.service == service]
            self._add_counters(families, service, totals.get(service, {}), mine)
            for kind, count in zip(("voluntary", "involuntary"), switches.get(service, (0, 0)), strict=True):
                families.counter(
                    "context_switches",
                    "Context switches of the threads that were seen.",
                    count,
                    service=service,
                    kind=kind,
                )
            self._add_gauges(families, service, [sample for sample in mine if not sample.stat.zombie])
        return families

    def _sample(self, member: Member) -> _Sample | None:
        path, key = f"{self._root}/{member.pid}", (member.pid, member.start)
        stat = self._stat(path, key)
        if stat is None:
            return None
        if stat.start != member.start:
            self._members.forget(member.pid)
            return None
        refused = self._read_io(path, key)
        if stat.zombie:
            return _Sample(stat, self._io.get(key), refused, None, None)
        return _Sample(stat, self._io.get(key), refused, self._count_open_files(path), self._limit(path, key))

    def _stat(self, path: str, key: Key) -> Stat | None:
        """Return the process's figures; those of the last look where it is there and cannot be read."""
        try:
            stat = parse_stat(read_text(f"{path}/stat"))
        except (FileNotFoundError, ProcessLookupError):
            return None
        except PermissionError:
            return self._stats.get(key)
        if stat is None:
            self._malformed.add()
            return self._stats.get(key)
        if stat.start == key[1]:
            self._stats[key] = stat
        return stat

    def _read_io(self, path: str, key: Key) -> bool:
        """Remember the process's I/O; returns whether it is kept from us."""
        try:
            io = parse_io(read_text(f"{path}/io"))
        except (PermissionError, FileNotFoundError):
            # Another user's, or one that gave itself other rights; or a kernel that does not count I/O. Not: gone.
            return os.path.exists(path)  # noqa: PTH110 - no Path object for each process
        except OSError:
            return False
        if io is None:
            self._malformed.add()
        else:
            self._io[key] = io
        return False

    def _count_open_files(self, path: str) -> int | None:
        try:
            # Since Linux 6.2 the size of the real directory is the number of descriptors; before, it is 0.
            size = os.stat(f"{path}/fd").st_size if self._root == "/proc" else 0  # noqa: PTH116 - as above
            return size or len(os.listdir(f"{path}/fd"))  # noqa: PTH208 - as above
        except OSError:
            return None

    def _limit(self, path: str, key: Key) -> int | None:
        now = time.monotonic()
        known = self._limits.get(key)
        if known is not None and now - known[0] < _LIMIT_FOR:
            return known[1]
        with contextlib.suppress(OSError):
            parsed = parse_open_files_limit(read_text(f"{path}/limits"))
            self._malformed.add(parsed.malformed)
            self._limits[key] = now, parsed.value
            return parsed.value
        return None

    def _add_counters(
        self, families: Families, service: str, totals: Mapping[str, int], samples: list[_Sample]
    ) -> None:
        for mode in ("user", "system"):
            families.counter(
                "cpu_seconds",
                "CPU time of the program and its children, ended ones included.",
                totals.get(mode, 0) / _TICKS,
                service=service,
                mode=mode,
            )
        families.counter(
            "major_page_faults", "Page faults that needed storage.", totals.get("major_faults", 0), service=service
        )
        refused = any(sample.io_refused for sample in samples)
        for name, text in _BYTES.items():
            # Part of a tree's I/O is no figure of the tree: better none.
            families.counter(name, text, None if refused else totals.get(name), service=service)
        if samples:
            families.gauge("io_readable", "1 if the program's I/O can be read.", float(not refused), service=service)

    def _add_gauges(self, families: Families, service: str, samples: list[_Sample]) -> None:
        families.gauge("processes", "Processes, ended ones excluded.", len(samples), service=service)
        if not samples:
            return
        stats = [sample.stat for sample in samples]
        families.gauge("threads", "Threads.", sum(stat.threads for stat in stats), service=service)
        families.gauge(
            "resident_memory_bytes",
            "Resident memory; what processes share is counted in each.",
            sum(stat.resident for stat in stats) * _PAGE,
            service=service,
        )
        families.gauge("virtual_memory_bytes", "Virtual memory.", sum(stat.virtual for stat in stats), service=service)
        open_files = [sample.open_files for sample in samples if sample.open_files is not None]
        limits = [sample.open_files_limit for sample in samples if sample.open_files_limit is not None]
        families.gauge("open_fds", "Open file descriptors.", sum(open_files) if open_files else None, service=service)
        families.gauge(
            "max_fds",
            "Lowest soft limit of open file descriptors of a process.",
            min(limits, default=None),
            service=service,
        )
        boot = self._boot_time()
        start = boot + min(stat.start for stat in stats) / _TICKS if boot is not None else None
        families.gauge("start_time_seconds", "Start of the oldest process, UTC.", start, service=service)

    def _boot_time(self) -> int | None:
        if self._boot is None:
            with contextlib.suppress(OSError):
                self._boot = parse_boot_time(read_text(f"{self._root}/stat"))
                self._malformed.add(int(self._boot is None))
        return self._boot


def _account(member: Member, sample: _Sample) -> Account:
    stat = sample.stat
    spent = {
        "user": stat.user + stat.children_user,
        "system": stat.system + stat.children_system,
        "major_faults": stat.major_faults + stat.children_major_faults,
    }
    if sample.io is not None:
        spent.update(vars(sample.io))
    return Account(
        key=(member.pid, member.start),
        parent=stat.parent,
        service=member.service,
        spent=spent,
        inherited={
            "user": stat.children_user,
            "system": stat.children_system,
            "major_faults": stat.children_major_faults,
        },
    )


def _wanted(context: Context) -> Wanted:
    """Read the options. Raises OptionError."""
    pids: dict[int, str] = {}
    for word in context.options.get("pid", ()):
        name, _, pid = word.partition("=")
        if not name or not (pid.isascii() and pid.isdigit()):
            raise OptionError(f"--pid {word!r} is not NAME=PID")
        pids[int(pid)] = name
    variable = context.option("service-env")
    if context.run_id is None and variable is None and not pids:
        raise OptionError(
            "process has nothing to watch: give --run-id ID (programs that carry it in DASHCAM_RUN_ID), "
            "--pid NAME=PID, or --service-env NAME"
        )
    tagged = context.run_id is not None or variable is not None
    return Wanted(context.run_id, (variable or SERVICE_VARIABLE) if tagged else None, pids)


COLLECTOR = CollectorKind(
    name="process",
    help="CPU, memory, I/O of the run's programs",
    create=ProcessCollector,
    options=(
        Option("pid", "NAME=PID", "watch this process and its children as NAME; may be given several times"),
        Option("service-env", "NAME", f"environment variable that names the service; default: {SERVICE_VARIABLE}"),
    ),
)
