"""Slurm's programs, whether its controller answers, and what it says against the site's profile."""

import shutil
from collections.abc import Iterable, Iterator, Mapping

from jobs import partitions
from jobs.doctor import versions
from jobs.doctor.base import Check, Context, Line, ask
from runs.placement import clock
from runs.site import Partition

_PROGRAMS = ("srun", "squeue", "scontrol", "scancel")


def _look(context: Context) -> Iterable[Line]:
    if context.where == "here":
        if not shutil.which("sbatch"):
            yield Line("Slurm", "degraded", "no sbatch on PATH: `dashcam run` on this machine only")
        else:
            why = ask(["sinfo", "--noheader"], 10.0).reason
            yield Line("Slurm", "degraded", f"does not answer ({why}): `dashcam run` on this machine only")
        return
    yield versions.program(("sbatch",), mend="go to a login node of the cluster", needed=True)
    if absent := [name for name in _PROGRAMS if shutil.which(name) is None]:
        yield Line("Slurm's programs", "missing", f"no {', '.join(absent)} on PATH", "load Slurm's module", needed=True)
    found = partitions.ask()
    if not found:
        why = ask(["sinfo", "--noheader"], 10.0).reason
        yield Line("Slurm", "missing", f"sinfo tells of no partition: {why}", "ask the site", needed=True)
        return
    words = ", ".join(f"{name} ({_size(partition)})" for name, partition in list(found.items())[:8])
    yield Line("partitions", "ok", words)
    drift = list(_drift(context.site.partitions, found))
    if drift:
        lost = f"{context.site.name}'s profile says otherwise than Slurm, which is believed: {'; '.join(drift)}"
        yield Line("profile", "degraded", lost)
    elif context.site.partitions:
        yield Line("profile", "ok", f"{context.site.name}: its partitions are those of Slurm")


def _size(found: Partition) -> str:
    gpus = f", {found.gpus} GPUs a node" if found.gpus else ""
    return f"{found.nodes} node{'s' * (found.nodes != 1)}{gpus}, {clock(found.time) if found.time else 'no limit'}"


def _drift(profile: dict[str, Partition], found: Mapping[str, Partition]) -> Iterator[str]:
    for name, told in profile.items():
        if name not in found:
            yield f"no partition {name}"
            continue
        for field in ("nodes", "cores", "memory_mb", "gpus", "time"):
            ours, theirs = getattr(told, field), getattr(found[name], field)
            if ours is not None and theirs is not None and ours != theirs:
                yield f"{name}.{field} is {theirs:g}, not {ours:g}"


CHECK = Check("Slurm", "site", _look, within=40.0, order=0)
