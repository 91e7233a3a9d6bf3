"""Apptainer, what it needs of the kernel, and the images that are there."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from apptainer.image import images
from jobs.doctor import boxes, versions
from jobs.doctor.base import Check, Context, Line
from jobs.services import catalogue

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
    yield from _images(context)


def _figure(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _images(context: Context) -> Iterable[Line]:
    """Look at files by size only: `dashcam images check` reads them."""
    cache = boxes.cache(context)
    wanted = _wanted(context)
    good: list[str] = []
    for image in images().values():
        found = cache.check(image, thorough=False)
        if found.state == "good":
            good.append(image.file)
        elif image.name in wanted or found.state != "missing":
            yield Line(f"image {image.name}", "missing", found.detail, needed=image.name in wanted)
    if good:
        shown = f"{', '.join(good[:6])}{' ...' if len(good) > 6 else ''}"
        yield Line("images", "ok", f"{len(good)} in {cache.root}: {shown}")
    elif not wanted:
        yield Line("images", "missing", f"no image in {cache.root}", "`dashcam images pull` where there is a network")


def _wanted(context: Context) -> set[str]:
    """Return the images without which the recipe's services cannot start."""
    if context.recipe is None:
        return set()
    asked = [
        service
        for service in context.recipe.services.values()
        if (service.runtime or context.recipe.runtime) == "apptainer" and service.image is None
    ]
    kinds = (getattr(catalogue()[service.kind], "image", None) for service in asked)
    return {name for name in kinds if name}


CHECK = Check("containers", "programs", _look, order=6)
