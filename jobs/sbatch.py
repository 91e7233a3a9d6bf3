"""A Slurm job for a run, as values: the script that Slurm keeps, and the sbatch command line.

Options go on the command line and never into #SBATCH lines: an argument list needs no quoting, so that a name with
quotes, blanks, newlines or $(...) stays a name.
"""

import math
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runs.allocation import Allocation
from runs.directory import RunDirectory
from runs.recipe import Recipe
from runs.site import Modules, Site

_PATTERN_CHARACTERS = re.compile(r"[%\\]")


@dataclass(frozen=True)
class Submission:
    """What `sbatch` is given: `argv` without the script's path, and the script's text."""

    argv: tuple[str, ...]
    script: str


def render(
    run: RunDirectory,
    recipe: Recipe,
    python: str = sys.executable,
    *,
    job_name: str | None = None,
    singleton: bool = False,
    site: Site | None = None,
) -> Submission:
    """Return the job of a run. The script becomes the guard (exec), so that signals reach it and not a shell.

    `singleton`: it waits for the jobs of the same user and `job_name` that were submitted before it.
    """
    argv = ("sbatch", "--parsable", *_options(run, recipe, job_name, singleton=singleton))
    return Submission(argv, _script(run, python, site.modules if site is not None else Modules()))


def _script(run: RunDirectory, python: str, modules: Modules) -> str:
    comment = re.sub(r"[^\x20-\x7e]", "?", run.id)
    guard = f"exec {shlex.quote(python)} -P -m jobs.guard {shlex.quote(str(run.path))}"
    about = f"# dashcam {comment}: the run's guard takes the place of this shell\n"
    if not modules.load:
        return f"#!/bin/bash\n{about}{guard}\n"
    # A login shell: that is where sites define `module`. What cannot be loaded ends in the recording.
    lines = ["#!/bin/bash -l", about.rstrip("\n"), f'lost() {{ {guard} --lost "$1: see logs/slurm.log"; }}']
    if modules.init is not None:
        lines.append(f"type module >/dev/null 2>&1 || . {_expanded(modules.init)}")
    lines.append("type module >/dev/null 2>&1 || lost 'this node has no command `module`'")
    steps = [("use", _expanded(place), place) for place in modules.use]
    steps += [("load", shlex.quote(name), name) for name in modules.load]
    for verb, word, name in steps:
        lines.append(f"module {verb} {word} || lost {shlex.quote(f'`module {verb} {name}` failed')}")
    return "\n".join([*lines, guard, ""])


def _expanded(place: str) -> str:
    """Quote a path of the profile so that its variables are read on the node, and nothing else of it."""
    parts = re.split(r"(\$\{\w+\}|\$[A-Za-z_]\w*)", place)
    return "".join(f'"{part}"' if index % 2 else shlex.quote(part) if part else "" for index, part in enumerate(parts))


def _options(run: RunDirectory, recipe: Recipe, job_name: str | None, *, singleton: bool) -> Iterator[str]:
    """Yield what sbatch is asked for: the whole job's options, then each component's after a colon.

    Source: https://slurm.schedmd.com/heterogeneous_jobs.html; the batch script runs in the first component.
    """
    allocation = recipe.allocation
    mail = allocation.mail
    yield from _given(
        {
            "job-name": job_name or f"dashcam-{recipe.name}",
            "time": slurm_time(allocation.time),
            "signal": f"B:USR1@{warning(allocation)}",
            "output": _literal(f"{run.logs}/slurm.log"),
            "chdir": "/",
            "open-mode": "append",
            "dependency": ",".join(filter(None, ("singleton" if singleton else None, allocation.dependency))) or None,
            "mail-user": mail.user if mail else None,
            "mail-type": ",".join(mail.type) if mail else None,
        }
    )
    if allocation.nodes > 1:
        yield "--no-kill"  # a node that is lost takes what ran there, and not the whole job
    for number, part in enumerate(allocation.parts):
        if number:
            # These go over from one component to the next, but not in every release: written out they are right in all.
            yield from (":", f"--time={slurm_time(allocation.time)}", "--no-kill")
        yield from _given(
            {
                "nodes": str(part.nodes),
                "ntasks-per-node": "1",
                "partition": part.partition,
                "account": part.account,
                "qos": part.qos,
                "reservation": part.reservation,
                "constraint": part.constraint,
                "cpus-per-task": str(part.cpus_per_node) if part.cpus_per_node else None,
                "mem": part.memory,
                "gres": f"gpu:{part.gpus_per_node}" if part.gpus_per_node else None,
            }
        )


def _given(options: Mapping[str, str | None]) -> Iterator[str]:
    return (f"--{name}={value}" for name, value in options.items() if value is not None)


def warning(allocation: Allocation) -> int:
    """Return how many seconds before the time limit Slurm is asked to warn."""
    return math.ceil(min(allocation.warning, allocation.time / 2))


def slurm_time(seconds: float) -> str:
    """Write a time limit as Slurm takes it, D-HH:MM:SS; rounded up to the second."""
    whole = math.ceil(seconds)
    days, rest = divmod(whole, 86400)
    return f"{days}-{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"


def _literal(path: str) -> str:
    """Keep Slurm from reading file name patterns (%j, %x, ...) in a path that a person chose."""
    return _PATTERN_CHARACTERS.sub(lambda match: "%%" if match[0] == "%" else "\\\\", path)
