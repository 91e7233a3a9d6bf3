"""The modules that a job loads first: loaded in a shell of their own, as the batch script does."""

import shlex
from collections.abc import Iterable

from jobs.doctor.base import Check, Context, Line, ask


def _look(context: Context) -> Iterable[Line]:
    modules = context.site.modules
    if not modules.load:
        return
    names = ", ".join(modules.load)
    if context.where != "job":
        yield Line("modules", "ok", f"{names}: loaded by the job (to be checked in a job: login nodes may have none)")
        return
    steps = [f"module use {shlex.quote(place)}" for place in modules.use]
    steps += [f"module load {shlex.quote(name)}" for name in modules.load]
    script = " && ".join(["type module >/dev/null", *steps])
    if modules.init is not None:
        script = f"type module >/dev/null 2>&1 || . {shlex.quote(modules.init)}; {script}"
    answer = ask(["bash", "-lc", script], 25.0)
    if answer.code == 0:
        yield Line("modules", "ok", names)
    else:
        mend = "`module spider NAME` says what there is: name it in a site profile of your own"
        yield Line("modules", "missing", f"{names}: {answer.reason}", mend, needed=True)


CHECK = Check("modules", "site", _look, within=35.0, order=3)
