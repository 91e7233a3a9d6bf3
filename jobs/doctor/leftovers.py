"""Scratch directories that dead runs left on this node."""

from collections.abc import Iterable

from jobs import scratch
from jobs.doctor.base import Check, Context, Line


def _look(context: Context) -> Iterable[Line]:
    found = list(scratch.leftovers(scratch.places(context.site.local_disk)))
    if not found:
        yield Line("left by dead runs", "ok", "no scratch directory")
        return
    names = ", ".join(str(left.path) for left in found[:5]) + (" ..." if len(found) > 5 else "")
    runs = [left.run for left in found if left.run is not None and not (left.run / "SHA256SUMS").is_file()]
    mend = "the next run on this node recovers and removes them" if runs else "the next run on this node removes them"
    yield Line("left by dead runs", "degraded", f"disk is taken by {len(found)}: {names}", mend)


CHECK = Check("left by dead runs", "disk", _look, within=15.0, order=3)
