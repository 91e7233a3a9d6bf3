"""The figures of cgroup v2: one hierarchy for all controllers. Times are in microseconds.

A group's counters include those of the groups below it.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from exporters.cgroup_figures import Cpu, Memory, add_cpus, add_io, add_pids, add_pressure
from exporters.cgroup_files import parse_cpus, parse_io_v2, parse_pressure, parse_quota
from exporters.cgroup_places import Group
from exporters.cgroup_reader import Reader
from exporters.families import Families


class V2:
    """Adds the figures of a v2 group."""

    def __init__(self, reader: Reader, machine_pressure: Path) -> None:
        """`machine_pressure` is /proc/pressure: older kernels have no pressure files in the topmost group."""
        self._read = reader
        self._machine_pressure = machine_pressure

    def add(self, families: Families, group: Group, v1: Collection[str], device: Callable[[str], str]) -> None:
        """Add what `group` tells, except of controllers that belong to v1 here (hybrid)."""
        if "cpuacct" not in v1:
            self._cpu(group).add(families, group.scope)
        if "cpuset" not in v1:
            add_cpus(families, group.scope, self._cpus(group))
        if "memory" not in v1:
            self._memory(group).add(families, group.scope)
        if "pids" not in v1:
            add_pids(families, group.scope, self._read.number(group.path / "pids.current"))
        if "blkio" not in v1:
            add_io(families, group.scope, self._read.parsed(group.path / "io.stat", parse_io_v2) or {}, device)
        for resource in ("cpu", "memory", "io"):
            add_pressure(families, group.scope, resource, self._pressure(group, resource))

    def _cpu(self, group: Group) -> Cpu:
        stat = self._read.table(group.path / "cpu.stat")
        seconds = {name: value / 1e6 for name, value in stat.items() if name.endswith("_usec")}
        quotas = [self._read.parsed(folder / "cpu.max", parse_quota) for folder in group.upwards()]
        return Cpu(
            user=seconds.get("user_usec"),
            system=seconds.get("system_usec"),
            usage=seconds.get("usage_usec"),
            throttled=seconds.get("throttled_usec"),
            throttled_periods=stat.get("nr_throttled"),
            quota=min((quota for quota in quotas if quota is not None), default=None),
        )

    def _cpus(self, group: Group) -> int | None:
        # A group without the cpuset controller may use what the nearest one above it may.
        for folder in group.upwards():
            count = self._read.parsed(folder / "cpuset.cpus.effective", parse_cpus)
            if count is not None:
                return count
        return None

    def _memory(self, group: Group) -> Memory:
        stat = self._read.table(group.path / "memory.stat")
        events = self._read.table(group.path / "memory.events")
        return Memory(
            usage=self._read.number(group.path / "memory.current"),
            inactive_file=stat.get("inactive_file"),
            anon=stat.get("anon"),
            file=stat.get("file"),
            limit=self._read.lowest_limit(group.upwards(), "memory.max"),
            peak=self._read.number(group.path / "memory.peak"),
            oom_kills=events.get("oom_kill"),
            failures=events.get("max"),
        )

    def _pressure(self, group: Group, resource: str) -> Mapping[str, int]:
        stalled = self._read.parsed(group.path / f"{resource}.pressure", parse_pressure) or {}
        if not stalled and group.scope == "root":
            stalled = self._read.parsed(self._machine_pressure / resource, parse_pressure) or {}
        return stalled
