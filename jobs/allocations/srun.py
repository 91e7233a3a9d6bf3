"""Steps of a Slurm job on other nodes: the srun command line, with the flags that this launcher takes.

Launchers other than slurmd (ParaStation psmgmt) may refuse some. They are tried once, and what is refused is told.
"""

import subprocess
from dataclasses import dataclass, field

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


@dataclass
class Srun:
    """Makes command lines of steps. Until `probe` has found otherwise, all flags are taken for good."""

    flags: tuple[str, ...] = tuple(_PURPOSE)
    notes: list[str] = field(default_factory=list)

    def command(self, node: str, name: str, group: int | None = None) -> list[str]:
        """Return srun's words before those of the program. `group`: of a heterogeneous job, the node's component."""
        return [
            *("srun", *self.flags, *(() if group is None else (f"--het-group={group}",))),
            *("--nodes=1", "--ntasks=1", f"--nodelist={node}", f"--job-name=dashcam-{name}"),
        ]

    def probe(self, node: str, group: int | None = None) -> None:
        """Find the flags that work, by steps of `true` on a node: one step where all do.

        What is refused is left out, with a note. Raises RuntimeError where no step begins at all; the text says why.
        """
        if self._try(node, group) is None:
            return
        wished, self.flags = self.flags, ()
        why = self._try(node, group)
        for wish in wished:
            before, reasons = self.flags, []
            for flag in (wish, *_INSTEAD.get(wish, ())):
                self.flags = (*before, flag)
                if (reason := self._try(node, group)) is None:
                    why = None
                    break
                reasons.append(f"{flag}: {reason}")
            else:
                self.flags = before
            if reasons:
                purpose = f" (asked so that {_PURPOSE[wish]})" if wish in _PURPOSE else ""
                instead = f"; {flag} is used" if self.flags != before else ""
                self.notes.append(f"srun refuses {'; '.join(reasons)} {purpose}{instead}")
        if why is not None:
            raise RuntimeError(why)

    def _try(self, node: str, group: int | None) -> str | None:
        """Run `true` as a step; returns what the launcher says against it, in a line."""
        argv = [*self.command(node, "probe", group), "true"]
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
