"""A Slurm job for a run, as values: the script that Slurm keeps, and the sbatch command line.

Options go on the command line and never into #SBATCH lines: an argument list needs no quoting, so that a name with
quotes, blanks, newlines or $(...) stays a name.
"""

import math
import re
import shlex
import sys
from dataclasses import dataclass

from runs.directory import RunDirectory
from runs.recipe import Recipe
from runs.site import Modules, Site

_PATTERN_CHARACTERS = re.compile(r"[%\\]")


@dataclass(frozen=True)
class Submission:
    """What `sbatch` is given: `argv` without the script's path, and the script's text."""

    argv: tuple[str, ...]
    script: str


def render(run: RunDirectory, recipe: Recipe, python: str = sys.executable, *, site: Site | None = None) -> Submission:
    """Return the job of a run. The script becomes the guard (exec), so that signals reach it and not a shell."""
    allocation = recipe.allocation
    options: dict[str, str | None] = {
        "job-name": f"dashcam-{recipe.name}",
        "nodes": str(allocation.nodes),
        "ntasks-per-node": "1",
        "time": slurm_time(allocation.time),
        "signal": f"B:USR1@{math.ceil(min(allocation.warning, allocation.time / 2))}",
        "partition": allocation.partition,
        "account": allocation.account,
        "qos": allocation.qos,
        "reservation": allocation.reservation,
        "constraint": allocation.constraint,
        "cpus-per-task": str(allocation.cpus_per_node) if allocation.cpus_per_node else None,
        "mem": allocation.memory,
        "gres": f"gpu:{allocation.gpus_per_node}" if allocation.gpus_per_node else None,
        "output": _literal(f"{run.logs}/slurm.log"),
        "chdir": "/",
        "open-mode": "append",
    }
    # A node that is lost takes what ran there, and not the whole job.
    flags = ("--no-kill",) if allocation.nodes > 1 else ()
    argv = (
        "sbatch",
        "--parsable",
        *flags,
        *(f"--{name}={value}" for name, value in options.items() if value is not None),
    )
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


def slurm_time(seconds: float) -> str:
    """Write a time limit as Slurm takes it, D-HH:MM:SS; rounded up to the second."""
    whole = math.ceil(seconds)
    days, rest = divmod(whole, 86400)
    return f"{days}-{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"


def _literal(path: str) -> str:
    """Keep Slurm from reading file name patterns (%j, %x, ...) in a path that a person chose."""
    return _PATTERN_CHARACTERS.sub(lambda match: "%%" if match[0] == "%" else "\\\\", path)
