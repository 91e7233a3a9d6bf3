"""Starts servers and loads on loopback, measures them, and stops them by pid at the end, however that comes."""

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.loadtests.counts import Counts
from benchmarks.meter import children, cpu_seconds, machine_seconds
from prometheus.web import Credentials

_CHECKOUT = Path(__file__).parents[2]
"""Benchmarks are not installed: what is started finds them here."""
_WITHIN = 30.0
_POLL = 0.005
_TOLD = 2000
"""Characters of what a program says that are told with a failure."""


@dataclass(frozen=True)
class Server:
    """A server that runs: its pid, its port, and what it counts."""

    pid: int
    port: int
    counts: Counts

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Use:
    """What one program did between two instants (seconds of CLOCK_MONOTONIC).

    `cpu`: CPU seconds of it and of its children; `served`: of the server. `others`: cores that were busy with neither,
    nor with the benchmark itself.
    """

    begin: float
    end: float
    cpu: float
    served: float
    answers: int
    events: int
    others: float

    @property
    def seconds(self) -> float:
        """How long that was."""
        return self.end - self.begin


class Stage:
    """Programs and files of one benchmark, made by `staged`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._count = 0

    def place(self) -> Path:
        """Return a new folder."""
        self._count += 1
        place = self._folder / str(self._count)
        place.mkdir()
        return place

    def server(self, events: int = 1, gap: float = 0.0) -> Server:
        """Start a server; its streams have so many events, `gap` seconds from one another."""
        path = self.place() / "counts"
        counts = Counts.create(path)
        self._stack.callback(counts.close)
        words = (sys.executable, "-P", "-m", "benchmarks.loadtests.server", str(path), str(events), str(gap))
        process = self._stack.enter_context(running(words))
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], _WITHIN)
        line = process.stdout.readline() if ready else ""
        assert line, "the server does not start"
        return Server(process.pid, int(line), counts)

    def plan(self, url: str, *phases: Mapping[str, Any], **load: Any) -> "Plan":
        """Write the plan of a load on `url`; keys as `runs.recipe.Load` has them."""
        place = self.place()
        output, token = place / "load", place / "token"
        output.mkdir()
        token.touch(mode=0o600)
        token.write_text(Credentials.generate().password)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        plan = {
            "run_id": "20260101-000000-bench-0000",
            "load": {"generator": "openai", "drain": 1, "seed": 7, "processes": 1, "phases": phases, **load},
            "target": {"protocol": "openai", "url": url},
            "output": str(output),
            "listen": f"127.0.0.1:{port}",
            "token_file": str(token),
            "hurry": 0.1,
            "linger": False,
        }
        path = place / "plan.json"
        path.write_text(json.dumps(plan))
        return Plan(path, output, port, token)


@dataclass(frozen=True)
class Plan:
    """A load to be started: its plan's file, where its records come, its port for /metrics, and the token's file."""

    path: Path
    output: Path
    port: int
    token: Path

    def words(self, module: str = "loadtests") -> tuple[str, ...]:
        """Return the command line that carries it out."""
        return (sys.executable, "-P", "-m", module, str(self.path))


@contextmanager
def staged() -> Iterator[Stage]:
    """Give a stage; at the end all that was started on it is stopped, and its files are removed."""
    with tempfile.TemporaryDirectory(prefix="dashcam-bench-") as folder, ExitStack() as stack:
        yield Stage(Path(folder), stack)


@contextmanager
def running(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Run a program; at the end it is told to end, or killed. Its standard output is read by who reads it, if any."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**(os.environ if environment is None else environment), "PYTHONPATH": str(_CHECKOUT)},
        )
        try:
            yield process
        except AssertionError as error:
            log.seek(0)
            error.add_note(f"{words!r} says: {log.read()[-_TOLD:]}")
            raise
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                process.communicate(timeout=_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def until(process: "subprocess.Popen[str]", ready: Callable[[], bool], within: float = _WITHIN) -> None:
    """Poll until `ready`. Fails where the process ends before, or takes longer than `within` seconds."""
    deadline = time.monotonic() + within
    while not ready():
        assert process.poll() is None, f"{process.args!r} ended with code {process.returncode}"
        assert time.monotonic() < deadline, f"{process.args!r} did not come so far within {within:g} s"
        time.sleep(_POLL)


def measure(process: "subprocess.Popen[str]", server: Server, settle: float, seconds: float) -> Use:
    """Measure a load for `seconds`, from `settle` seconds after its first answer on. It goes on afterwards."""
    begun = server.counts.answers + server.counts.events
    until(process, lambda: server.counts.answers + server.counts.events > begun)
    time.sleep(settle)
    pids = (process.pid, *children(process.pid))
    before = _look(pids, server)
    time.sleep(seconds)
    after = _look(pids, server)
    assert process.poll() is None, f"{process.args!r} ended while it was measured"
    when, cpu, served, answers, events, busy = (b - a for a, b in zip(before, after, strict=True))
    use = Use(before[0], after[0], cpu, served, round(answers), round(events), max(0.0, busy) / when)
    assert use.answers or use.events, f"{process.args!r} sent nothing while it was measured"
    return use


def _look(pids: Sequence[int], server: Server) -> tuple[float, float, float, float, float, float]:
    cpu, served = sum(map(cpu_seconds, pids)), cpu_seconds(server.pid)
    busy = machine_seconds() - cpu - served - time.process_time()
    return time.monotonic(), cpu, served, server.counts.answers, server.counts.events, busy
