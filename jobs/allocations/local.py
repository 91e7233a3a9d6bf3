"""This machine as an allocation of one node; also how programs are started on the head of any allocation."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from jobs import identity, node
from jobs.program import Program, StartError
from runs.manifest import Node, Process, now


class LocalHandle:
    """A child of this process that leads its own process group."""

    def __init__(self, child: "subprocess.Popen[bytes]", program: Program, record: Process) -> None:
        self.record = record
        self._child = child
        self._program = program

    def poll(self) -> int | None:
        """See `jobs.allocations.base.Handle`."""
        return self._code(self._child.poll())

    def stop(self) -> int | None:
        """See `jobs.allocations.base.Handle`."""
        group = self._child.pid
        if self._child.poll() is None and self._program.contained:
            # What mounts its image is in the group, too: a signal for all would take the image from under it.
            self._child.send_signal(self._program.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(self._program.stop_within)
        elif self._child.poll() is None:
            _signal(group, self._program.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(self._program.stop_within)
        _signal(group, signal.SIGKILL)  # the leader where it did not listen, and what it left behind
        if self._program.contained:
            identity.end_session(group)
        return self._code(self._child.wait())

    def _code(self, code: int | None) -> int | None:
        return 128 - code if self._program.contained and code is not None and 128 < code < 160 else code


def _signal(group: int, number: signal.Signals) -> None:
    # No permission: a program that changed its user. The child itself is waited for all the same.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def start(program: Program, env: Mapping[str, str], log: Path) -> LocalHandle:
    """Start a program as a child of this process. Raises StartError."""
    try:
        with log.open("ab") as stream:
            child = subprocess.Popen(
                program.argv,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
    except FileNotFoundError as error:
        raise StartError(f"{program.name}: no program {program.argv[0]!r}: install it or put it on PATH") from error
    except OSError as error:
        raise StartError(f"{program.name}: {program.argv[0]!r} cannot be started: {error.strerror}") from error
    record = Process(
        name=program.name,
        role=program.role,
        node=program.node,
        pid=child.pid,
        start_ticks=identity.start_ticks(child.pid) or 0,
        log=log.name,
        command=list(program.argv),
        port=program.port,
        started=now(),
        stop_signal=program.stop_signal,
        contained=program.contained,
    )
    return LocalHandle(child, program, record)


def call(argv: Sequence[str], env: Mapping[str, str], log: Path, timeout: float) -> int:
    """Run a command to its end here, its output appended to `log`; returns the exit code. 124: too slow."""
    with log.open("ab") as stream:
        try:
            return subprocess.run(
                argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                timeout=timeout, check=False, cwd="/",
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            stream.write(f"\n{argv[0]} did not end within {timeout:.0f} s\n".encode())
            return 124
        except OSError as error:
            stream.write(f"\n{argv[0]} cannot be started: {error.strerror}\n".encode())
            return 127


class LocalAllocation:
    """One node: this machine, over the loopback address."""

    kind: Literal["local", "slurm"] = "local"
    seconds_left: float | None = None

    def __init__(self, asked_nodes: int = 1, unused: Sequence[str] = ()) -> None:
        notes = [f"a local run has no use for allocation.{key}" for key in unused]
        if asked_nodes > 1:
            notes.append(f"the recipe asks for {asked_nodes} nodes; a local run has one, and everything runs on it")
        self.notes = tuple(notes)

    def nodes(self, ports: int) -> tuple[list[Node], list[list[int]]]:
        """See `jobs.allocations.base.Allocation`."""
        facts = node.facts()
        facts.pop("time")
        here = Node(index=0, name=facts["host"], address="127.0.0.1", facts=facts)
        return [here], [node.free_ports(ports, here.address)]

    def facts(self) -> dict[str, str]:
        """See `jobs.allocations.base.Allocation`."""
        return {}

    def call(self, node: int, argv: Sequence[str], env: Mapping[str, str], log: Path, timeout: float) -> int:
        """See `jobs.allocations.base.Allocation`."""
        del node
        return call(argv, env, log, timeout)

    def start(self, program: Program, env: Mapping[str, str], log: Path) -> LocalHandle:
        """See `jobs.allocations.base.Allocation`."""
        return start(program, env, log)

    def clean(self, scratch: Path) -> None:
        """See `jobs.allocations.base.Allocation`: there is no other node."""


def wait_gone(pid: int, ticks: int, within: float) -> bool:
    """Wait until a recorded process is gone; False where it still runs after `within` seconds."""
    deadline = time.monotonic() + within
    while identity.alive(pid, ticks):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
