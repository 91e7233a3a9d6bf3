"""Ways to kill a run, and what must be true after each: nothing left, a sealed recording, next to nothing lost."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jobs import identity
from prometheus import snapshot
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError, Process
from tests.lab.errors import LabError, poll
from tests.lab.slurm import SlurmLab

INTERVAL = 0.5
"""Seconds between scrapes."""
COPY = 1.0
"""Seconds between the rounds of the continuous copy: the least that it does."""
RECIPE = """\
name: kills
allocation: {{nodes: {nodes}, time: "{limit}", warning: {warning}s, cpus_per_node: 2, memory: 900M}}
watch: {{interval: {interval}s, exporters: [process], grafana: off}}
services:
  app:
    kind: command
    command: "{python} -P -m tests.jobs.faulty {{port}} {{address}}"
    node: {node}
    ready: /ready
    metrics: /metrics
    url: "http://{{address}}:{{port}}/good"
load:
  generator: openai
  prompt_tokens: 8
  max_tokens: 4
  seed: 3
  drain: 2s
  phases:
    - {{name: steady, for: 300s, rate: 5, arrival: constant}}
"""


@dataclass
class Victim:
    """A run that will be killed. `lab` and `job` of one in Slurm; `command`: `dashcam run` of one here."""

    run: RunDirectory
    call: Callable[..., "subprocess.CompletedProcess[str]"]
    lab: SlurmLab | None = None
    job: str = ""
    command: "subprocess.Popen[str] | None" = None
    lost_node: str = ""
    head_lost: bool = False

    @property
    def manifest(self) -> Manifest:
        """Its manifest as it is now."""
        return Manifest.load(self.run.manifest)

    def slurm(self, *argv: str) -> None:
        """Run a program of Slurm's as the user."""
        assert self.lab is not None
        self.lab.run_as_user(list(argv))

    def record(self, name: str) -> Process:
        """Wait until a program was started, and return its record."""

        def found() -> Process | None:
            manifest = self.manifest
            every = [*manifest.processes, *([manifest.supervisor] if manifest.supervisor else [])]
            return next((each for each in every if each.role == name), None)

        return poll(found, 60, f"{self.run.id} never started its {name}")

    def supervisor(self) -> int:
        """Return the supervisor's pid."""
        return self.record("supervisor").pid

    def guard(self) -> int:
        """Return the pid of the batch process."""
        return parent(self.supervisor())

    def everything(self) -> list[int]:
        """Return all processes of the run, the ones that would mend it first."""
        first = [self.supervisor()]
        if self.command is not None:
            first.insert(0, self.command.pid)
        else:
            first.insert(0, self.guard())
        return list(dict.fromkeys([*first, *(pid for pid, _name in identity.tagged(self.run.id)), *self._of_job()]))

    def _of_job(self) -> list[int]:
        return self.lab.processes(self.job) if self.lab is not None else []

    def over(self) -> bool:
        """Tell whether nobody works on the run any more, though it may be unsealed."""
        if self.lab is None:
            assert self.command is not None
            return self.command.poll() is not None and not identity_alive(self.manifest)
        jobs = self.lab.run_as_user(["squeue", "--noheader", f"--jobs={self.job}", "--format=%A"], check=False)
        return self.job not in jobs.stdout.split()


def identity_alive(manifest: Manifest) -> bool:
    """Tell whether the supervisor lives."""
    return manifest.supervisor is not None and identity.alive(manifest.supervisor.pid, manifest.supervisor.start_ticks)


def parent(pid: int) -> int:
    """Return the pid of the parent process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill(*pids: int) -> None:
    """kill -9."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass(frozen=True)
class Kind:
    """A way to kill. `alone`: it takes a whole node; `late`: Slurm does it when it likes; `steady`: never earlier."""

    name: str
    strike: Callable[[Victim, random.Random], None]
    where: str = "slurm"
    alone: bool = False
    late: bool = False
    steady: bool = False
    limit: str = "00:08:00"
    warning: int = 20
    goes_on: bool = False
    """The run is not ended by it: it is cancelled some seconds later."""
    says: str = ""
    """What its notes or its verdict must say then."""
    service: int = 1
    """The node of the service."""


