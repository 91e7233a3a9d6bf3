"""Where the control groups of this process and of its Slurm job are: mounts, memberships, Slurm's layouts.

Sources: cgroups(7), proc(5) for mountinfo, Slurm's cgroup/v1 and cgroup/v2 plugins for the layouts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from exporters.figures import Parsed

V1_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "pids", "blkio")
_JOB = re.compile(r"job_([0-9]+)", re.ASCII)
_ESCAPED = re.compile(r"\\([0-7]{3})", re.ASCII)
_PLACES_V2 = ("*.slice/*slurmstepd.scope/job_{job}", "*slurmstepd.scope/job_{job}")
"""Slurm 22.05 and newer; with several slurmds on a machine the scope is <node>_slurmstepd.scope."""
_PLACES_V1 = ("slurm/uid_*/job_{job}", "slurm_*/uid_*/job_{job}")


@dataclass(frozen=True)
class Mount:
    """A mounted hierarchy. `root` is the part of the hierarchy that is seen at `path`; v2 names no controllers."""

    path: Path
    root: str
    version: int
    controllers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Group:
    """A control group. `scope`: `job` (Slurm's), `self` (this process's own), `root` (the whole machine's)."""

    mount: Mount
    inside: str
    scope: str
    job: str = ""

    @property
    def path(self) -> Path:
        """The directory of the group."""
        return self.mount.path / self.inside.lstrip("/")

    def upwards(self) -> Iterator[Path]:
        """Yield the directory of the group, then of those above it as far as they are to be seen."""
        place = PurePosixPath(self.inside)
        for part in (place, *place.parents):
            yield self.mount.path / str(part).lstrip("/")


def parse_mountinfo(text: str) -> Parsed[Sequence[Mount]]:
    """Return the cgroup mounts of /proc/PID/mountinfo; mounts of other kinds are passed over."""
    found: list[Mount] = []
    malformed = 0
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if not separator or len(fields) < 6 or not kind:
            malformed += 1
        elif kind[0] in {"cgroup", "cgroup2"}:
            root, path = (_unescaped(field) for field in fields[3:5])
            options = frozenset(kind[-1].split(",")) if kind[0] == "cgroup" else frozenset()
            version = 1 if kind[0] == "cgroup" else 2
            found.append(Mount(Path(path), root, version, options & frozenset(V1_CONTROLLERS)))
    return Parsed(found, malformed)


def parse_membership(text: str) -> Parsed[Mapping[str, str]]:
    """Return the paths of /proc/PID/cgroup by v1 controller; v2's under the empty name."""
    found: dict[str, str] = {}
    malformed = 0
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if not (colon and number.isascii() and number.isdigit() and path.startswith("/")):
            malformed += 1
            continue
        for controller in controllers.split(","):
            # Only hierarchy 0 is v2's; a v1 hierarchy without controllers has a name.
            if controller or number == "0":
                found.setdefault(controller, path.removesuffix(" (deleted)"))
    return Parsed(found, malformed)


def mounts_below(sys_root: Path) -> list[Mount]:
    """Return the mounts that are usually there, for where mountinfo cannot be read (and for --root)."""
    base = sys_root / "fs" / "cgroup"
    # v1's hierarchies are folders of the base; there are slices and scopes in it only where it is a hierarchy itself.
    inside = (base / "cgroup.controllers", *base.glob("*.slice"), *base.glob("*.scope"))
    if any(path.exists() for path in inside):
        return [Mount(base, "/", 2)]
    found = []
    for path in sorted(base.iterdir()) if base.is_dir() else ():
        if path.is_symlink() and path.resolve().parent == base.resolve():
            continue  # cpu -> cpu,cpuacct: the same hierarchy again
        if (path / "cgroup.controllers").exists():
            found.append(Mount(path, "/", 2))
        elif path.is_dir() and (controllers := frozenset(path.name.split(",")) & frozenset(V1_CONTROLLERS)):
            found.append(Mount(path, "/", 1, controllers))
    return found


def moved(mount: Mount, sys_root: Path) -> Mount:
    """Return the mount as it is below --root."""
    if mount.path.is_relative_to("/sys"):
        return replace(mount, path=sys_root / mount.path.relative_to("/sys"))
    return mount


def find_group(mount: Mount, own: str, job: str | None) -> Group | None:
    """Return the group to read in one hierarchy; None where nothing of it is to be seen.

    `own` is this process's path there, `job` the SLURM_JOB_ID. First the job that `own` lies in, then the places where
    Slurm keeps that job, then `own`, and where that is not to be seen the top of the mount.
    """
    inside = _inside(mount, own)
    parts = PurePosixPath(inside).parts
    for index, part in enumerate(parts):
        match = _JOB.fullmatch(part)
        path = str(PurePosixPath(*parts[: index + 1]))
        if match and (mount.path / path.lstrip("/")).is_dir():
            return Group(mount, path, "job", match[1])
    if job is not None and re.fullmatch(r"[0-9]+", job, re.ASCII):
        for place in _PLACES_V2 if mount.version == 2 else _PLACES_V1:
            for found in sorted(mount.path.glob(place.format(job=job))):
                return Group(mount, f"/{found.relative_to(mount.path).as_posix()}", "job", job)
    for path in (inside, "/"):
        group = Group(mount, path, "self")
        if group.path.is_dir():
            return replace(group, scope="root") if _is_machine(group) else group
    return None


def _inside(mount: Mount, own: str) -> str:
    """Return a hierarchy's path as a path below its mount: a container's mount may show only a part."""
    root = mount.root.rstrip("/")
    if own == root or own.startswith(f"{root}/"):
        own = own[len(root) :] or "/"
    # /../x is what a namespace shows of a group outside of it: nothing that the mount could show.
    return "/" if ".." in PurePosixPath(own).parts else own


def _is_machine(group: Group) -> bool:
    """Whether the group is the whole machine's, and not a container's that only looks like it from inside."""
    if group.inside != "/" or group.mount.root != "/":
        return False
    return not (group.mount.version == 2 and (group.path / "cgroup.events").exists())


def _unescaped(field: str) -> str:
    """Return a field of mountinfo with blanks and the like, written as octal numbers there, as they are."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
