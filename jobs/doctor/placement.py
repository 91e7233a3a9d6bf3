"""Whether the recipe's allocation fits the site."""

import os
from collections.abc import Iterable

from jobs import partitions
from jobs.doctor.base import Check, Context, Line
from runs import placement


def _look(context: Context) -> Iterable[Line]:
    if context.recipe is None or context.where == "here":
        return
    asked = placement.inherited(context.recipe.allocation, os.environ)
    wrong = list(placement.misfits(partitions.merged(context.site), asked))
    for misfit in wrong:
        yield Line(f"allocation.{misfit.key}", "missing", misfit.message, misfit.mend, needed=True)
    if not wrong:
        yield Line("allocation", "ok", f"{asked.nodes} node{'s' * (asked.nodes > 1)}, {placement.clock(asked.time)}")
    for hint in placement.hints(context.site, asked):
        yield Line("allocation", "degraded", hint)


CHECK = Check("allocation", "site", _look, order=1)