def _role(name: str) -> Callable[[Victim, random.Random], None]:
    def strike(victim: Victim, _rng: random.Random) -> None:
        record = victim.record(name)
        pids = [record.pid]
        if record.step is not None:  # the program on the other node, and not the srun here
            pids = [pid for pid, tag in identity.tagged(victim.run.id) if tag == record.name]
        kill(*pids)

    return strike


def _scancel(*options: str) -> Callable[[Victim, random.Random], None]:
    return lambda victim, _rng: victim.slurm("scancel", *options, victim.job)


def _all(victim: Victim, _rng: random.Random) -> None:
    kill(*victim.everything())


def _step_daemon(victim: Victim, _rng: random.Random) -> None:
    record = victim.record("service")
    pids = poll(lambda: [pid for pid, tag in identity.tagged(victim.run.id) if tag == record.name], 30, "no service")
    kill(parent(pids[0]))


def _while_ending(victim: Victim, rng: random.Random) -> None:
    pids = victim.everything()
    os.kill(victim.supervisor(), signal.SIGTERM)
    time.sleep(rng.uniform(0, 2.5))
    kill(*pids, *(pid for pid, _name in identity.tagged(victim.run.id)))


def _node(victim: Victim, index: int) -> None:
    poll(lambda: victim.manifest.nodes, 60, "the run told no nodes")
    assert victim.lab is not None
    victim.lost_node = victim.manifest.nodes[index].name
    victim.head_lost = index == 0
    victim.lab.lose(victim.lost_node)
    if victim.head_lost:  # its disk is gone with it
        for left in scratch(victim.run):
            shutil.rmtree(left)


KINDS = (
    Kind("scancel", _scancel()),
    Kind("scancel -s KILL of the batch", _scancel("--batch", "--signal=KILL")),
    Kind("scancel -s KILL of all steps", _scancel("--full", "--signal=KILL")),
    Kind("scontrol requeue", lambda victim, _rng: victim.slurm("scontrol", "requeue", victim.job)),
    Kind("time limit, early warning", lambda *_: None, late=True, limit="00:01:00", warning=25),
    Kind(
        "time limit, no warning",
        lambda victim, _rng: victim.slurm("scontrol", "update", f"JobId={victim.job}", "TimeLimit=1"),
        late=True,
        warning=1,
    ),
    Kind("kill -9 supervisor", lambda victim, _rng: kill(victim.supervisor())),
    Kind("kill -9 guard", lambda victim, _rng: kill(victim.guard())),
    Kind("kill -9 slurmstepd", lambda victim, _rng: kill(parent(victim.guard()))),
    Kind("kill -9 slurmstepd of a step", _step_daemon, steady=True, goes_on=True),
    Kind("kill -9 Prometheus", _role("prometheus")),
    Kind("kill -9 load", _role("load")),
    Kind("kill -9 sidecar", _role("sidecar"), goes_on=True, says="went on"),
    Kind("kill -9 service", _role("service")),
    Kind("kill -9 all at once", _all),
    Kind("kill -9 all while it ends", _while_ending, steady=True),
    Kind("node lost", lambda victim, _rng: _node(victim, 1), alone=True, goes_on=True, says="targets_up", service=0),
    Kind("head lost", lambda victim, _rng: _node(victim, 0), alone=True),
    Kind("Ctrl-C of run", lambda victim, _rng: victim.command.send_signal(signal.SIGINT), "local"),  # type: ignore[union-attr]
    Kind("kill -9 of run", lambda victim, _rng: victim.command.kill(), "local"),  # type: ignore[union-attr]
    Kind("kill -9 supervisor", lambda victim, _rng: kill(victim.supervisor()), "local"),
    Kind("kill -9 all at once", _all, "local"),
    Kind("kill -9 all while it ends", _while_ending, "local", steady=True),
)


