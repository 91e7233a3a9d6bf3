"""Steps of a Slurm job on other nodes: the srun command line, with the flags that this launcher takes.

Launchers other than slurmd (ParaStation psmgmt) may refuse some. They are tried once, and what is refused is told.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

from runs.site import Launcher

WITHIN = 30.0
"""Seconds that a step may take to begin."""

_PURPOSE = {
    "--overlap": "steps share the node's CPUs",
    "--mem=0": "a step takes no memory for itself",
    "--cpu-bind=none": "programs may use all cores of the node",
    "--input=none": "a step does not read our standard input",
    "--unbuffered": "logs come as they are written",
}
_INSTEAD = {"--overlap": ("--oversubscribe",), "--cpu-bind=none": ("--cpu-bind=no",)}
"""What else says the same to a launcher that does not know a flag."""

_PROBE_WITHIN = 10.0


class StepError(Exception):
    """No step can be started; the text is srun's."""


@dataclass
class Srun:
    """Makes command lines of steps. Until `probe` has found otherwise, all flags of the launcher are taken for good."""

    launcher: Launcher = field(default_factory=Launcher)
    notes: list[str] = field(default_factory=list)
    flags: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all of them."""
        self.flags = self.launcher.step

    def command(self, nodes: str | Sequence[str], name: str, group: int | None = None) -> list[str]:
        """Return srun's words before those of the program, which is started once on each of the nodes.

        `group`: of a heterogeneous job, the nodes' component.
        """
        names = [nodes] if isinstance(nodes, str) else list(nodes)
        size = str(len(names))
        return [
            *("srun", *self.flags, *(() if group is None else (f"--het-group={group}",))),
            *(f"--nodes={size}", f"--ntasks={size}", *(("--ntasks-per-node=1",) if len(names) > 1 else ())),
            *(f"--nodelist={','.join(names)}", f"--job-name=dashcam-{name}"),
        ]

    def probe(self, nodes: str | Sequence[str], group: int | None = None) -> None:
        """Find the flags that work, by steps of `true`: one step where all do.

        What is refused is left out, with a note, or said in another way. Raises StepError where no step begins at all,
        or without a flag that may not go (`Launcher.may_drop`); the text says why.
        """
        if self._try(nodes, group) is None:
            return
        self.flags = ()
        if nothing := self._try(nodes, group):
            raise StepError(nothing)
        for wish in self.launcher.step:
            before, reasons = self.flags, []
            for flag in (wish, *_INSTEAD.get(wish, ())):
                self.flags = (*before, flag)
                if (reason := self._try(nodes, group)) is None:
                    break
                reasons.append(f"{flag}: {reason}")
            else:
                self.flags = before
                if wish not in self.launcher.may_drop:
                    raise StepError(f"srun refuses {'; '.join(reasons)}, without which nothing runs beside the job")
            if reasons:
                purpose = f" (asked so that {_PURPOSE[wish]})" if wish in _PURPOSE else ""
                instead = f"; {flag} is used" if self.flags != before else ""
                self.notes.append(f"srun refuses {'; '.join(reasons)}{purpose}{instead}")

    def _try(self, nodes: str | Sequence[str], group: int | None) -> str | None:
        """Run `true` as a step; returns what the launcher says against it, in a line."""
        argv = [*self.command(nodes, "probe", group), "true"]
        try:
            done = subprocess.run(
                argv, capture_output=True, text=True, check=False, timeout=_PROBE_WITHIN, stdin=subprocess.DEVNULL
            )
        except FileNotFoundError:
            return "there is no program srun on PATH"
        except subprocess.TimeoutExpired:
            return f"no step within {_PROBE_WITHIN:.0f} s"
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return None if done.returncode == 0 else (lines[0][:200] if lines else f"exit code {done.returncode}")
