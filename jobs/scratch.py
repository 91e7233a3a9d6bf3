"""A run's directory on node-local disk: where it is made, and what dead runs left of theirs.

`<place>/dashcam-UID-RUN`, mode 0700. The file `run` in it says which run directory it belongs to (on the head).
"""

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jobs import identity
from runs import runid

OWNER = "run"
SHARED = frozenset(
    {"lustre", "nfs", "nfs4", "gpfs", "beegfs", "beegfs_nodev", "ceph", "cifs", "smb3", "9p", "virtiofs", "panfs"}
    | {"pvfs2", "orangefs", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "wekafs", "afs", "dvs"}
)
"""File systems of the network: a TSDB's memory maps and SQLite's locks do not bear them."""
MEMORY = frozenset({"tmpfs", "ramfs"})
SETTLED = 120.0
"""Seconds without a write after which what nobody seems to own is taken for left behind."""
_ENOUGH = 256 * 2**20
_LOOKED_AT = 500
_PROC = Path("/proc")


@dataclass(frozen=True)
class Choice:
    """Where a run's scratch directory goes, and what a reader should know of it."""

    place: Path
    note: str = ""


@dataclass(frozen=True)
class Leftover:
    """A scratch directory whose run is dead on this node. `run`: its run directory, where it is known."""

    path: Path
    run_id: str
    run: Path | None


def name(run_id: str) -> str:
    """Return the name of a run's scratch directory."""
    return f"dashcam-{os.getuid()}-{run_id}"


def places(local_disk: Iterable[str]) -> list[Path]:
    """Return the directories of a profile's `local_disk` that are there and writable, each once, in its order."""
    found: dict[Path, Path] = {}
    for word in local_disk:
        text = os.path.expandvars(word)
        path = Path(text)
        if "$" in text or not path.is_absolute() or not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
            continue
        found.setdefault(path.resolve(), path)
    return list(found.values())


def choose(local_disk: Iterable[str]) -> Choice:
    """Return where scratch goes: the first place that is on the node's own disk and has room, else the least bad."""
    words = list(local_disk)
    there = [place for place in places(words) if shutil.disk_usage(place).free >= _ENOUGH]
    if not there:
        there = places([*words, "$TMPDIR", "/tmp"])  # noqa: S108 - its room is looked at again while the run goes
    if not there:
        return Choice(Path("/tmp"))  # noqa: S108 - who makes the directory will say what is wrong with it
    kinds = {place: filesystem(place) for place in there}
    for place, kind in kinds.items():
        if kind not in SHARED | MEMORY:
            return Choice(place)
    for place, kind in kinds.items():
        if kind in MEMORY:
            return Choice(
                place, f"node-local data is kept in memory ({place} is {kind}), which counts as the job's own"
            )
    place, kind = next(iter(kinds.items()))
    return Choice(
        place, f"node-local data is on a shared file system ({place} is {kind}): name a local one in the site's profile"
    )


def filesystem(path: Path, mounts: Path = _PROC / "self" / "mountinfo") -> str:
    """Return the type of the file system that holds `path` (proc_pid_mountinfo(5)); empty where it is not told."""
    here, best, kind = str(path.resolve()), "", ""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")
        # The later of two mounts on one point is the one that is seen.
        if (here == point or here.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind


def leftovers(where: Iterable[Path], settled: float = SETTLED) -> Iterator[Leftover]:
    """Yield our scratch directories in which nothing was written lately, and of whose run nothing lives here."""
    pattern = re.compile(rf"dashcam-{os.getuid()}-({runid.PATTERN.pattern})")
    lives: bytes | None = None
    for place in where:
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            if match is None:
                continue
            path = Path(entry.path)
            try:
                found = path.lstat()
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                    continue  # a link or a stranger's: made to have us remove something else
                quiet = time.time() - _last_write(path)
            except OSError:
                continue
            if lives is None:
                lives = _living()
            if quiet >= settled and match[1].encode() not in lives:
                yield Leftover(path, match[1], _owner(path))


def clear(
    where: Iterable[Path], save: Callable[[Path], bool] = lambda _run: False, settled: float = SETTLED
) -> Sequence[str]:
    """Remove what dead runs left in `where`; returns their ids. What cannot be removed stays.

    `save` gets the run directory of one that is not sealed, and tells whether its data may go.
    """
    gone: list[str] = []
    for left in list(leftovers(where, settled)):
        if (
            left.run is not None
            and left.run.is_dir()
            and not (left.run / "SHA256SUMS").is_file()
            and not save(left.run)
        ):
            continue
        shutil.rmtree(left.path, ignore_errors=True)
        if not left.path.exists():
            gone.append(left.run_id)
    return gone


def claim(path: Path, run: Path) -> None:
    """Make a run's scratch directory, and say in it whose it is. Raises OSError."""
    path.mkdir(mode=0o700, parents=True)
    (path / OWNER).write_text(str(run))


def _owner(path: Path) -> Path | None:
    try:
        text = (path / OWNER).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(text) if text.startswith("/") else None


def _last_write(path: Path) -> float:
    """Return when something in a directory was last written, by its first few hundred entries."""
    newest = path.lstat().st_mtime
    for entry in islice(_walk(path), _LOOKED_AT):
        newest = max(newest, entry.stat(follow_symlinks=False).st_mtime)
    return newest


def mount_point(path: Path) -> str:
    """Return where the file system of a path is mounted, the path there or not."""
    return str(next(place for place in (path, *path.parents) if os.path.ismount(place)))


def _walk(path: Path, depth: int = 3) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(path) as entries:
        for entry in entries:
            yield entry
            if depth > 1 and entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), depth - 1)


def _living() -> bytes:
    """Return command lines and tags of all processes that we may look at: a living run's id is among them."""
    words: list[bytes] = []
    tag = f"{identity.RUN_VARIABLE}=".encode()
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or identity.start_ticks(int(entry.name)) is None:
            continue
        for file in ("cmdline", "environ"):
            try:
                content = (entry / file).read_bytes().split(b"\0")
            except OSError:
                continue
            words += content if file == "cmdline" else [word for word in content if word.startswith(tag)]
    return b"\0".join(words)
