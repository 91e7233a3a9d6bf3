"""`cgroup`: what the job may use and does use, from cgroup v1, v2, or both at once (hybrid).

The job's group is the `job_<id>` part of this process's own group where Slurm made one, else the place where Slurm of
several versions keeps it, else the process's own group. Sources: cgroups(7), Documentation/admin-guide/cgroup-v1 and
cgroup-v2 of the kernel.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporters.collector import Context

_UNLIMITED_V1 = 2**62
"""v1 says "no limit" as the largest multiple of the page size below 2^63."""
_TICKS = os.sysconf("SC_CLK_TCK")
_SLURM_PLACES_V2 = ("system.slice/slurmstepd.scope/job_{job}", "system.slice/*_slurmstepd.scope/job_{job}")
_SLURM_PLACES_V1 = ("slurm/uid_*/job_{job}", "slurm_*/uid_*/job_{job}")


@dataclass(frozen=True)
class Mount:
    """Where a hierarchy is mounted. `root` is the part of the hierarchy that the mount shows."""

    path: Path
    root: str
    controllers: frozenset[str]
    version: int


@dataclass(frozen=True)
class Group:
    """A control group: the mount, the path inside it, and whether it is the job's or only this process's own."""

    mount: Mount
    inside: str
    scope: str

    @property
    def path(self) -> Path:
        """Return the directory of the group."""
        return self.mount.path / self.inside.lstrip("/")


class Reader:
    """Reads the small files of a group; what is not there is None, what is malformed is counted."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def text(self, path: Path) -> str | None:
        """Return a file's text."""
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError):
            return None

    def number(self, path: Path) -> int | None:
        """Return a file that holds one whole number; `max` and v1's huge limits are None."""
        text = self.text(path)
        if text is None or text.strip() in {"max", ""}:
            return None
        try:
            return int(text)
        except ValueError:
            self._context.errors["cgroup"] += 1
            return None

    def table(self, path: Path) -> dict[str, int] | None:
        """Return a file of `name number` lines."""
        text = self.text(path)
        if text is None:
            return None
        found = {}
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            try:
                found[name] = int(value)
            except ValueError:
                self._context.errors["cgroup"] += 1
        return found

    def pressure(self, path: Path) -> dict[str, float] | None:
        """Return the stalled seconds of a PSI file by kind (some, full)."""
        text = self.text(path)
        if text is None:
            return None
        found = {}
        for line in text.splitlines():
            kind, *pairs = line.split()
            try:
                found[kind] = int(dict(pair.split("=") for pair in pairs)["total"]) / 1e6
            except (KeyError, ValueError):
                self._context.errors["cgroup"] += 1
        return found


def parse_mountinfo(text: str) -> Iterator[Mount]:
    """Yield the cgroup mounts of /proc/PID/mountinfo (proc(5)); other lines are passed over."""
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if not separator or len(fields) < 6 or len(kind) < 3 or kind[0] not in {"cgroup", "cgroup2"}:
            continue
        path = Path(fields[4].replace("\\040", " "))
        controllers = frozenset(kind[2].split(",")) if kind[0] == "cgroup" else frozenset()
        yield Mount(path, fields[3].replace("\\040", " "), controllers, 1 if kind[0] == "cgroup" else 2)


def parse_membership(text: str) -> dict[str, str]:
    """Return the paths of /proc/PID/cgroup by controller; v2's under the empty name."""
    found = {}
    for line in text.splitlines():
        number, separator, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if separator and colon and number.isdecimal():
            for controller in controllers.split(","):
                found[controller] = path
    return found


