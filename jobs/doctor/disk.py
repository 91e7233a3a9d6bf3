"""Where recordings go: whether it can be written, how much room there is, and the user's quota."""

import errno
import getpass
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobs import scratch
from jobs.doctor.base import Check, Context, Line, ask
from jobs.doctor.runner import existing

_LITTLE = 2 * 2**30
_LEAST = 256 * 2**20
_FULL = {errno.ENOSPC: "no space is left", errno.EDQUOT: "your quota is used up", errno.EROFS: "it is read-only"}


def _look(context: Context) -> Iterable[Line]:
    place = existing(context.root)
    what = "recordings"
    if context.shared is None:
        mend = "choose another place with --root"
        yield Line(what, "missing", f"{place} cannot be written to", mend, needed=True)
        return
    problem = written(context.shared / "written")
    if problem:
        mend = "free some space, or choose another place with --root"
        yield Line(what, "missing", f"{place} cannot be written to: {problem}", mend, needed=True)
        return
    yield room(what, place, scratch.filesystem(place), "choose another place with --root")
    yield from _quota(place)


def written(path: Path, size: int = 2**20) -> str:
    """Write and sync a file; returns why that cannot be done, or nothing. A quota shows only so."""
    try:
        with path.open("wb") as file:
            file.write(b"\1" * size)
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError as error:
        return _FULL.get(error.errno or 0, error.strerror or str(error))
    return ""


def room(what: str, place: Path, kind: str, mend: str) -> Line:
    """Say how much room a place has."""
    free = shutil.disk_usage(place).free
    text = f"{place}: {free / 2**30:.1f} GiB free{f', {kind}' if kind else ''}"
    if free < _LEAST:
        return Line(what, "missing", f"{text}; a run needs {_LEAST >> 20} MiB", mend, needed=True)
    if free < _LITTLE:
        return Line(what, "degraded", f"{text}: enough for a short run")
    return Line(what, "ok", text)


def _quota(place: Path) -> Iterator[Line]:
    """Ask Lustre's quota, which is not in what the file system says of its room."""
    if scratch.filesystem(place) != "lustre" or shutil.which("lfs") is None:
        return
    user = getpass.getuser()
    answer = ask(["lfs", "quota", "-q", "-u", user, str(place)], 10.0)
    figures = quota(answer.out) if answer.code == 0 else None
    if figures is None:
        yield Line("quota", "degraded", f"not to be found out: {answer.reason}")
        return
    (used, limit), (files, most) = figures
    left = [1 - have / of for have, of in ((used, limit), (files, most)) if of]
    text = f"{used / 2**20:.1f} of {limit / 2**20:.1f} GiB" if limit else f"{used / 2**20:.1f} GiB, no limit"
    text += f"; {files} of {most} files" if most else f"; {files} files"
    if left and min(left) <= 0:
        yield Line("quota", "missing", text, "remove something, or choose another place with --root", needed=True)
    elif left and min(left) < 0.05:
        yield Line("quota", "degraded", f"{text}: nearly used up, and a run that meets it ends")
    else:
        yield Line("quota", "ok", f"{text} (of user {user}; a project's may be less)")


def quota(text: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Read `lfs quota -q`: (KiB used, limit), (files, limit), a limit of 0 is none; None: not such an answer.

    The words after the path, which may have a line of its own: kbytes quota limit grace files quota limit grace; a
    star marks what is over (lfs-quota(1)).
    """
    words = text.split()[1:]
    try:
        figures = [int(word.strip("*[]")) if index not in {3, 7} else 0 for index, word in enumerate(words[:8])]
    except ValueError:
        return None
    if len(figures) < 7:
        return None
    return (figures[0], figures[2] or figures[1]), (figures[4], figures[6] or figures[5])


CHECK = Check("recordings", "disk", _look, within=30.0, vital=True, order=0)
