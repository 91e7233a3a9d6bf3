"""Apptainer, what it needs of the kernel, and the images that are there."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from jobs.doctor import versions
from jobs.doctor.base import Check, Context, Line

_USER_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")
_CLONE = Path("/proc/sys/kernel/unprivileged_userns_clone")


def _look(context: Context) -> Iterable[Line]:
    names = ("apptainer", "singularity")
    mend = "install Apptainer, or load its module"
    line = versions.program(names, loses="programs must be native: no images", mend=mend)
    modules = [name for name in context.site.modules.load if name.lower().startswith(names)]
    if line.state != "ok" and modules and context.where == "login":
        yield Line("apptainer", "ok", f"a module of the compute nodes: {modules[0]} (to be checked in a job)")
    else:
        yield line
    if not any(map(shutil.which, names)):
        return
    if _figure(_USER_NAMESPACES) == 0 or _figure(_CLONE) == 0:
        lost = "user namespaces are off: Apptainer works only where it is installed setuid, and cannot build images"
        yield Line("user namespaces", "degraded", lost)
    else:
        yield Line("user namespaces", "ok", "unprivileged containers can be made")
    if context.site.paths.images is not None:
        yield _images(Path(os.path.expandvars(context.site.paths.images)))


def _figure(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _images(place: Path) -> Line:
    try:
        images = sorted(path.name for path in place.glob("*.sif"))
    except OSError as error:
        return Line("images", "missing", f"{place}: {error.strerror}")
    if not images:
        return Line("images", "missing", f"no image in {place}", "have them pulled on a node with a network")
    return Line("images", "ok", f"{len(images)} in {place}: {', '.join(images[:6])}{' ...' if len(images) > 6 else ''}")


CHECK = Check("containers", "programs", _look, order=6)
