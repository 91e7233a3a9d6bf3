"""The families of a control group: names, units and help, alike for v1 and v2. What is None is left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporters.families import Families


@dataclass(frozen=True)
class Cpu:
    """Times in seconds."""

    user: float | None = None
    system: float | None = None
    usage: float | None = None
    throttled: float | None = None
    throttled_periods: int | None = None
    quota: float | None = None
    """Cores; None: no quota."""

    def add(self, families: Families, scope: str) -> None:
        """Add the cgroup_cpu_* families."""
        for mode, seconds in (("user", self.user), ("system", self.system)):
            families.counter("cpu_seconds", "CPU time by mode.", seconds, cgroup=scope, mode=mode)
        families.counter("cpu_usage_seconds", "CPU time in all.", self.usage, cgroup=scope)
        families.counter(
            "cpu_throttled_seconds", "Time for which the CPU quota held tasks back.", self.throttled, cgroup=scope
        )
        families.counter(
            "cpu_throttled_periods", "Periods in which the CPU quota ran out.", self.throttled_periods, cgroup=scope
        )
        families.gauge(
            "cpu_quota_cores", "CPU quota in cores, the smallest that applies; absent: none.", self.quota, cgroup=scope
        )


@dataclass(frozen=True)
class Memory:
    """Sizes in bytes."""

    usage: int | None = None
    inactive_file: int | None = None
    anon: int | None = None
    file: int | None = None
    limit: int | None = None
    peak: int | None = None
    oom_kills: int | None = None
    failures: int | None = None

    def add(self, families: Families, scope: str) -> None:
        """Add the cgroup_memory_* families."""
        known = self.usage is not None and self.inactive_file is not None
        working = max(0, (self.usage or 0) - (self.inactive_file or 0)) if known else None
        families.gauge("memory_usage_bytes", "Memory in use, page cache included.", self.usage, cgroup=scope)
        families.gauge(
            "memory_working_set_bytes",
            "Memory in use less inactive page cache: what cannot be had back at once.",
            working,
            cgroup=scope,
        )
        families.gauge("memory_anon_bytes", "Anonymous memory.", self.anon, cgroup=scope)
        families.gauge("memory_file_bytes", "Page cache, shared memory included.", self.file, cgroup=scope)
        families.gauge(
            "memory_limit_bytes", "Memory limit, the smallest that applies; absent: none.", self.limit, cgroup=scope
        )
        families.gauge("memory_peak_bytes", "Highest memory in use so far.", self.peak, cgroup=scope)
        families.counter(
            "memory_oom_kills", "Processes of the group that the OOM killer ended.", self.oom_kills, cgroup=scope
        )
        families.counter("memory_failures", "Times that a memory limit was hit.", self.failures, cgroup=scope)


def add_cpus(families: Families, scope: str, count: int | None) -> None:
    """Add cgroup_cpus."""
    families.gauge("cpus", "CPUs that the group may run on.", count, cgroup=scope)


def add_pids(families: Families, scope: str, count: int | None) -> None:
    """Add cgroup_pids."""
    families.gauge("pids", "Processes and threads of the group.", count, cgroup=scope)


def add_io(
    families: Families, scope: str, devices: Mapping[str, tuple[int, int]], name_of: Callable[[str], str]
) -> None:
    """Add cgroup_io_*: bytes read and written by device number."""
    for number, (read, written) in devices.items():
        device = name_of(number)
        families.counter("io_read_bytes", "Bytes read from a block device.", read, cgroup=scope, device=device)
        families.counter("io_write_bytes", "Bytes written to a block device.", written, cgroup=scope, device=device)


def add_pressure(families: Families, scope: str, resource: str, stalled: Mapping[str, int]) -> None:
    """Add cgroup_pressure_seconds_total: microseconds by kind."""
    for kind, microseconds in stalled.items():
        families.counter(
            "pressure_seconds",
            "Time for which some or all tasks were stalled on a resource (PSI).",
            microseconds / 1e6,
            cgroup=scope,
            resource=resource,
            kind=kind,
        )
