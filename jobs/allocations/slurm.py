"""A Slurm job as an allocation: the head is where this process runs, other nodes are reached by steps."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from jobs import identity, leader, node
from jobs.allocations import local
from jobs.allocations.base import AllocationError, Handle
from jobs.allocations.held import seconds_left
from jobs.allocations.local import LocalHandle
from jobs.allocations.srun import WITHIN, Srun, StepError
from jobs.allocations.steps import Steps
from jobs.program import Program, StartError
from runs import follower
from runs import site as sites
from runs.manifest import Node, Process
from runs.site import Site

_FACTS = (
    *("SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_JOB_PARTITION", "SLURM_JOB_ACCOUNT", "SLURM_JOB_QOS"),
    *("SLURM_JOB_NODELIST", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_JOB_GPUS"),
    *("SLURM_CLUSTER_NAME", "SLURM_RESTART_COUNT", "SLURM_SUBMIT_HOST", "SLURMD_NODENAME", "SLURM_GPUS_ON_NODE"),
    *("SLURM_JOB_CPUS_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_JOB_RESERVATION", "SLURM_JOB_DEPENDENCY"),
    *("SLURM_JOB_START_TIME", "SLURM_JOB_END_TIME", "SLURM_HET_SIZE"),
)
_OF_COMPONENTS = tuple(f"SLURM_JOB_{what}_HET_GROUP_" for what in ("ID", "NODELIST", "NUM_NODES", "PARTITION", "QOS"))
"""Of a heterogeneous job there is one of each for every component, with its number behind."""

_AT_ONCE = 16
"""Nodes that are left at the same time."""
_LEFT_WITHIN = 10.0
"""Seconds for it: a lost node must not cost the seal."""


class StepHandle:
    """A program that runs as a Slurm step on another node; its record's pid is that of the srun here."""

    def __init__(self, srun: LocalHandle, program: Program) -> None:
        self.record: Process = srun.record
        self._srun = srun
        self._program = program

    def poll(self) -> int | None:
        """See `jobs.allocations.base.Handle`. srun passes the exit code on; 128 + n stands for signal n."""
        code = self._srun.poll()
        return code if code is None or code < 128 else 128 - code

    def stop(self) -> int | None:
        """See `jobs.allocations.base.Handle`: the step is asked, then ended, by its id."""
        if self._srun.poll() is None and self.record.step:
            cancel_step(self.record.step, leader.STOP if self._program.contained else self._program.stop_signal)
            deadline = time.monotonic() + self._program.stop_within
            while self._srun.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            if self._srun.poll() is None:
                cancel_step(self.record.step, signal.SIGKILL)
        self._srun.stop()
        return self.poll()


def cancel_step(step: str, number: int) -> None:
    """Signal all processes of a step. A step that is gone is no error."""
    name = signal.Signals(number).name.removeprefix("SIG")
    _run(["scancel", f"--signal={name}", step])


@dataclasses.dataclass(frozen=True)
class _Place:
    """A node of the job. `group`: the component of a heterogeneous job that it is of."""

    name: str
    group: int | None = None


