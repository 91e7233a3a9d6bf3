"""`srun --overlap`: whether a step can run beside the job, on this node and the others, and by which flags."""

import os
from collections.abc import Iterable

from jobs import launcher
from jobs.doctor.base import Check, Context, Line, ask
from runs.site import Launcher


class StepError(Exception):
    """No step can be started; the text is srun's."""


def hosts() -> list[str]:
    """Return the names of the job's nodes."""
    answer = ask(["scontrol", "show", "hostnames", os.environ.get("SLURM_JOB_NODELIST", "")])
    return answer.out.split() if answer.code == 0 else []


def srun(names: list[str], flags: tuple[str, ...]) -> list[str]:
    """Return the command line of a step with a task on each of the nodes."""
    size = str(len(names))
    many = ("--ntasks-per-node=1",) if len(names) > 1 else ()
    return ["srun", f"--nodes={size}", f"--ntasks={size}", *many, f"--nodelist={','.join(names)}", *flags]


def accepted(asked: Launcher, names: list[str]) -> tuple[str, ...]:
    """Return the flags by which a step runs on these nodes. Raises StepError."""

    def attempt(flags: tuple[str, ...]) -> None:
        answer = ask([*srun(names, flags), "--job-name=dashcam-doctor", "true"], 20.0)
        if answer.code != 0:
            raise StepError(answer.reason)

    return launcher.settle(asked, attempt, StepError)[0]


def _look(context: Context) -> Iterable[Line]:
    if not context.job:
        return
    names = hosts()
    if not names:
        yield Line("srun --overlap", "missing", "Slurm does not name the job's nodes", needed=True)
        return
    try:
        flags = accepted(context.site.launcher, names)
    except StepError as error:
        mend = "without steps only the head is watched, and nothing runs on other nodes: ask the site"
        yield Line("srun --overlap", "missing", str(error), mend, needed=len(names) > 1)
        return
    where = f"{len(names)} node{'s' * (len(names) > 1)}"
    if dropped := " ".join(flag for flag in context.site.launcher.step if flag not in flags):
        yield Line("srun --overlap", "degraded", f"on {where}, but without {dropped}, which this srun refuses")
    else:
        yield Line("srun --overlap", "ok", f"a step beside the job on {where}")


CHECK = Check("srun --overlap", "between nodes", _look, within=90.0, order=0)
