"""The shared file systems that the site's profile names."""

import os
from collections.abc import Iterable
from pathlib import Path

from jobs import scratch
from jobs.doctor.base import Check, Context, Line


def _look(context: Context) -> Iterable[Line]:
    if context.where == "here":
        return
    paths = context.site.paths
    asked = {"scratch": paths.scratch, "project": paths.project, **{f"bind {place}": place for place in paths.binds}}
    for what, word in asked.items():
        if word is None:
            continue
        place = Path(os.path.expandvars(word))
        if place.is_dir():
            yield Line(what, "ok", f"{place}, {scratch.filesystem(place) or 'file system not known'}")
        else:
            lost = "containers do not see what is there" if what.startswith("bind") else "not to be used for recordings"
            yield Line(what, "degraded", f"{place} is not there: {lost}", "correct it in a site profile of your own")


CHECK = Check("shared paths", "disk", _look, within=15.0, order=2)