class SlurmAllocation:
    """The job that this process runs in, on its head: its batch script, or a shell that somebody has there."""

    kind: Literal["local", "slurm"] = "slurm"

    def __init__(
        self, asked: int | None = None, *, held: bool = False, site: Site | None = None, scratch: Path | None = None
    ) -> None:
        """`asked`: how many nodes the recipe asks for. `held`: the job is somebody's own, and outlives the run."""
        self.notes: tuple[str, ...] = ()
        self._asked = asked
        self._site = site or sites.load(sites.DEFAULT)
        self._scratch = scratch
        self._job = os.environ.get("SLURM_JOB_ID", "")
        self._places: list[_Place] = []
        self._srun = Srun(self._site.launcher)
        self._steps = Steps(self._listed)
        if not self._job:
            raise AllocationError("SLURM_JOB_ID is not set: this run was submitted to Slurm and runs inside a job only")
        self.seconds_left = seconds_left(self._job) if held else None

    def facts(self) -> dict[str, str]:
        """See `jobs.allocations.base.Allocation`."""
        return {
            name: value
            for name, value in sorted(os.environ.items())
            if name in _FACTS or name.rstrip("0123456789") in _OF_COMPONENTS
        }

    def nodes(self, ports: int) -> tuple[list[Node], list[list[int]]]:
        """See `jobs.allocations.base.Allocation`. The head comes first, whatever Slurm's order."""
        self._places = self._ours()
        if len(self._places) > 1:
            self._probe(self._places[1])
        nodes: list[Node] = []
        free: list[list[int]] = []
        for index, place in enumerate(self._places):
            address = _address(place.name)
            asked = time.time()
            facts = self._ask(index, ports, address)
            facts["clock_offset_seconds"] = round(facts.pop("time") - (asked + time.time()) / 2, 3)
            free.append(facts.pop("ports"))
            self._tell(place.name, facts)
            nodes.append(Node(index=index, name=place.name, address=address, facts=facts))
        return nodes, free

    def _ours(self) -> list[_Place]:
        """Return the nodes that the run has: as many as asked for. Raises AllocationError."""
        head = os.environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]
        groups = int(os.environ.get("SLURM_HET_SIZE", "0"))
        lists: list[tuple[str, int | None]]
        if groups:
            lists = [(os.environ[f"SLURM_JOB_NODELIST_HET_GROUP_{group}"], group) for group in range(groups)]
        else:
            lists = [(os.environ["SLURM_JOB_NODELIST"], None)]
        places = [
            _Place(name, group)
            for text, group in lists
            for name in _run(["scontrol", "show", "hostnames", text]).split()
        ]
        places.sort(key=lambda place: place.name != head)
        asked = self._asked or len(places)
        if len(places) < asked:
            raise AllocationError(
                f"job {self._job} has {len(places)} nodes, and the recipe asks for {asked}: allocate more, or ask for "
                f"fewer by --set allocation.nodes={len(places)}"
            )
        if len(places) > asked:
            self.notes = (*self.notes, f"the run uses {asked} of the {len(places)} nodes of job {self._job}")
        return places[:asked]

    def _probe(self, place: _Place) -> None:
        try:
            self._srun.probe(place.name, place.group)
        except StepError as error:
            raise AllocationError(
                f"Slurm starts no step on {place.name}: {error}: try `srun --nodelist={place.name} true` in this job"
            ) from error
        self.notes = (*self.notes, *self._srun.notes)

    def _ask(self, index: int, ports: int, address: str) -> dict[str, Any]:
        if index == 0:
            return {**node.facts(), "ports": node.free_ports(ports, address)}
        asks = [sys.executable, "-P", "-m", "jobs.node", str(ports), address]
        asks += ["--clear", json.dumps(self._site.local_disk), "--scratch", str(self._scratch or "/")]
        answer = _run([*self._step(index, "facts"), *asks], timeout=WITHIN)
        try:
            facts: dict[str, Any] = json.loads(answer.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise AllocationError(f"node {self._places[index].name} did not say what it is: {answer!r}") from error
        return facts

    def _step(self, index: int, name: str) -> list[str]:
        place = self._places[index]
        return self._srun.command(place.name, name, place.group)

    def _tell(self, name: str, facts: dict[str, Any]) -> None:
        """Note what a reader should know of a node."""
        notes = []
        if cleared := facts.pop("cleared", None):
            notes.append(f"left on {name} by dead runs, and cleared: {', '.join(cleared)}")
        if missing := facts.pop("no_scratch", None):
            notes.append(
                f"{name} has no {missing} to write to, which is the head's node-local place: name one that every node "
                "has in the site profile's local_disk"
            )
        self.notes = (*self.notes, *notes)

    def call(self, node: int, argv: Sequence[str], env: Mapping[str, str], log: Path, timeout: float) -> int:
        """See `jobs.allocations.base.Allocation`."""
        words = list(argv) if node == 0 else [*self._step(node, "call"), *argv]
        return local.call(words, env, log, timeout)

    def start(self, program: Program, env: Mapping[str, str], log: Path) -> Handle:
        """See `jobs.allocations.base.Allocation`."""
        if program.node == 0:
            return local.start(program, env, log)
        # Another run in the same allocation may have a program of that name.
        name = f"{program.name}-{env[identity.RUN_VARIABLE]}"
        known = set(self._steps.named(f"dashcam-{name}"))
        # The tags are for the program over there; the srun here would be taken for it.
        tags = {name: env[name] for name in (identity.RUN_VARIABLE, identity.PROCESS_VARIABLE)}
        export = ",".join(["ALL", *(f"{name}={value}" for name, value in tags.items())])
        first = leader if program.contained else follower
        words = first.command(program.argv, program.stop_signal)
        argv = (*self._step(program.node, name), f"--export={export}", *words)
        plain = {name: value for name, value in env.items() if name not in tags}
        handle = StepHandle(local.start(dataclasses.replace(program, argv=argv), plain, log), program)
        deadline = time.monotonic() + WITHIN
        while handle.record.step is None and handle.poll() is None:
            handle.record.step = next(
                (step for step in self._steps.named(f"dashcam-{name}") if step not in known), None
            )
            if time.monotonic() > deadline:
                handle.stop()
                place = self._places[program.node].name
                raise StartError(
                    f"{program.name}: Slurm gave it no step on {place} within {WITHIN:.0f} s: "
                    "are the node's CPUs or memory held by another step?"
                )
            time.sleep(0.1)
        return handle

    def _listed(self) -> str:
        # Each component of a heterogeneous job has an id of its own, and steps under it.
        jobs = {os.environ.get(f"SLURM_JOB_ID_HET_GROUP_{place.group}", self._job) for place in self._places}
        return _run(["squeue", "--steps", f"--jobs={','.join(sorted(jobs))}", "--noheader", "--format=%i|%j"])

    def clean(self, scratch: Path) -> None:
        """See `jobs.allocations.base.Allocation`."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="clean") as pool:
            left = list(pool.map(lambda index: self._leave(index, scratch), range(1, len(self._places))))
        if any(left):
            raise AllocationError("; ".join(filter(None, left)))

    def _leave(self, index: int, scratch: Path) -> str:
        """Have a node left without a trace; returns what could not be ended there."""
        leave = [sys.executable, "-P", "-m", "jobs.leaving", scratch.name.split("-", 2)[-1], str(scratch)]
        try:
            _run([*self._step(index, "clean"), *leave], timeout=_LEFT_WITHIN)
        except AllocationError as error:  # the node may be gone
            return f"on {self._places[index].name}: {error}" if "still running" in str(error) else ""
        return ""


def _address(name: str) -> str:
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        raise AllocationError(f"the node name {name} has no address here: {error}") from error


def _run(argv: Sequence[str], timeout: float = 20.0) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
    except FileNotFoundError as error:
        raise AllocationError(f"no program {argv[0]} on PATH: is this a Slurm node?") from error
    except subprocess.TimeoutExpired as error:
        raise AllocationError(f"{argv[0]} did not answer within {timeout:.0f} s") from error
    if done.returncode != 0 and argv[0] != "scancel":
        raise AllocationError(f"{argv[0]} failed with {done.returncode}: {done.stderr.strip()[:500]}")
    return done.stdout