class CgroupCollector:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read = Reader(context)
        self._job = context.environment.get("SLURM_JOB_ID", "")

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        groups = self._groups()
        up = GaugeMetricFamily("cgroup_up", "1 if a control group can be read.", labels=["reason"])
        up.add_metric(["" if groups else "no cgroup controller is mounted and readable here"], float(bool(groups)))
        yield up
        if not groups:
            return
        info = GaugeMetricFamily(
            "cgroup_info", "Which groups are read.", labels=["controller", "version", "scope", "path", "slurm_job_id"]
        )
        for controller, group in sorted(groups.items()):
            info.add_metric([controller, f"v{group.mount.version}", group.scope, group.inside, self._job], 1)
        yield info
        for controller, families in (
            ("cpu", self._cpu),
            ("cpuset", self._cpuset),
            ("memory", self._memory),
            ("pids", self._pids),
            ("io", self._io),
            ("pressure", self._pressure),
        ):
            if controller in groups:
                yield from families(groups[controller])

    def _groups(self) -> dict[str, Group]:
        """Return the group to read for each controller."""
        own = parse_membership(self._read.text(self._context.proc / "self" / "cgroup") or "")
        mounts = list(parse_mountinfo(self._read.text(self._context.proc / "self" / "mountinfo") or ""))
        mounts = [self._moved(mount) for mount in mounts] or self._guess()
        found: dict[str, Group] = {}
        for mount in mounts:
            if mount.version == 2:
                group = self._find(mount, own.get("", "/"), _SLURM_PLACES_V2)
                if group is not None:
                    for controller in ("cpu", "cpuset", "memory", "pids", "io", "pressure"):
                        if self._offers(group, controller):
                            found.setdefault(controller, group)
            for controller, name in (
                *(("cpuacct", "cpu"), ("cpuset", "cpuset"), ("memory", "memory"), ("pids", "pids"), ("blkio", "io")),
            ):
                if controller in mount.controllers:
                    group = self._find(mount, own.get(controller, "/"), _SLURM_PLACES_V1)
                    if group is not None:
                        found[name] = group
        return found

    def _moved(self, mount: Mount) -> Mount:
        """With --root, mounts lie below that root."""
        if self._context.sys == Path("/sys"):
            return mount
        try:
            inside = mount.path.relative_to("/sys")
        except ValueError:
            return mount
        return Mount(self._context.sys / inside, mount.root, mount.controllers, mount.version)

    def _guess(self) -> list[Mount]:
        """Without mountinfo, look where systemd mounts the hierarchies."""
        base = self._context.sys / "fs" / "cgroup"
        if (base / "cgroup.controllers").exists():
            return [Mount(base, "/", frozenset(), 2)]
        mounts = []
        for path in sorted(base.iterdir()) if base.is_dir() else ():
            if (path / "cgroup.controllers").exists():
                mounts.append(Mount(path, "/", frozenset(), 2))
            elif path.is_dir() and not path.is_symlink():
                mounts.append(Mount(path, "/", frozenset(path.name.split(",")), 1))
        return mounts

    def _find(self, mount: Mount, own: str, slurm_places: Sequence[str]) -> Group | None:
        # In a container /proc/self/cgroup may name a path from outside of what the mount shows.
        inside = (
            own.removeprefix(mount.root.rstrip("/")) or "/" if own.startswith(mount.root.rstrip("/") + "/") else own
        )
        parts = PurePosixPath(inside).parts
        for index, part in enumerate(parts):
            if part.startswith("job_") and part[4:].isdecimal():
                job = str(PurePosixPath(*parts[: index + 1]))
                if (mount.path / job.lstrip("/")).is_dir():
                    return Group(mount, job, "job")
        if self._job.isdecimal():
            for place in slurm_places:
                for path in sorted(mount.path.glob(place.format(job=self._job))):
                    return Group(mount, "/" + path.relative_to(mount.path).as_posix(), "job")
        for candidate in (inside, "/"):
            if (mount.path / candidate.lstrip("/")).is_dir():
                return Group(mount, candidate, "self" if candidate != "/" else "root")
        return None

    def _offers(self, group: Group, controller: str) -> bool:
        files = {
            "cpu": "cpu.stat",
            "cpuset": "cpuset.cpus.effective",
            "memory": "memory.current",
            "pids": "pids.current",
            "io": "io.stat",
            "pressure": "cpu.pressure",
        }
        return (group.path / files[controller]).exists()

    def _lowest(self, group: Group, name: str) -> int | None:
        """Return the smallest limit on the way from the group to the root: the one that counts."""
        limits = []
        place = PurePosixPath(group.inside)
        for part in (place, *place.parents):
            limit = self._read.number(group.mount.path / str(part).lstrip("/") / name)
            if limit is not None and limit < _UNLIMITED_V1:
                limits.append(limit)
        return min(limits, default=None)

    def _cpu(self, group: Group) -> Iterator[Metric]:
        modes = CounterMetricFamily("cgroup_cpu_seconds", "CPU time by mode.", labels=["cgroup", "mode"])
        usage: float | None = None
        if group.mount.version == 2:
            table = self._read.table(group.path / "cpu.stat") or {}
            for mode in ("user", "system"):
                if f"{mode}_usec" in table:
                    modes.add_metric([group.scope, mode], table[f"{mode}_usec"] / 1e6)
            usage = table["usage_usec"] / 1e6 if "usage_usec" in table else None
            throttled = table.get("throttled_usec", 0) / 1e6 if "nr_throttled" in table else None
        else:
            ticks = self._read.table(group.path / "cpuacct.stat") or {}
            for mode in ("user", "system"):
                if mode in ticks:
                    modes.add_metric([group.scope, mode], ticks[mode] / _TICKS)
            nanoseconds = self._read.number(group.path / "cpuacct.usage")
            usage = nanoseconds / 1e9 if nanoseconds is not None else None
            table = self._read.table(group.path / "cpu.stat") or {}
            throttled = table["throttled_time"] / 1e9 if "throttled_time" in table else None
        yield modes
        yield from _counter("cpu_usage_seconds", "CPU time in all.", group, usage)
        yield from _counter("cpu_throttled_seconds", "Time that the CPU quota held the group back.", group, throttled)
        yield from _counter(
            "cpu_throttled_periods", "Periods in which the quota ran out.", group, table.get("nr_throttled")
        )
        yield from _gauge("cpu_quota_cores", "CPU quota in cores; absent: no quota.", group, self._quota(group))

    def _quota(self, group: Group) -> float | None:
        if group.mount.version == 2:
            words = (self._read.text(group.path / "cpu.max") or "").split()
            if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
                return int(words[0]) / max(1, int(words[1]))
            return None
        quota = self._read.number(group.path / "cpu.cfs_quota_us")
        period = self._read.number(group.path / "cpu.cfs_period_us")
        return quota / period if quota is not None and period and quota > 0 else None

    def _cpuset(self, group: Group) -> Iterator[Metric]:
        name = "cpuset.cpus.effective" if group.mount.version == 2 else "cpuset.effective_cpus"
        text = self._read.text(group.path / name)
        if not (text or "").strip() and group.mount.version == 1:
            text = self._read.text(group.path / "cpuset.cpus")
        count = count_cpus(text or "")
        if count is None:
            self._context.errors["cgroup"] += 1
        yield from _gauge("cpus", "CPUs that the group may run on.", group, count or None)

    def _memory(self, group: Group) -> Iterator[Metric]:
        new = group.mount.version == 2
        stat = self._read.table(group.path / "memory.stat") or {}
        usage = self._read.number(group.path / ("memory.current" if new else "memory.usage_in_bytes"))
        inactive = stat.get("inactive_file" if new else "total_inactive_file")
        working = max(0, usage - inactive) if usage is not None and inactive is not None else None
        limit = self._lowest(group, "memory.max" if new else "memory.limit_in_bytes")
        peak = self._read.number(group.path / ("memory.peak" if new else "memory.max_usage_in_bytes"))
        events = self._read.table(group.path / ("memory.events" if new else "memory.oom_control")) or {}
        failures = events.get("max") if new else self._read.number(group.path / "memory.failcnt")
        yield from _gauge("memory_usage_bytes", "Memory in use, page cache included.", group, usage)
        yield from _gauge("memory_working_set_bytes", "Memory in use less inactive page cache.", group, working)
        yield from _gauge("memory_anon_bytes", "Anonymous memory.", group, stat.get("anon" if new else "total_rss"))
        yield from _gauge("memory_file_bytes", "Page cache.", group, stat.get("file" if new else "total_cache"))
        yield from _gauge("memory_limit_bytes", "The limit that counts; absent: no limit.", group, limit)
        yield from _gauge("memory_peak_bytes", "Highest memory in use so far.", group, peak)
        yield from _counter("memory_oom_kills", "Processes that the OOM killer ended.", group, events.get("oom_kill"))
        yield from _counter("memory_failures", "Times that the limit was hit.", group, failures)

    def _pids(self, group: Group) -> Iterator[Metric]:
        count = self._read.number(group.path / "pids.current")
        yield from _gauge("pids", "Processes and threads.", group, count)

    def _io(self, group: Group) -> Iterator[Metric]:
        labels = ["cgroup", "device"]
        read = CounterMetricFamily("cgroup_io_read_bytes", "Bytes read from block devices.", labels=labels)
        write = CounterMetricFamily("cgroup_io_write_bytes", "Bytes written to block devices.", labels=labels)
        name = "io.stat" if group.mount.version == 2 else "blkio.throttle.io_service_bytes"
        for line in (self._read.text(group.path / name) or "").splitlines():
            device, *words = line.split() or [""]
            try:
                if group.mount.version == 2:
                    values = {key: int(value) for key, value in (word.split("=") for word in words)}
                    read.add_metric([group.scope, device], values["rbytes"])
                    write.add_metric([group.scope, device], values["wbytes"])
                elif words[:1] == ["Read"]:
                    read.add_metric([group.scope, device], int(words[1]))
                elif words[:1] == ["Write"]:
                    write.add_metric([group.scope, device], int(words[1]))
            except (IndexError, KeyError, ValueError):
                if words:  # a device without figures is how v2 lists one that was not used
                    self._context.errors["cgroup"] += 1
        yield from (read, write)

    def _pressure(self, group: Group) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "cgroup_pressure_seconds", "Time stalled on a resource (PSI).", labels=["cgroup", "resource", "kind"]
        )
        for resource in ("cpu", "memory", "io"):
            for kind, seconds in (self._read.pressure(group.path / f"{resource}.pressure") or {}).items():
                family.add_metric([group.scope, resource, kind], seconds)
        yield family


def count_cpus(text: str) -> int | None:
    """Return how many CPUs a list such as 0-3,8 names; None where it is no such list."""
    total = 0
    for part in text.strip().split(","):
        low, dash, high = part.partition("-")
        if not part:
            continue
        if not low.isdecimal() or (dash and not high.isdecimal()):
            return None
        total += max(0, int(high or low) - int(low) + 1)
    return total


def _gauge(name: str, text: str, group: Group, value: float | None) -> Iterator[Metric]:
    if value is not None:
        family = GaugeMetricFamily(f"cgroup_{name}", text, labels=["cgroup"])
        family.add_metric([group.scope], value)
        yield family


def _counter(name: str, text: str, group: Group, value: float | None) -> Iterator[Metric]:
    if value is not None:
        family = CounterMetricFamily(f"cgroup_{name}", text, labels=["cgroup"])
        family.add_metric([group.scope], value)
        yield family


class Kind:
    """See the module."""

    name = "cgroup"
    help = "the job's CPU, memory, limits, OOM kills, pressure"

    def create(self, context: Context) -> CgroupCollector:
        """See `exporters.collector.CollectorKind`."""
        return CgroupCollector(context)


COLLECTOR = Kind()
