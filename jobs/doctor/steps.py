"""`srun --overlap`: whether a step can run beside the job, on this node and the others, and by which flags."""

import os
from collections.abc import Iterable

from jobs.allocations.srun import Srun, StepError
from jobs.doctor.base import Check, Context, Line, ask
from runs.site import Launcher


def hosts() -> list[str]:
    """Return the names of the job's nodes."""
    answer = ask(["scontrol", "show", "hostnames", os.environ.get("SLURM_JOB_NODELIST", "")])
    return answer.out.split() if answer.code == 0 else []


def accepted(asked: Launcher, names: list[str]) -> Srun:
    """Return what makes steps on these nodes, with the flags that work. Raises StepError."""
    srun = Srun(asked)
    srun.probe(names)
    return srun


def _look(context: Context) -> Iterable[Line]:
    if not context.job:
        return
    names = hosts()
    if not names:
        yield Line("srun --overlap", "missing", "Slurm does not name the job's nodes", needed=True)
        return
    try:
        srun = accepted(context.site.launcher, names)
    except StepError as error:
        mend = "without steps only the head is watched, and nothing runs on other nodes: ask the site"
        yield Line("srun --overlap", "missing", str(error), mend, needed=len(names) > 1)
        return
    where = f"{len(names)} node{'s' * (len(names) > 1)}"
    if srun.notes:
        yield Line("srun --overlap", "degraded", f"a step beside the job on {where}, but {'; '.join(srun.notes)}")
    else:
        yield Line("srun --overlap", "ok", f"a step beside the job on {where}")


CHECK = Check("srun --overlap", "between nodes", _look, within=90.0, order=0)