def recipe(kind: Kind, python: str, nodes: int) -> str:
    """Return the recipe of a run that will be killed so."""
    return RECIPE.format(
        nodes=nodes,
        node=min(kind.service, nodes - 1),
        python=python,
        limit=kind.limit,
        warning=kind.warning,
        interval=INTERVAL,
    )


@dataclass
class Row:
    """What came of one kill. Times in seconds; `lost`: None where nothing had been recorded yet."""

    kind: Kind
    run: str = ""
    moment: str = ""
    ending: str = ""
    sealed_by: str = ""
    sealed_after: float = 0.0
    lost: float | None = None
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Tell it in a line."""
        lost = "-" if self.lost is None else f"{self.lost:.2f}"
        return (
            f"{self.kind.where:<6} {self.kind.name:<30} {self.moment:<13} {self.ending:<11} {self.sealed_by:<5} "
            f"{self.sealed_after:6.1f} {lost:>6}  {'; '.join(self.wrong)}"
        ).rstrip()


HEAD = f"{'where':<6} {'kind':<30} {'moment':<13} {'ending':<11} {'by':<5} {'seal s':>6} {'lost s':>6}  wrong"


def scratch(run: RunDirectory) -> list[Path]:
    """Return what a run has on node-local disk."""
    return list(Path("/tmp").glob(f"dashcam-*-{run.id}*"))  # noqa: S108


def ready_to_die(victim: Victim, kind: Kind, rng: random.Random) -> str:
    """Wait for the moment; returns its name."""
    poll(lambda: victim.manifest.supervisor is not None, 120, f"{victim.run.id} never began")
    if kind.late:
        return "Slurm's"
    if not kind.steady and rng.random() < 0.25:
        after = rng.uniform(0, 8)
        time.sleep(after)
        return f"start+{after:.1f}"

    def steady() -> bool:
        path = victim.run.load / "progress.json"
        assert not victim.run.sealed, victim.manifest.reason
        state = json.loads(path.read_text()) if path.exists() else {}
        return state.get("phase") == "steady" and state["done"] > 2

    poll(steady, 90, f"{victim.run.id} never came to its load: {victim.manifest.reason}")
    after = rng.uniform(0, 3)
    time.sleep(after)
    return f"steady+{after:.1f}"


def carry_out(kind: Kind, victim: Victim, rng: random.Random) -> Row:
    """Kill a run, see it through to its recording, and look at what is left."""
    row = Row(kind, victim.run.id)
    row.moment = ready_to_die(victim, kind, rng)
    killed = time.time()
    kind.strike(victim, rng)
    if kind.late:
        poll(lambda: ended(victim), 180, "Slurm let the time limit pass", every=0.05)
        killed = time.time()
    if kind.goes_on and not victim.run.sealed:
        time.sleep(3)
        if not victim.run.sealed:
            killed = time.time()
            victim.slurm("scancel", victim.job)
    of = settle(kind, victim, row, killed)
    if of is not None:
        judge(victim, of, row, killed)
    return row


def ended(victim: Victim) -> bool:
    """Tell whether the run is at its end, or cut off."""
    try:
        manifest = victim.manifest
    except ManifestError:
        return False
    return manifest.state in {"ending", "ended"} or not identity_alive(manifest)


def settle(kind: Kind, victim: Victim, row: Row, killed: float) -> RunDirectory | None:
    """Wait until the recording of what was killed is sealed; returns where it is."""
    first = RunDirectory(victim.run.attempts / "1")
    again = kind.name in {"scontrol requeue", "head lost"}
    if victim.lost_node:
        assert victim.lab is not None
        time.sleep(2)
        victim.lab.restore(victim.lost_node)
    try:
        what = lambda: f"it goes on as {victim.manifest.state}, {victim.manifest.reason}"  # noqa: E731
        with contextlib.suppress(LabError) if victim.head_lost else contextlib.nullcontext():
            # Slurm may go on believing in a job whose head is gone, until somebody cancels it.
            poll(lambda: victim.over() or (first.sealed if again else victim.run.sealed), 60, what, every=0.1)
        row.sealed_by = "job" if victim.run.sealed or first.sealed else ""
        row.sealed_after = time.time() - killed
        if victim.lab is not None and not victim.over():
            time.sleep(1)
            victim.lab.run_as_user(["scancel", victim.job], check=False)
        poll(victim.over, 90, "the job stays", every=0.2)
        if not victim.run.sealed:
            victim.call("list")
            row.sealed_after = time.time() - killed
            row.sealed_by = row.sealed_by or "list"
    except (LabError, subprocess.TimeoutExpired) as error:
        row.wrong.append(f"{type(error).__name__}: {error}")
    found = first if first.sealed else victim.run
    if not found.sealed or not victim.run.sealed:
        row.wrong.append("not sealed")
        return None
    return found


def naming(run: RunDirectory) -> list[int]:
    """Find processes with the run's id on their command line: helpers, which carry no tag."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and run.id.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return [pid for pid in found if identity.start_ticks(pid) is not None]


