"""Directories under test: what they are, and what they can do."""

import errno
import mmap
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from loadtests.outcome import SetupError

WORDS = ("scratch", "run", "home", "tmpfs")
"""Places with a name: the node's temporary directory, the run's directory, the user's home, and memory."""
PROTOCOL = "files"
"""What a service that names places speaks; its URL holds them, see `url`."""
_ALIGNED = 4096
_SPARE = 64 * 2**20
_VIRTUAL = frozenset(("tmpfs", "ramfs"))


@dataclass(frozen=True)
class Place:
    """A directory of our own in a file system under test. `direct`: files there can be opened with O_DIRECT."""

    name: str
    path: Path
    filesystem: str
    direct: bool

    @property
    def memory(self) -> bool:
        """Whether it is memory anyway."""
        return self.filesystem in _VIRTUAL


def resolve(word: str, run: Path) -> Path:
    """Return the directory that a recipe means: one of WORDS, or a path."""
    if word == "home":
        return Path.home()
    known = {"scratch": Path(tempfile.gettempdir()), "run": run, "tmpfs": Path("/dev/shm")}  # noqa: S108 - what it is for
    return known.get(word, Path(word).expanduser())


def url(places: Mapping[str, str]) -> str:
    """Write places, by their names, as the URL of a target."""
    return f"{PROTOCOL}:?{urlencode(places)}"


def named(text: str) -> dict[str, str]:
    """Read what `url` wrote."""
    return dict(parse_qsl(text.partition("?")[2]))


def make(name: str, parent: Path, own: str, needed: int) -> Place:
    """Make a directory of our own in `parent` and try what it can do. Raises SetupError; `needed` in bytes."""
    path = parent / own
    try:
        path.mkdir(mode=0o700)
        free = shutil.disk_usage(path).free
        direct = _direct(path)
    except OSError as error:
        raise SetupError(f"target {name}: {parent} cannot be written: {error.strerror}; name another place") from error
    if free < needed + _SPARE:
        path.rmdir()
        raise SetupError(
            f"target {name}: {free >> 20} MiB are free in {parent}, {needed >> 20} MiB are needed: make `size` smaller"
        )
    return Place(name, path, filesystem(path), direct)


def _direct(path: Path) -> bool:
    """Try O_DIRECT with one write. Raises OSError for anything but a refusal of O_DIRECT."""
    probe = path / "probe"
    try:
        handle = os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    finally:
        probe.unlink(missing_ok=True)
    try:
        with mmap.mmap(-1, _ALIGNED) as page:
            return os.pwrite(handle, page, 0) == _ALIGNED
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    finally:
        os.close(handle)


def filesystem(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the kind of file system that a path lies in (proc(5), mountinfo), "unknown" where that is not told."""
    best, kind = -1, "unknown"
    target = path.resolve()
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return kind
    for line in lines:
        head, _, tail = line.partition(" - ")
        fields, rest = head.split(), tail.split()
        if len(fields) < 5 or not rest:
            continue
        mount = Path(fields[4].encode().decode("unicode_escape"))
        if target.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), rest[0]
    return kind
