"""`cgroup`: what the job may use and does use, from cgroup v1, v2, or both at once (hybrid).

`exporters.cgroup_places` says which groups those are. v1's figures are those of `exporters.cgroup_v1`, v2's those of
`exporters.cgroup_v2`; both come out under the same names and units.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prometheus_client.core import Metric

from exporters.cgroup_places import (
    Group,
    Mount,
    find_group,
    mounts_below,
    moved,
    parse_membership,
    parse_mountinfo,
)
from exporters.cgroup_reader import Reader
from exporters.cgroup_v1 import V1
from exporters.cgroup_v2 import V2
from exporters.collector import CollectorKind, Context
from exporters.families import Families

_PLACES_FOR = 10.0
"""Seconds for which the groups found are believed; a process is seldom moved, and mountinfo can be long."""


class CgroupCollector:
    """See the module."""

    name = "cgroup"

    def __init__(self, context: Context) -> None:
        self._proc = context.proc_root
        self._sys = context.sys_root
        self._job = context.environment.get("SLURM_JOB_ID")
        self._reader = Reader(context.malformed)
        self._v1 = V1(self._reader)
        self._v2 = V2(self._reader, self._proc / "pressure")
        self._devices: dict[str, str] = {}
        self._groups: Mapping[str, Group] = {}
        self._found_at = float("-inf")
        self._mounted = False

    def collect(self) -> Iterable[Metric]:
        """See `exporters.collector.Collector`."""
        groups = self._places()
        values = Families("cgroup")
        self._v1.add(values, groups, self._device)
        if "" in groups:
            self._v2.add(values, groups[""], groups.keys(), self._device)
        about = Families("cgroup")
        readable = any(True for _ in values)
        missing = "no controller's files can be read" if self._mounted else "no cgroup file system is mounted"
        reason = "" if readable else missing
        about.gauge("up", "1 if a control group can be read; else the reason.", float(readable), reason=reason)
        for controller, group in sorted(groups.items()):
            about.gauge(
                "info",
                "Which control group is read for which controller; always 1.",
                1,
                controller=controller or "unified",
                version=f"v{group.mount.version}",
                scope=group.scope,
                path=group.inside.encode(errors="replace").decode(),
                slurm_job_id=group.job or self._job or "",
            )
        return [*about, *values]

    def _places(self) -> Mapping[str, Group]:
        """Return the groups to read by v1 controller; v2's under the empty name."""
        now = time.monotonic()
        if now - self._found_at > _PLACES_FOR or not all(group.path.is_dir() for group in self._groups.values()):
            self._groups = self._find()
            self._found_at = now
        return self._groups

    def _find(self) -> Mapping[str, Group]:
        own = self._reader.parsed(self._proc / "self" / "cgroup", parse_membership) or {}
        mounts = self._mounts()
        self._mounted = bool(mounts)
        found: dict[str, Group] = {}
        for mount in mounts:
            for controller in sorted(mount.controllers) or ([""] if mount.version == 2 else []):
                group = find_group(mount, own.get(controller, "/"), self._job)
                # The same hierarchy may be mounted twice (in a container): the first that shows our group counts.
                if group is not None and (
                    controller not in found or _RANK[group.scope] > _RANK[found[controller].scope]
                ):
                    found[controller] = group
        return found

    def _mounts(self) -> Sequence[Mount]:
        listed = self._reader.parsed(self._proc / "self" / "mountinfo", parse_mountinfo) or ()
        mounts = [moved(mount, self._sys) for mount in listed]
        return [mount for mount in mounts if mount.path.is_dir()] or mounts_below(self._sys)

    def _device(self, number: str) -> str:
        """Return the kernel's name of a block device (sda) for major:minor, or that number where it has no name."""
        if number not in self._devices:
            text = self._reader.text(Path(self._sys, "dev", "block", number, "uevent")) or ""
            names = [line.removeprefix("DEVNAME=") for line in text.splitlines() if line.startswith("DEVNAME=")]
            self._devices[number] = names[0] if names else number
        return self._devices[number]


_RANK = {"root": 0, "self": 1, "job": 2}

COLLECTOR = CollectorKind(
    name="cgroup",
    help="the job's CPU, memory, limits, OOM kills, pressure",
    create=CgroupCollector,
)