def leftovers(victim: Victim, manifest: Manifest) -> list[str]:
    """Tell what still runs or lies on node-local disk."""
    left = [(process.name, process.pid) for process in manifest.processes if _lives(process)]
    left += [(name, pid) for pid, name in identity.tagged(victim.run.id)]
    left += [("a process that names the run", pid) for pid in naming(victim.run)]
    if victim.lab is not None:
        left += [("job", pid) for pid in victim.lab.processes(victim.job)]
    wrong = [f"still running: {left}"] if left else []
    if on_disk := scratch(victim.run):
        wrong.append(f"left on disk: {', '.join(map(str, on_disk))}")
    return wrong


def judge(victim: Victim, recording: RunDirectory, row: Row, killed: float) -> None:
    """Write down what is not as it must be."""
    for each in {recording.path, victim.run.path}:
        verified = seal.verify(RunDirectory(each))
        if not verified.intact:
            row.wrong.append(f"verify: {verified}")
    manifest = Manifest.load(recording.manifest)
    row.ending = manifest.ending or "none"
    row.wrong += leftovers(victim, manifest)
    found = manifest.verdict.findings if manifest.verdict else []
    told = "\n".join([*manifest.notes, *(f"{each.rule}: {each.message}" for each in found)])
    if row.moment.startswith("steady") and row.kind.says not in told:
        row.wrong.append(f"nothing says {row.kind.says}: {told}")
    if recording.live.exists():
        row.wrong.append("secrets are left")
    blocks = snapshot.blocks(recording.tsdb)
    watched = manifest.timings.get("submit_to_targets_up")
    if watched is None:
        return  # killed before all had been scraped once
    first = manifest.created.timestamp() + watched
    row.lost = max(0.0, killed - (blocks[-1].end if blocks else first))
    copied = row.sealed_by == "list" or victim.head_lost
    most = INTERVAL + COPY + INTERVAL if copied else 2 * INTERVAL
    if row.lost > most + 0.5:  # the machine's own hiccups
        row.wrong.append(f"{row.lost:.2f} s of series lost, {most:.1f} s at most")


def _lives(process: Process) -> bool:
    return identity.alive(process.pid, process.start_ticks)


def table(rows: list[Row]) -> str:
    """Tell all kills by kind: how many, how many sealed, seconds to the seal and of series lost (median, most)."""
    lines = [f"{'':<6} {'kind':<30} {'number':>6} {'sealed':>6} {'seal s':>14} {'lost s':>12}"]
    for kind in KINDS:
        found = [row for row in rows if row.kind is kind]
        if not found:
            continue
        sealed = [row.sealed_after for row in found if row.sealed_by]
        lost = [row.lost for row in found if row.lost is not None]
        lines.append(
            f"{kind.where:<6} {kind.name:<30} {len(found):6} {len(sealed):6} {_pair(sealed):>14} {_pair(lost):>12}"
        )
    return "\n".join(lines)


def _pair(values: list[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.1f} / {max(values):.1f}" if values else "-"
