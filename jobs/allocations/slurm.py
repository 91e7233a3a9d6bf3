"""A Slurm job as an allocation: the head is where this process runs, other nodes are reached by steps.

Only plain srun flags are used, because launchers other than slurmd (ParaStation psmgmt) know no others.
"""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jobs import identity, leader, node
from jobs.allocations import local
from jobs.allocations.base import AllocationError, Handle
from jobs.allocations.local import LocalHandle
from jobs.program import Program, StartError
from runs.manifest import Node, Process

_FACTS = (
    *("SLURM_JOB_ID", "SLURM_JOB_NAME", "SLURM_JOB_PARTITION", "SLURM_JOB_ACCOUNT", "SLURM_JOB_QOS"),
    *("SLURM_JOB_NODELIST", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_JOB_GPUS"),
    *("SLURM_CLUSTER_NAME", "SLURM_RESTART_COUNT", "SLURM_SUBMIT_HOST", "SLURMD_NODENAME"),
)
_STEP_WITHIN = 30.0


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


class SlurmAllocation:
    """The job that this process is the batch script of."""

    kind: Literal["local", "slurm"] = "slurm"

    def __init__(self) -> None:
        self.notes: tuple[str, ...] = ()
        self._job = os.environ.get("SLURM_JOB_ID", "")
        self._names: list[str] = []
        if not self._job:
            raise AllocationError("SLURM_JOB_ID is not set: this run was submitted to Slurm and runs inside a job only")

    def facts(self) -> dict[str, str]:
        """See `jobs.allocations.base.Allocation`."""
        return {name: os.environ[name] for name in _FACTS if name in os.environ}

    def nodes(self, ports: int) -> tuple[list[Node], list[list[int]]]:
        """See `jobs.allocations.base.Allocation`. The head comes first, whatever Slurm's order."""
        names = _run(["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]).split()
        head = os.environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0]
        self._names = sorted(names, key=lambda name: name != head)
        nodes: list[Node] = []
        free: list[list[int]] = []
        for index, name in enumerate(self._names):
            address = _address(name)
            asked = time.time()
            facts = self._ask(index, ports, address)
            facts["clock_offset_seconds"] = round(facts.pop("time") - (asked + time.time()) / 2, 3)
            free.append(facts.pop("ports"))
            nodes.append(Node(index=index, name=name, address=address, facts=facts))
        return nodes, free

    def _ask(self, index: int, ports: int, address: str) -> dict[str, Any]:
        if index == 0:
            return {**node.facts(), "ports": node.free_ports(ports, address)}
        argv = [*self._srun(index, "facts"), sys.executable, "-P", "-m", "jobs.node", str(ports), address]
        answer = _run(argv, timeout=_STEP_WITHIN)
        try:
            facts: dict[str, Any] = json.loads(answer.splitlines()[-1])
        except (IndexError, ValueError) as error:
            raise AllocationError(f"node {self._names[index]} did not say what it is: {answer!r}") from error
        return facts

    def _srun(self, index: int, name: str) -> list[str]:
        return [
            *("srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={self._names[index]}"),
            # A step beside others: no memory and no binding of its own.
            *("--mem=0", "--cpu-bind=none", "--input=none", "--unbuffered", f"--job-name=dashcam-{name}"),
        ]

    def call(self, node: int, argv: Sequence[str], env: Mapping[str, str], log: Path, timeout: float) -> int:
        """See `jobs.allocations.base.Allocation`."""
        words = list(argv) if node == 0 else [*self._srun(node, "call"), *argv]
        return local.call(words, env, log, timeout)

    def start(self, program: Program, env: Mapping[str, str], log: Path) -> Handle:
        """See `jobs.allocations.base.Allocation`."""
        if program.node == 0:
            return local.start(program, env, log)
        step_name = f"dashcam-{program.name}"
        known = set(self._steps(step_name))
        # The tags are for the program over there; the srun here would be taken for it.
        tags = {name: env[name] for name in (identity.RUN_VARIABLE, identity.PROCESS_VARIABLE)}
        export = ",".join(["ALL", *(f"{name}={value}" for name, value in tags.items())])
        first = (sys.executable, "-P", "-m", "jobs.leader", str(int(program.stop_signal)), "--")
        words = (*first, *program.argv) if program.contained else program.argv
        argv = (*self._srun(program.node, program.name), f"--export={export}", *words)
        plain = {name: value for name, value in env.items() if name not in tags}
        handle = StepHandle(local.start(dataclasses.replace(program, argv=argv), plain, log), program)
        deadline = time.monotonic() + _STEP_WITHIN
        while handle.record.step is None and handle.poll() is None:
            handle.record.step = next((step for step in self._steps(step_name) if step not in known), None)
            if time.monotonic() > deadline:
                handle.stop()
                place = self._names[program.node]
                raise StartError(
                    f"{program.name}: Slurm gave it no step on {place} within {_STEP_WITHIN:.0f} s: "
                    "are the node's CPUs or memory held by another step?"
                )
            time.sleep(0.05)
        return handle

    def _steps(self, name: str) -> list[str]:
        lines = _run(["squeue", "--steps", f"--jobs={self._job}", "--noheader", "--format=%i|%j"]).splitlines()
        return [step for step, _, step_name in (line.strip().partition("|") for line in lines) if step_name == name]

    def clean(self, scratch: Path) -> None:
        """See `jobs.allocations.base.Allocation`."""
        for index in range(1, len(self._names)):
            with contextlib.suppress(AllocationError):  # the node may be gone; the head's end must not hang on it
                _run([*self._srun(index, "clean"), "rm", "-rf", "--", str(scratch)], timeout=_STEP_WITHIN)


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
