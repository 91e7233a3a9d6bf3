"""Which programs of a recipe run in images, and whether they can: as `jobs.plan` chooses."""

import shutil

from apptainer.cache import Cache, Check
from apptainer.image import find
from jobs.containers import place
from jobs.doctor.base import Context, Line


def cache(context: Context) -> Cache:
    """Return the cache that a run would use."""
    asked = context.recipe.images if context.recipe is not None else None
    return Cache(place(asked, context.site.paths))


def held(context: Context, name: str) -> Check:
    """Return how the image of that name stands in the cache, by its size only."""
    return cache(context).check(find(name), thorough=False)


def instead(context: Context, name: str, what: str) -> Line | None:
    """Return the line of a program of the recorder that runs in an image; None: it is looked for on PATH."""
    recipe = context.recipe
    if recipe is None or (recipe.watch.runtime or recipe.runtime) == "native":
        return None
    found = held(context, name)
    if found.state != "good" or found.sif is None:
        return None
    if shutil.which("apptainer") is None and context.where != "login":
        return Line(what, "missing", f"its image is here, but no apptainer on PATH: {found.path}", _MEND, needed=True)
    return Line(what, "ok", f"{found.sif.version} (image {found.path.name})")


_MEND = "load Apptainer's module, or write `watch: {runtime: native}`"
