"""The figures of cgroup v1: one hierarchy a controller. cpuacct.stat is in ticks, cpuacct.usage in nanoseconds."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from exporters.cgroup_figures import Cpu, Memory, add_cpus, add_io, add_pids
from exporters.cgroup_files import parse_cpus, parse_io_v1, parse_limit
from exporters.cgroup_places import Group
from exporters.cgroup_reader import Reader
from exporters.families import Families

_TICKS = os.sysconf("SC_CLK_TCK")


class _Below:
    """Sums counters that v1 keeps in each group for itself alone, over a group and all below; never falls.

    An OOM kill is counted where the victim was: in a task's group, which goes when the step ends.
    """

    def __init__(self) -> None:
        self._last: dict[Path, int] = {}
        self._ended = 0

    def sum(self, top: Path, read: Callable[[Path], int | None]) -> int | None:
        """Return the sum of `read` over `top` and the folders below; None where nothing could be read."""
        now: dict[Path, int] = {}
        for folder, _, _ in os.walk(top):
            value = read(Path(folder))
            if value is not None:
                now[Path(folder)] = value
        # What has gone, and what was made anew under the same name, stays in the sum.
        self._ended += sum(old for path, old in self._last.items() if now.get(path, -1) < old)
        self._last = now
        return sum(now.values()) + self._ended if now or self._ended else None


class V1:
    """Adds the figures of v1 groups."""

    def __init__(self, reader: Reader) -> None:
        self._read = reader
        self._below: dict[tuple[str, Path], _Below] = {}

    def add(self, families: Families, groups: Mapping[str, Group], device: Callable[[str], str]) -> None:
        """Add what `groups`, by controller, tell. `device` names a block device by its number."""
        if "cpuacct" in groups:
            # Where both are one hierarchy, /sys/fs/cgroup may show it under one of the names only.
            self._cpu(groups["cpuacct"], groups.get("cpu", groups["cpuacct"])).add(families, groups["cpuacct"].scope)
        if "cpuset" in groups:
            add_cpus(families, groups["cpuset"].scope, self._cpus(groups["cpuset"].path))
        if "memory" in groups:
            self._memory(groups["memory"]).add(families, groups["memory"].scope)
        if "pids" in groups:
            add_pids(families, groups["pids"].scope, self._read.number(groups["pids"].path / "pids.current"))
        if "blkio" in groups:
            add_io(families, groups["blkio"].scope, self._io(groups["blkio"].path), device)

    def _cpu(self, account: Group, schedule: Group) -> Cpu:
        ticks = self._read.table(account.path / "cpuacct.stat")
        nanoseconds = self._read.number(account.path / "cpuacct.usage")
        # Throttling of another group than the one whose time is shown would mislead.
        stat = self._read.table(schedule.path / "cpu.stat") if schedule.scope == account.scope else {}
        return Cpu(
            user=ticks["user"] / _TICKS if "user" in ticks else None,
            system=ticks["system"] / _TICKS if "system" in ticks else None,
            usage=nanoseconds / 1e9 if nanoseconds is not None else None,
            throttled=stat["throttled_time"] / 1e9 if "throttled_time" in stat else None,
            throttled_periods=stat.get("nr_throttled"),
            quota=self._quota(schedule),
        )

    def _quota(self, group: Group) -> float | None:
        quotas = []
        for folder in group.upwards():
            quota = self._read.parsed(folder / "cpu.cfs_quota_us", parse_limit)
            period = self._read.number(folder / "cpu.cfs_period_us")
            if quota and period:
                quotas.append(quota / period)
        return min(quotas, default=None)

    def _cpus(self, path: Path) -> int | None:
        count = self._read.parsed(path / "cpuset.effective_cpus", parse_cpus)
        return count or self._read.parsed(path / "cpuset.cpus", parse_cpus)

    def _memory(self, group: Group) -> Memory:
        path = group.path
        stat = self._read.table(path / "memory.stat")
        limits = [
            self._read.lowest_limit(group.upwards(), "memory.limit_in_bytes"),
            # Also knows of limits above what a container's mount shows.
            parse_limit(str(stat.get("hierarchical_memory_limit", "max"))).value,
        ]
        return Memory(
            usage=self._read.number(path / "memory.usage_in_bytes"),
            inactive_file=stat.get("total_inactive_file"),
            anon=stat.get("total_rss"),
            file=stat.get("total_cache"),
            limit=min((limit for limit in limits if limit is not None), default=None),
            peak=self._read.number(path / "memory.max_usage_in_bytes"),
            oom_kills=self._sum(group, "oom_kills", self._oom_kills),
            failures=self._sum(group, "failures", lambda folder: self._read.number(folder / "memory.failcnt")),
        )

    def _oom_kills(self, folder: Path) -> int | None:
        """Since Linux 4.13."""
        return self._read.table(folder / "memory.oom_control").get("oom_kill")

    def _sum(self, group: Group, name: str, read: Callable[[Path], int | None]) -> int | None:
        if group.scope != "job":
            return read(group.path)  # a whole machine has thousands of groups below
        return self._below.setdefault((name, group.path), _Below()).sum(group.path, read)

    def _io(self, path: Path) -> Mapping[str, tuple[int, int]]:
        for name in ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"):
            if (path / name).exists():
                return self._read.parsed(path / name, parse_io_v1) or {}
        return {}
