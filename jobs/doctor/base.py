"""What a check of the preflight is given, and what it says."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runs.recipe import Recipe
from runs.site import Site

State = Literal["ok", "degraded", "missing"]
Group = Literal["programs", "site", "disk", "node", "between nodes"]
GROUPS: tuple[Group, ...] = ("programs", "site", "disk", "node", "between nodes")
Where = Literal["here", "login", "job"]
"""A machine on its own; a cluster's login node; a node of a job."""


@dataclass(frozen=True)
class Line:
    """One finding. `degraded` says what is lost, `missing` how to mend it; `needed`: no run without it."""

    what: str
    state: State
    detail: str
    mend: str = ""
    needed: bool = False


@dataclass(frozen=True)
class Context:
    """What checks look at. `scratch` and `shared` exist for as long as the preflight: what is put there goes with it.

    `scratch` is where a run's node-local data would be, `shared` beside the recordings; None: it cannot be written to.
    """

    site: Site
    recipe: Recipe | None
    root: Path
    where: Where
    scratch: Path | None = None
    shared: Path | None = None

    def watched(self, exporter: str) -> bool:
        """Tell whether the recipe (without one: any run) has a sidecar of that name."""
        return exporter in (self.recipe.watch.exporters if self.recipe is not None else ("node", "cgroup", "process"))

    def kinds(self) -> set[str]:
        """Return the kinds of the recipe's services."""
        return {service.kind for service in self.recipe.services.values()} if self.recipe is not None else set()

    @property
    def job(self) -> str:
        """Slurm's id of the job that we are in; empty: in none."""
        return os.environ.get("SLURM_JOB_ID", "") if self.where == "job" else ""


@dataclass(frozen=True)
class Check:
    """One check. It runs in a process of its own, which is ended after `within` seconds.

    `vital`: when it fails or hangs, a run would too.
    """

    name: str
    group: Group
    look: Callable[[Context], Iterable[Line]]
    within: float = 20.0
    vital: bool = False
    order: int = 0


@dataclass(frozen=True)
class Answer:
    """What a program said. `code` is None where it could not be started or did not end in time."""

    code: int | None
    out: str
    error: str

    @property
    def text(self) -> str:
        """Both outputs."""
        return self.out + self.error

    @property
    def reason(self) -> str:
        """The first line of what it complained of."""
        lines = (self.error.strip() or self.out.strip()).splitlines()
        return lines[0][:200] if lines else f"exit code {self.code}"


def ask(argv: Sequence[str], within: float = 10.0) -> Answer:
    """Run a program to its end; one that takes longer is ended by SIGTERM (srun then ends its step), else SIGKILL.

    It stays in the check's process group: what it leaves behind ends with the check.
    """
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
        )
    except OSError as error:
        return Answer(None, "", f"{argv[0]}: {error.strerror}")
    try:
        out, error_text = child.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        for end in (child.terminate, child.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=2.0)
                break
        return Answer(None, "", f"{argv[0]} did not answer within {within:g} s")
    return Answer(child.returncode, out, error_text)
